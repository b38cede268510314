// A few segments of each TCP stream, or datagrams of a conversation, chosen so that every capture point chooses the
// same ones.
#pragma once

#include "tracer/stitch/pool.h"

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace natlens::tracer {

/// Where a segment began and how: NAT on Linux leaves sequence numbers, timestamps and payload alone. Of a datagram:
/// the hash of its beginning, length and IP id stands for the sequence number, and the IP id for the timestamp. One
/// number of 32 bits that agrees is what finds a sample; of the others half is enough to tell chance from a copy.
struct StreamSample {
    std::uint32_t seq = 0;     ///< of the segment's first byte, or of a FIN without payload
    std::uint16_t payload = 0; ///< hash of its first kPrefix bytes; 0: fewer were there or captured
    std::uint16_t stamp = 0;   ///< stampOf() the first transmission's timestamp; 0: no timestamp option

    /// Bytes hashed: what remains of a snap length of 96 even behind a cooked header, IPv6 and TCP options.
    static constexpr std::size_t kPrefix = 8;
    /// The same of datagrams, whose headers are shorter.
    static constexpr std::size_t kDatagramPrefix = 24;

    /// The lower half, which goes round once a minute where a tick is a millisecond; never 0 of what is not 0.
    [[nodiscard]] static std::uint16_t stampOf(std::uint32_t tsVal) {
        const auto low = static_cast<std::uint16_t>(tsVal);
        return low != 0 || tsVal == 0 ? low : 1;
    }

    bool operator==(const StreamSample &) const = default;
};

/// Samples of all streams. A stream keeps every segment while there are few and, as there are more, those whose
/// sequence number hashes to many leading zeros (trajectory sampling, RFC 5475; the level rises as in distinct
/// sampling). So the kept set is a function of what was seen, not of its order or of where a capture began, and two
/// capture points keep the same segments of what both saw. Segment starts survive re-segmentation: a super-packet
/// starts where its first segment does. Most segments of a long stream are turned down by one multiplication.
class StreamSamples final {
public:
    explicit StreamSamples(base::Arena &arena)
        : m_blocks(arena) {}

    static constexpr unsigned kMost = 24;

    /// The samples of one stream: one direction of a leg.
    struct Set {
        std::uint32_t head = kNone;
        std::uint8_t count = 0, level = 0;
    };

    /// Whether a set at this level wants a segment; keep() does nothing with others.
    [[nodiscard]] static bool wants(const Set &set, std::uint32_t seq) { return rank(seq) >= set.level; }
    void keep(Set &set, const StreamSample &sample);
    /// By rank, then sequence number: what two sets have in common tends to come first.
    [[nodiscard]] std::vector<StreamSample> of(const Set &set) const;

    [[nodiscard]] static std::uint16_t payloadHash(std::span<const std::byte> payload);
    /// `length` is that on the wire.
    [[nodiscard]] static std::uint32_t datagramHash(std::span<const std::byte> payload, std::uint32_t length,
                                                    std::uint16_t ipId);
    /// Leading zeros of the hash of a sequence number.
    [[nodiscard]] static unsigned rank(std::uint32_t seq) {
        const std::uint64_t hash = (seq ^ 0x5bd1e995ULL) * 0x9e3779b97f4a7c15ULL;
        return static_cast<unsigned>(std::countl_zero(hash ^ (hash << 29)));
    }

private:
    /// Most streams of short connections need one block; kMost fills whole blocks.
    struct Block {
        StreamSample samples[2];
        std::uint32_t next = kNone;
    };
    [[nodiscard]] StreamSample &at(const Set &set, unsigned index);
    void raise(Set &set);

    Pool<Block> m_blocks;
};

} // namespace natlens::tracer
