#include "capture/base/unique_fd.h"
#include "capture/file/point_names.h"
#include "capture/file/reader.h"

#include <array>
#include <cerrno>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <vector>

namespace natlens::file {

namespace {

/// A whole file in memory, read-only; unmapped at the end. Nothing if it cannot be mapped (a pipe, an empty file).
class Mapping final {
public:
    Mapping(int fd, std::size_t length)
        : m_length(length) {
        if (length == 0) return;
        void *address = ::mmap(nullptr, length, PROT_READ, MAP_PRIVATE, fd, 0);
        if (address == MAP_FAILED) return;
        m_address = address;
        ::madvise(m_address, length, MADV_SEQUENTIAL);
    }
    Mapping(const Mapping &) = delete;
    Mapping &operator=(const Mapping &) = delete;
    ~Mapping() {
        if (m_address) ::munmap(m_address, m_length);
    }

    [[nodiscard]] bool valid() const { return m_address != nullptr; }
    [[nodiscard]] std::span<const std::byte> bytes() const {
        return {static_cast<const std::byte *>(m_address), m_length};
    }

private:
    void *m_address = nullptr;
    std::size_t m_length = 0;
};

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
        const Mapping mapping(fd, static_cast<std::size_t>(status.st_size));
        if (mapping.valid()) return reader.feed(mapping.bytes());
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
