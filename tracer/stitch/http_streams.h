// What HTTP said at the beginning of every stream, in few bytes a stream.
#pragma once

#include "tracer/stitch/http_peek.h"
#include "tracer/stitch/index_table.h"

#include <deque>
#include <memory>
#include <vector>

namespace natlens::tracer {

/// Streams being read keep their bytes; of those that are done only the lines are kept, each different set of lines
/// once: the same request is seen at several capture points, and most requests are alike.
/// A stream is known by a handle of 32 bits, kNone for "none". Lives on the tracer's thread.
class HttpStreams final {
public:
    /// A new stream whose first byte has this sequence number.
    [[nodiscard]] std::uint32_t begin(std::uint32_t firstSequence);
    /// Adds a segment. The handle may change.
    void add(std::uint32_t &handle, std::uint32_t sequence, std::span<const std::byte> bytes);
    /// The stream has no byte at or beyond this sequence number: if all before it is there, nothing more will come.
    void end(std::uint32_t &handle, std::uint32_t sequence);
    /// A request or status line, nullptr as long as there is none.
    [[nodiscard]] const HttpFirstLines *found(std::uint32_t handle) const;

private:
    static constexpr std::uint32_t kDone = 0x80000000;
    void settle(std::uint32_t &handle);

    std::vector<std::unique_ptr<HttpPeek>> m_reading;
    std::vector<std::uint32_t> m_free; ///< unused places in m_reading
    std::deque<HttpFirstLines> m_lines;
    IndexTable m_index; ///< of m_lines
};

} // namespace natlens::tracer
