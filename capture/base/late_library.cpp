#include "capture/base/late_library.h"

#include <dlfcn.h>
#include <fmt/format.h>

namespace natlens::base {

Result<LateLibrary> LateLibrary::load(const LateLibraryName &name) {
    if (void *handle = ::dlopen(name.file, RTLD_NOW | RTLD_LOCAL)) return LateLibrary(handle, name);
    return fail(ErrorCode::unsupported, fmt::format("install the package {} ({})", name.package, ::dlerror()), "load",
                name.file);
}

Result<void *> LateLibrary::address(const char *function) const {
    if (void *found = ::dlsym(m_handle, function)) return found;
    return fail(ErrorCode::unsupported,
                fmt::format("lacks {}; install a newer version of the package {}", function, m_name.package), "load",
                m_name.file);
}

} // namespace natlens::base
