// Result<T>: the value of an operation, or one Error that says what failed, on what, and what to do.
#pragma once

#include <expected>
#include <string>
#include <string_view>

namespace natlens::base {

/// Why an operation failed, coarse enough to choose an exit status from (docs: exit statuses 2 and 3).
enum class ErrorCode {
    invalidInput,   ///< the caller's data or arguments are wrong (exit status 2)
    notFound,       ///< a named thing does not exist (exit status 2)
    notPermitted,   ///< this machine does not allow it (exit status 3)
    unsupported,    ///< this machine or build lacks a capability (exit status 3)
    truncated,      ///< input breaks off; what came before it is usable
    io,             ///< a system call failed for another reason
    cancelled,      ///< stopped on request
    internal,       ///< a broken invariant that could be reported
};

/// One failure. `sentence()` is what a person reads: "operation subject: message (errno text)".
struct Error {
    ErrorCode code = ErrorCode::internal;
    std::string message;        ///< what is wrong, and where possible what to do
    std::string operation = {}; ///< e.g. "setns", "open", "parse"; may be empty
    std::string subject = {};   ///< e.g. a path, a namespace, a JSON pointer; may be empty
    int errnoValue = 0;         ///< errno, or 0

    [[nodiscard]] std::string sentence() const;
};

template<class T>
using Result = std::expected<T, Error>;
using Status = std::expected<void, Error>;

/// Shorthand: `return fail(ErrorCode::invalidInput, "no such scenario", "lab run", name);`
[[nodiscard]] std::unexpected<Error> fail(ErrorCode code, std::string message, std::string operation = {},
                                          std::string subject = {});

/// A failed system call: takes errno now, maps EPERM/EACCES to notPermitted and ENOENT to notFound.
[[nodiscard]] std::unexpected<Error> failErrno(std::string operation, std::string subject = {});

/// The process exit status that DESIGN section 5 gives to this error: 2, 3 or (for the rest) 2.
[[nodiscard]] int exitStatus(const Error &error);

} // namespace natlens::base
