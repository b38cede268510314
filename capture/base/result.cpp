#include "capture/base/result.h"

#include <cerrno>
#include <cstring>

namespace natlens::base {

std::string Error::sentence() const {
    std::string text;
    if (!operation.empty()) text += operation;
    if (!subject.empty()) text += (text.empty() ? "" : " ") + subject;
    if (!text.empty() && !(message.empty() && errnoValue == 0)) text += ": ";
    text += message;
    if (errnoValue != 0) {
        const char *reason = std::strerror(errnoValue);
        text += message.empty() ? std::string(reason) : " (" + std::string(reason) + ")";
    }
    return text;
}

std::unexpected<Error> fail(ErrorCode code, std::string message, std::string operation, std::string subject) {
    return std::unexpected(Error{code, std::move(message), std::move(operation), std::move(subject), 0});
}

std::unexpected<Error> failErrno(std::string operation, std::string subject) {
    const int value = errno;
    ErrorCode code = ErrorCode::io;
    if (value == EPERM || value == EACCES) code = ErrorCode::notPermitted;
    if (value == ENOENT) code = ErrorCode::notFound;
    return std::unexpected(Error{code, {}, std::move(operation), std::move(subject), value});
}

int exitStatus(const Error &error) {
    return error.code == ErrorCode::notPermitted || error.code == ErrorCode::unsupported ? 3 : 2;
}

} // namespace natlens::base
