// Shared libraries that few commands need.
#pragma once

#include "capture/base/result.h"

namespace natlens::base {

/// A library by the name that programs linked with it would ask for, and the package that has it.
struct LateLibraryName {
    const char *file, *package;
};

/// The HTTP libraries of the lab (docs/adr/0021-libraries-loaded-late.md): these are all that are loaded late. The
/// files have the same names on Debian 12, Debian 13 and Ubuntu 24.04; the newer two accept the packages' old names.
inline constexpr LateLibraryName kMicrohttpdLibrary{"libmicrohttpd.so.12", "libmicrohttpd12"};
inline constexpr LateLibraryName kCurlLibrary{"libcurl.so.4", "libcurl4"};

/// A library loaded when it is first used, not at every start of natlens. It stays. Any thread.
class LateLibrary final {
public:
    /// unsupported when it is not installed, with the package to install.
    [[nodiscard]] static Result<LateLibrary> load(const LateLibraryName &name);

    /// Sets `function` to the function of that name, whose type the library's own header says.
    template<class Function>
    [[nodiscard]] Status find(const char *name, Function *&function) const {
        auto found = address(name);
        if (!found) return std::unexpected(found.error());
        function = reinterpret_cast<Function *>(*found);
        return {};
    }

private:
    LateLibrary(void *handle, const LateLibraryName &name)
        : m_handle(handle)
        , m_name(name) {}
    [[nodiscard]] Result<void *> address(const char *function) const;

    void *m_handle;
    LateLibraryName m_name;
};

} // namespace natlens::base
