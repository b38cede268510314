#include "app/session/capture_input.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <sys/stat.h>

namespace natlens::session {

namespace {

bool isSameFile(const std::filesystem::path &a, const std::filesystem::path &b) {
    return a.lexically_normal() == b.lexically_normal();
}

} // namespace

base::Result<CaptureInput> CaptureInput::open(const std::filesystem::path &path) {
    CaptureInput input;
    input.name = path.string();
    input.pointName = file::pointNameOf(path);
    input.fd.reset(path == "-" ? ::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3)
                               : ::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    struct stat status {};
    if (!input.fd || ::fstat(input.fd.get(), &status) != 0) {
        auto failure = base::failErrno("read", input.name);
        failure.error().code = base::ErrorCode::invalidInput; // also without permission: another file may do
        if (failure.error().errnoValue == ENOENT && input.name.find_first_of("*?[") != std::string::npos)
            failure.error().message = "the pattern matches no file";
        return failure;
    }
    if (S_ISDIR(status.st_mode))
        return base::fail(base::ErrorCode::invalidInput,
                          "this is a folder; name its capture files, for instance " + (path / "*.pcap").string(),
                          "read", input.name);
    input.canGrow = S_ISREG(status.st_mode);
    if (input.canGrow) input.size = static_cast<std::uint64_t>(status.st_size);
    ::posix_fadvise(input.fd.get(), 0, 0, POSIX_FADV_SEQUENTIAL);
    return input;
}

void CaptureInput::nameBy(const std::vector<PointName> &names) {
    for (const PointName &given : names) {
        if (!isSameFile(given.file, name)) continue;
        pointName = given.name;
        nameSource = file::NameSource::person;
    }
}

void nameWholeSeries(std::vector<PointName> &names, const std::vector<std::filesystem::path> &files,
                     const std::vector<std::string> &series) {
    const std::vector<PointName> given = names;
    const auto isNamed = [&](const std::filesystem::path &file) {
        return std::ranges::any_of(given, [&](const PointName &name) { return isSameFile(name.file, file); });
    };
    for (const PointName &name : given)
        for (std::size_t i = 0; i < files.size(); ++i) {
            if (series[i].empty() || !isSameFile(name.file, files[i])) continue;
            for (std::size_t other = 0; other < files.size(); ++other)
                if (series[other] == series[i] && !isNamed(files[other]))
                    names.push_back({files[other].string(), name.name});
        }
}

base::Status checkPointNames(const std::vector<PointName> &names, const std::vector<std::filesystem::path> &files) {
    for (const PointName &given : names) {
        if (given.name.empty() || given.name.front() == '/' || given.name.back() == '/')
            return base::fail(base::ErrorCode::invalidInput, "write it as FILE=node/interface", "--point",
                              given.file + "=" + given.name);
        if (std::ranges::none_of(files, [&](const auto &file) { return isSameFile(file, given.file); }))
            return base::fail(base::ErrorCode::invalidInput, "this is none of the capture files given", "--point",
                              given.file);
    }
    return {};
}

} // namespace natlens::session
