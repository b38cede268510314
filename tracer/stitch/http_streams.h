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
/// once: the same request is seen at several capture points, and most requests are alike.
/// A stream is known by a handle of 32 bits, kNone for "none". Lives on the tracer's thread.
class HttpStreams final {
public:
    /// A new stream whose first byte has this sequence number, and a segment of it. Requests are much alike: what a
    /// segment says that came before is not read again.
    [[nodiscard]] std::uint32_t begin(std::uint32_t firstSequence, std::uint32_t sequence,
                                      std::span<const std::byte> bytes);
    /// Adds a segment. The handle may change.
    void add(std::uint32_t &handle, std::uint32_t sequence, std::span<const std::byte> bytes);
    /// The stream has no byte at or beyond this sequence number: if all before it is there, nothing more will come.
    void end(std::uint32_t &handle, std::uint32_t sequence);
    /// A request or status line, nullptr as long as there is none.
    [[nodiscard]] const HttpFirstLines *found(std::uint32_t handle) const;

private:
    static constexpr std::uint32_t kDone = 0x80000000;
    void settle(std::uint32_t &handle);

    /// A first segment that said all there was to know.
    struct Read {
        std::string bytes; ///< at most HttpPeek::kLimit
        std::uint32_t handle = kNone;
    };
    std::array<Read, 64> m_read; ///< the newest, by hash

    std::vector<std::unique_ptr<HttpPeek>> m_reading;
    std::vector<std::uint32_t> m_free; ///< unused places in m_reading
    std::deque<HttpFirstLines> m_lines;
    IndexTable m_index; ///< of m_lines
};

} // namespace natlens::tracer
