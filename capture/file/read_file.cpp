#include "capture/base/mapped_file.h"
#include "capture/base/unique_fd.h"
#include "capture/file/point_names.h"
#include "capture/file/reader.h"

#include <cerrno>
#include <fcntl.h>
#include <span>
#include <sys/stat.h>
#include <vector>

namespace natlens::file {

namespace {

base::Status feedPortions(Reader &reader, int fd, const std::string &subject) {
    std::vector<std::byte> buffer(std::size_t{1} << 20);
    while (true) {
        const ssize_t count = ::read(fd, buffer.data(), buffer.size());
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return base::failErrno("read", subject);
        if (count == 0) return {};
        if (auto fed = reader.feed(std::span(buffer).first(static_cast<std::size_t>(count))); !fed) return fed;
    }
}

base::Status feedAll(Reader &reader, int fd, const std::string &subject) {
    struct stat status {};
    if (::fstat(fd, &status) != 0) return base::failErrno("stat", subject);
    if (S_ISDIR(status.st_mode))
        return base::fail(base::ErrorCode::invalidInput, "is a folder; name the capture files in it", "read", subject);
    if (S_ISREG(status.st_mode) && ::lseek(fd, 0, SEEK_CUR) == 0) {
        if (const auto file = base::MappedFile::map(fd, static_cast<std::size_t>(status.st_size))) {
            auto fed = reader.feed(std::as_bytes(std::span(file->text())));
            // What such a file holds where it was cut is no fault of its own. The rest of its last page are zeros
            // without anybody noticing, so that its size is looked at once more.
            struct stat now {};
            const bool shorter = ::fstat(fd, &now) == 0 && now.st_size < status.st_size;
            if (file->damaged() || shorter)
                return base::fail(base::ErrorCode::truncated, "was shortened while it was read", "read", subject);
            return fed;
        }
    }
    return feedPortions(reader, fd, subject);
}

} // namespace

base::Status readFile(const std::filesystem::path &path, StreamSink &sink, std::uint32_t *nextPoint,
                      std::uint64_t *nextPacket) {
    const bool isStandardInput = path == "-";
    const std::string subject = isStandardInput ? "standard input" : path.string();
    base::UniqueFd owned;
    if (!isStandardInput) {
        owned.reset(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
        if (!owned) return base::failErrno("open", subject);
    }

    Reader::Options options;
    options.pointName = pointNameOf(path);
    if (nextPoint) options.firstPoint = *nextPoint;
    if (nextPacket) options.firstPacket = *nextPacket;
    Reader reader(sink, std::move(options));

    base::Status status = feedAll(reader, isStandardInput ? STDIN_FILENO : owned.get(), subject);
    if (status) status = reader.finish();
    if (nextPoint) *nextPoint = reader.nextPoint();
    if (nextPacket) *nextPacket = reader.nextPacket();
    if (!status && status.error().operation == "read capture") {
        base::Error error = std::move(status.error());
        error.operation = "read";
        error.subject = subject + " " + error.subject;
        return std::unexpected(std::move(error));
    }
    return status;
}

} // namespace natlens::file
