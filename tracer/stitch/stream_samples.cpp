#include "tracer/stitch/stream_samples.h"

#include "capture/base/hash.h"

#include <algorithm>
#include <tuple>

namespace natlens::tracer {

std::uint16_t StreamSamples::payloadHash(std::span<const std::byte> payload) {
    if (payload.size() < StreamSample::kPrefix) return 0;
    return static_cast<std::uint16_t>(base::hashBytes(payload.first(StreamSample::kPrefix)) >> 48 | 1);
}

std::uint32_t StreamSamples::datagramHash(std::span<const std::byte> payload, std::uint32_t length,
                                          std::uint16_t ipId) {
    const auto beginning = payload.first(std::min(payload.size(), StreamSample::kDatagramPrefix));
    return static_cast<std::uint32_t>(base::hashBytes(beginning, std::uint64_t{length} << 16 | ipId) >> 32);
}

StreamSample &StreamSamples::at(const Set &set, unsigned index) {
    constexpr unsigned kEach = std::size(Block{}.samples);
    std::uint32_t block = set.head;
    for (; index >= kEach; index -= kEach)
        block = m_blocks[block].next;
    return m_blocks[block].samples[index];
}

/// Leaves out the half of the samples that the next level does not want.
void StreamSamples::raise(Set &set) {
    ++set.level;
    std::uint8_t kept = 0;
    for (unsigned i = 0; i < set.count; ++i)
        if (wants(set, at(set, i).seq)) at(set, kept++) = at(set, i);
    set.count = kept;
}

void StreamSamples::keep(Set &set, const StreamSample &sample) {
    if (!wants(set, sample.seq)) return;
    std::uint32_t *link = &set.head;
    unsigned left = set.count;
    while (*link != kNone) {
        Block &block = m_blocks[*link];
        for (StreamSample &known : block.samples) {
            if (left == 0) {
                known = sample;
                ++set.count;
                return;
            }
            --left;
            if (known.seq != sample.seq) continue;
            // Sent again. What is kept must not depend on which came first here.
            known.payload = std::max(known.payload, sample.payload);
            const bool isEarlier = static_cast<std::int16_t>(sample.stamp - known.stamp) < 0; // they go round
            if (known.stamp == 0 || (sample.stamp != 0 && isEarlier)) known.stamp = sample.stamp;
            return;
        }
        link = &block.next;
    }
    if (set.count >= kMost) {
        raise(set);
        return keep(set, sample);
    }
    const std::uint32_t index = m_blocks.add();
    *link = index;
    m_blocks[index].samples[0] = sample;
    ++set.count;
}

std::vector<StreamSample> StreamSamples::of(const Set &set) const {
    std::vector<StreamSample> found;
    found.reserve(set.count);
    unsigned left = set.count;
    for (std::uint32_t block = set.head; block != kNone && left != 0; block = m_blocks[block].next)
        for (const StreamSample &sample : m_blocks[block].samples)
            if (left != 0) {
                found.push_back(sample);
                --left;
            }
    std::ranges::sort(found, {}, [](const StreamSample &s) { return std::tuple(~rank(s.seq), s.seq); });
    return found;
}

} // namespace natlens::tracer
