// Shared libraries that few commands need.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <dlfcn.h>

namespace natlens::lab {

/// A library loaded when it is first used, not at every start of natlens (docs/adr/0021-libraries-loaded-late.md). It
/// stays. Any thread.
class LateLibrary final {
public:
    /// By the name that programs linked with it would ask for. Without it the program ends as it would have then, with
    /// status 3.
    explicit LateLibrary(const char *name)
        : m_handle(::dlopen(name, RTLD_NOW | RTLD_LOCAL)) {
        if (m_handle == nullptr) fail();
    }

    /// A function of the type that the library's own header says: find<decltype(::name)>("name").
    template<class Function>
    [[nodiscard]] Function *find(const char *name) const {
        void *found = ::dlsym(m_handle, name);
        if (found == nullptr) fail();
        return reinterpret_cast<Function *>(found);
    }

private:
    [[noreturn]] static void fail() {
        std::fprintf(stderr, "natlens: %s; install what scripts/packages.txt lists\n", ::dlerror());
        std::exit(3);
    }

    void *m_handle;
};

} // namespace natlens::lab
