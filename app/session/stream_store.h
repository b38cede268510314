// Where the raw bytes of a pcapng stream are kept: a recording, or a file without a name for "save as" later.
#pragma once

#include "capture/base/result.h"
#include "capture/base/unique_fd.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <mutex>
#include <span>

namespace natlens::session {

/// Finds the ends of the blocks in a pcapng byte stream (pcapng section 3.1), so that a file can be cut where every
/// reader accepts it. Little or big endian, as the section header says.
class BlockBoundary final {
public:
    void feed(std::span<const std::byte> bytes);
    /// Offset behind the last complete block.
    [[nodiscard]] std::uint64_t complete() const { return m_complete; }

private:
    void header();
    std::uint64_t m_complete = 0; ///< end of the last complete block
    std::uint64_t m_left = 0;     ///< bytes of the current block still to come, 0 while its header is read
    std::uint64_t m_length = 0;
    std::array<unsigned char, 12> m_head{}; ///< type, length, byte-order magic
    std::size_t m_headSize = 0;
    bool m_bigEndian = false;
    bool m_lost = false; ///< not pcapng: nothing can be said any more
};

/// Appends a pcapng stream to a file. append() belongs to one thread, copyTo() may be called by any.
class StreamStore final {
public:
    /// A file that people named; truncated. The error says why it cannot be written.
    [[nodiscard]] static base::Result<std::unique_ptr<StreamStore>> create(const std::filesystem::path &path);
    /// A file without a name in the folder for temporary files (in memory if there is none); gone with this object.
    [[nodiscard]] static base::Result<std::unique_ptr<StreamStore>> temporary();

    /// After a failure (disk full) the file is cut behind its last complete block, so that what is there can be read,
    /// and nothing more is taken.
    [[nodiscard]] base::Status append(std::span<const std::byte> bytes);
    /// Everything up to the last complete block.
    [[nodiscard]] base::Status copyTo(const std::filesystem::path &path) const;
    /// A name under which this process can open the bytes kept so far again.
    [[nodiscard]] std::filesystem::path path() const { return "/proc/self/fd/" + std::to_string(m_fd.get()); }

private:
    StreamStore(base::UniqueFd fd, std::string subject)
        : m_fd(std::move(fd))
        , m_subject(std::move(subject)) {}
    base::UniqueFd m_fd;
    std::string m_subject;
    BlockBoundary m_boundary; ///< append()'s thread only
    mutable std::mutex m_mutex;
    std::uint64_t m_complete = 0; ///< guarded by m_mutex
    bool m_failed = false;
};

/// Writes all of it, however many calls that takes.
[[nodiscard]] base::Status writeAll(int fd, std::span<const std::byte> bytes, const std::string &subject);

} // namespace natlens::session
