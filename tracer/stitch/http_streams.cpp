#include "tracer/stitch/http_streams.h"

#include "capture/base/hash.h"

#include <algorithm>

namespace natlens::tracer {

namespace {

/// So many different requests and answers are kept with all that was seen of them.
constexpr std::size_t kManyLines = 50'000;

std::uint64_t hashOf(const HttpFirstLines &lines) {
    std::uint64_t hash = base::mix(lines.body, static_cast<std::uint64_t>(lines.status));
    for (const std::uint32_t field : lines.fields)
        hash = base::mix(hash, field);
    for (const auto *text : {&lines.method, &lines.target, &lines.clientAddress})
        hash = base::hashBytes(std::as_bytes(std::span(*text)), hash);
    return hash;
}

} // namespace

std::uint32_t HttpStreams::begin(std::uint32_t firstSequence, std::uint32_t sequence,
                                 std::span<const std::byte> bytes) {
    const auto looked = bytes.first(std::min(bytes.size(), HttpPeek::kLimit));
    const std::string_view text(reinterpret_cast<const char *>(looked.data()), looked.size());
    Read &read = m_read[base::hashBytes(looked) % m_read.size()];
    if (sequence == firstSequence && read.handle != kNone && read.bytes == text) return read.handle;
    auto peek = std::make_unique<HttpPeek>(firstSequence);
    std::uint32_t handle = static_cast<std::uint32_t>(m_reading.size());
    if (m_free.empty()) {
        m_reading.push_back(std::move(peek));
    } else {
        handle = m_free.back();
        m_free.pop_back();
        m_reading[handle] = std::move(peek);
    }
    add(handle, sequence, bytes);
    if (sequence == firstSequence && (handle & kDone)) read = {std::string(text), handle};
    return handle;
}

void HttpStreams::add(std::uint32_t &handle, std::uint32_t sequence, std::span<const std::byte> bytes) {
    if (handle & kDone) return;
    m_reading[handle]->add(sequence, bytes);
    if (m_reading[handle]->done()) settle(handle);
}

void HttpStreams::end(std::uint32_t &handle, std::uint32_t sequence) {
    if (!(handle & kDone) && m_reading[handle]->completeTo(sequence)) settle(handle);
}

/// Keeps the lines and gives the bytes back.
void HttpStreams::settle(std::uint32_t &handle) {
    HttpFirstLines lines = m_reading[handle]->lines();
    // What only tells equal requests apart would make every stream one of its own.
    if (m_lines.size() >= kManyLines) {
        lines.fields = {};
        lines.bodyLength = -1;
        lines.body = 0;
    }
    auto &index = m_index.at(hashOf(lines), [&](std::uint32_t i) { return m_lines[i] == lines; });
    if (index == kNone) {
        index = static_cast<std::uint32_t>(m_lines.size());
        m_lines.push_back(std::move(lines));
    }
    m_reading[handle].reset();
    m_free.push_back(handle);
    handle = index | kDone;
}

const HttpFirstLines *HttpStreams::found(std::uint32_t handle) const {
    if (handle == kNone) return nullptr;
    const HttpFirstLines &lines = handle & kDone ? m_lines[handle & ~kDone] : m_reading[handle]->lines();
    return lines.status != 0 || !lines.method.empty() ? &lines : nullptr;
}

} // namespace natlens::tracer
