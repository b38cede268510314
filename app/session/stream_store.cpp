#include "app/session/stream_store.h"

#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

namespace natlens::session {
namespace {

constexpr std::uint32_t kSectionHeader = 0x0A0D0D0A; // the same in both byte orders
constexpr std::uint32_t kByteOrderMagic = 0x1A2B3C4D;
constexpr std::uint32_t kSmallestBlock = 12;

std::uint32_t number(const unsigned char *bytes, bool bigEndian) {
    std::uint32_t value = 0;
    for (int i = 0; i < 4; ++i)
        value |= std::uint32_t(bytes[i]) << (bigEndian ? 24 - 8 * i : 8 * i);
    return value;
}

/// A file that a person named badly is bad input, also where permissions are the reason: the machine is not to blame.
std::unexpected<base::Error> fileError(const char *operation, const std::string &path) {
    auto failure = base::failErrno(operation, path);
    failure.error().code = base::ErrorCode::invalidInput;
    return failure;
}

} // namespace

void BlockBoundary::header() {
    const bool section = number(m_head.data(), false) == kSectionHeader;
    if (section) m_bigEndian = number(m_head.data() + 8, true) == kByteOrderMagic;
    m_length = number(m_head.data() + 4, m_bigEndian);
    if (m_length < kSmallestBlock || m_length % 4 != 0 ||
        (section && number(m_head.data() + 8, m_bigEndian) != kByteOrderMagic)) {
        m_lost = true;
        return;
    }
    m_left = m_length - m_head.size();
}

void BlockBoundary::feed(std::span<const std::byte> bytes) {
    while (!bytes.empty() && !m_lost) {
        if (m_headSize < m_head.size()) {
            const std::size_t take = std::min(bytes.size(), m_head.size() - m_headSize);
            std::memcpy(m_head.data() + m_headSize, bytes.data(), take);
            m_headSize += take;
            bytes = bytes.subspan(take);
            if (m_headSize < m_head.size()) return;
            header();
            if (m_lost) return;
        }
        const std::size_t take = static_cast<std::size_t>(std::min<std::uint64_t>(bytes.size(), m_left));
        bytes = bytes.subspan(take);
        m_left -= take;
        if (m_left == 0) {
            m_complete += m_length;
            m_headSize = 0;
        }
    }
}

base::Status writeAll(int fd, std::span<const std::byte> bytes, const std::string &subject) {
    while (!bytes.empty()) {
        const ssize_t written = ::write(fd, bytes.data(), bytes.size());
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return base::failErrno("write", subject);
        bytes = bytes.subspan(static_cast<std::size_t>(written));
    }
    return {};
}

base::Result<std::unique_ptr<StreamStore>> StreamStore::create(const std::filesystem::path &path) {
    base::UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
    if (!fd) fd.reset(::open(path.c_str(), O_WRONLY | O_CLOEXEC)); // a pipe or device that can only be written
    if (!fd) return fileError("record to", path.string());
    return std::unique_ptr<StreamStore>(new StreamStore(std::move(fd), path.string()));
}

base::Result<std::unique_ptr<StreamStore>> StreamStore::temporary() {
    std::error_code ignored;
    const std::filesystem::path folder = std::filesystem::temp_directory_path(ignored);
    base::UniqueFd fd;
    if (!ignored) fd.reset(::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
    if (!fd) fd.reset(::memfd_create("natlens-stream", MFD_CLOEXEC));
    if (!fd) return base::failErrno("keep the stream in", folder.string());
    return std::unique_ptr<StreamStore>(new StreamStore(std::move(fd), "the stream's copy in " + folder.string()));
}

base::Status StreamStore::append(std::span<const std::byte> bytes) {
    if (m_failed) return {}; // said once
    if (auto written = writeAll(m_fd.get(), bytes, m_subject); !written) {
        m_failed = true;
        base::Error error = std::move(written).error();
        error.operation = "record to";
        error.message = fmt::format("the recording ends after {} bytes, which can be read", m_boundary.complete());
        if (::ftruncate(m_fd.get(), static_cast<off_t>(m_boundary.complete())) != 0) {
            // A pipe or a device: there is nothing to cut.
        }
        return std::unexpected(std::move(error));
    }
    m_boundary.feed(bytes);
    const std::lock_guard lock(m_mutex);
    m_complete = m_boundary.complete();
    return {};
}

base::Status StreamStore::copyTo(const std::filesystem::path &path) const {
    std::uint64_t left;
    {
        const std::lock_guard lock(m_mutex);
        left = m_complete;
    }
    base::UniqueFd out(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
    if (!out) return fileError("save to", path.string());
    std::vector<std::byte> buffer(1u << 20);
    off_t offset = 0;
    while (left > 0) {
        const std::size_t want = static_cast<std::size_t>(std::min<std::uint64_t>(left, buffer.size()));
        const ssize_t got = ::pread(m_fd.get(), buffer.data(), want, offset);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return base::failErrno("read", m_subject);
        if (got == 0) break;
        if (auto written = writeAll(out.get(), std::span(buffer).first(static_cast<std::size_t>(got)), path.string());
            !written)
            return written;
        offset += got;
        left -= static_cast<std::uint64_t>(got);
    }
    return {};
}

} // namespace natlens::session
