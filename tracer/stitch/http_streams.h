// What HTTP said at the beginning of every stream, in few bytes a stream.
#pragma once

#include "tracer/stitch/http_peek.h"
#include "tracer/stitch/index_table.h"

#include <array>
#include <deque>
#include <memory>
#include <string>
#include <vector>

namespace natlens::tracer {

/// Streams being read keep their bytes; of those that are done only the lines are kept, each different set of lines
/// once: the same request is seen at several capture points, and most requests are alike. So are most answers: streams
/// that begin with the same segment share its bytes until another one comes, and it is read once for all of them.
/// A stream is known by a handle of 32 bits, kNone for "none". Lives on the tracer's thread.
class HttpStreams final {
public:
    /// A new stream whose first byte has the sequence number `base`, and a segment of it.
    [[nodiscard]] std::uint32_t begin(std::uint32_t base, std::uint32_t sequence, std::span<const std::byte> bytes);
    /// The same without a segment, for a stream whose `base` may be forgotten: it shares nothing.
    [[nodiscard]] std::uint32_t beginAlone(std::uint32_t base) { return place(std::make_unique<HttpPeek>(base)); }
    /// Adds a segment; `base` as it was given to begin(). The handle may change.
    void add(std::uint32_t &handle, std::uint32_t base, std::uint32_t sequence, std::span<const std::byte> bytes);
    /// The stream has no byte at or beyond this sequence number: if all before it is there, nothing more will come.
    void end(std::uint32_t &handle, std::uint32_t base, std::uint32_t sequence);
    /// A request or status line, nullptr as long as there is none.
    [[nodiscard]] const HttpFirstLines *found(std::uint32_t handle) const;

private:
    /// Bits of handles: the rest is a place in m_lines or m_alike, without either one in m_reading.
    static constexpr std::uint32_t kDone = 0x80000000, kAlike = 0x40000000;
    static constexpr std::size_t kMostAlike = 256;

    /// What streams are that have shown nothing but this segment, which left something to be said.
    struct Alike {
        std::string bytes;
        HttpFirstLines lines;
        std::uint32_t ended = kNone; ///< the handle of those that end with it
    };
    /// A first segment and what handle it leads to.
    struct Read {
        std::string bytes; ///< at most HttpPeek::kLimit
        std::uint32_t handle = kNone;
    };
    [[nodiscard]] std::uint32_t place(std::unique_ptr<HttpPeek> peek);
    [[nodiscard]] std::uint32_t handleOf(const HttpFirstLines &lines);
    void release(std::uint32_t handle);

    std::array<Read, 64> m_read; ///< the newest, by hash
    std::vector<Alike> m_alike;

    std::vector<std::unique_ptr<HttpPeek>> m_reading;
    std::vector<std::uint32_t> m_free; ///< unused places in m_reading
    std::deque<HttpFirstLines> m_lines;
    IndexTable m_index; ///< of m_lines
};

} // namespace natlens::tracer
