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

/// Where a segment is remembered: by its length, beginning and end, where most differ that are not alike.
std::uint64_t placeOf(std::span<const std::byte> bytes) {
    constexpr std::size_t kLooked = 32;
    const auto part = std::min(bytes.size(), kLooked);
    return base::hashBytes(bytes.first(part), base::hashBytes(bytes.last(part), bytes.size()));
}

} // namespace

std::uint32_t HttpStreams::place(std::unique_ptr<HttpPeek> peek) {
    if (m_free.empty()) {
        m_reading.push_back(std::move(peek));
        return static_cast<std::uint32_t>(m_reading.size() - 1);
    }
    const std::uint32_t at = m_free.back();
    m_free.pop_back();
    m_reading[at] = std::move(peek);
    return at;
}

void HttpStreams::release(std::uint32_t handle) {
    m_reading[handle].reset();
    m_free.push_back(handle);
}

std::uint32_t HttpStreams::handleOf(const HttpFirstLines &lines) {
    auto &index = m_index.at(hashOf(lines), [&](std::uint32_t i) { return m_lines[i] == lines; });
    if (index == kNone) {
        index = static_cast<std::uint32_t>(m_lines.size());
        m_lines.push_back(lines);
    }
    return index | kDone;
}

std::uint32_t HttpStreams::begin(std::uint32_t base, std::uint32_t sequence, std::span<const std::byte> bytes) {
    const auto looked = bytes.first(std::min(bytes.size(), HttpPeek::kLimit));
    const std::string_view text(reinterpret_cast<const char *>(looked.data()), looked.size());
    Read &read = m_read[placeOf(looked) % m_read.size()];
    if (sequence == base && read.handle != kNone && read.bytes == text) return read.handle;
    std::uint32_t handle = beginAlone(base);
    add(handle, base, sequence, bytes);
    if (sequence != base) return handle;
    if (!(handle & kDone)) {
        if (m_alike.size() == kMostAlike) return handle;
        m_alike.push_back({std::string(text), m_reading[handle]->lines()});
        release(handle);
        handle = static_cast<std::uint32_t>(m_alike.size() - 1) | kAlike;
    }
    read = {std::string(text), handle};
    return handle;
}

void HttpStreams::add(std::uint32_t &handle, std::uint32_t base, std::uint32_t sequence,
                      std::span<const std::byte> bytes) {
    if (handle & kDone) return;
    if (handle & kAlike) {
        if (bytes.empty() || sequence - base >= HttpPeek::kLimit) return; // HttpPeek would pass it over, too
        auto peek = std::make_unique<HttpPeek>(base);
        peek->add(base, std::as_bytes(std::span(m_alike[handle & ~kAlike].bytes)));
        handle = place(std::move(peek));
    }
    m_reading[handle]->add(sequence, bytes);
    if (!m_reading[handle]->done()) return;
    const std::uint32_t done = handleOf(m_reading[handle]->lines());
    release(handle);
    handle = done;
}

void HttpStreams::end(std::uint32_t &handle, std::uint32_t base, std::uint32_t sequence) {
    if (handle & kDone) return;
    if (handle & kAlike) {
        Alike &alike = m_alike[handle & ~kAlike];
        if (sequence - base > alike.bytes.size()) return;
        if (alike.ended == kNone) alike.ended = handleOf(alike.lines);
        handle = alike.ended;
    } else if (m_reading[handle]->completeTo(sequence)) {
        const std::uint32_t done = handleOf(m_reading[handle]->lines());
        release(handle);
        handle = done;
    }
}

const HttpFirstLines *HttpStreams::found(std::uint32_t handle) const {
    if (handle == kNone) return nullptr;
    const HttpFirstLines &lines = handle & kDone    ? m_lines[handle & ~kDone]
                                  : handle & kAlike ? m_alike[handle & ~kAlike].lines
                                                    : m_reading[handle]->lines();
    return lines.status != 0 || !lines.method.empty() ? &lines : nullptr;
}

} // namespace natlens::tracer
