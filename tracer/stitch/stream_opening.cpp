#include "tracer/stitch/stream_opening.h"

#include "capture/base/hash.h"

#include <algorithm>

namespace natlens::tracer {

void StreamOpening::learn(std::span<const std::byte> payload, base::Timestamp when) {
    if (payload.empty()) return;
    if (time().nanoseconds == 0 || when < time()) packedTime = std::bit_cast<std::array<std::uint32_t, 2>>(when);
    const auto looked = payload.first(std::min(payload.size(), kLong));
    if (looked.size() <= length) return;
    const auto hash = [](std::span<const std::byte> bytes, unsigned bits) {
        return static_cast<std::uint32_t>(base::hashBytes(bytes, 0x6f70656e) >> (64 - bits));
    };
    begin = hash(looked.first(std::min(looked.size(), kShort)), 22) & 0x3fffff;
    more = hash(looked, 23) & 0x7fffff;
    length = static_cast<std::uint32_t>(looked.size()) & 0x1ff;
}

StreamOpening::Likeness StreamOpening::compare(const StreamOpening &other) const {
    if (length == 0 || other.length == 0 || begin != other.begin) return Likeness::different;
    if (length == other.length) return more == other.more ? Likeness::equal : Likeness::different;
    return std::min(length, other.length) >= kShort ? Likeness::alike : Likeness::different;
}

} // namespace natlens::tracer
