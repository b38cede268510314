#include "tracer/stitch/kinship.h"

#include <algorithm>

namespace natlens::tracer {

namespace {

using Samples = std::vector<StreamSample>;

void addCommon(Kinship &kin, const Samples &a, const Samples &b) {
    for (const StreamSample &mine : a) {
        const auto theirs = std::ranges::find(b, mine.seq, &StreamSample::seq);
        if (theirs == b.end()) continue;
        if (mine.payload != 0 && theirs->payload != 0) {
            if (mine.payload != theirs->payload) {
                kin.contradicts = true;
                continue;
            }
            ++kin.payloads;
        }
        ++kin.segments;
        if (mine.stamp != 0 && mine.stamp == theirs->stamp) ++kin.timestamps;
        kin.shared.push_back(mine.seq);
    }
}

Kinship bySamples(const LegTable &legs, const Leg &a, const Leg &b, bool reversed) {
    Kinship kin{.reversed = reversed};
    const auto &samples = legs.samples();
    for (std::size_t side = 0; side < 2; ++side)
        addCommon(kin, samples.of(a.samples(side)), samples.of(b.samples(reversed ? 1 - side : side)));
    std::ranges::sort(kin.shared);
    const auto count = [](const Leg &leg) { return leg.sampleCounts[0] + leg.sampleCounts[1]; };
    kin.fewest = static_cast<unsigned>(std::min(count(a), count(b)));
    return kin;
}

} // namespace

bool Kinship::identifies(Protocol protocol) const {
    if (contradicts) return false;
    // One datagram may equal another's by chance; of more than one, more than one must be equal.
    // Without IP ids (IPv6, sockets that forbid fragments) what programs say alike is all there is: two at least.
    if (protocol != Protocol::tcp)
        return timestamps != 0 ? segments >= std::min(2u, fewest) : payloads != 0 && segments >= 2;
    if (isns == 2) return true;
    if (isns == 1) return payloads != 0 || timestamps != 0;
    return segments >= 2 && (payloads != 0 || timestamps >= 2);
}

Kinship kinshipOf(const LegTable &legs, LegIndex first, LegIndex second) {
    const Leg &a = legs[first], &b = legs[second];
    if (a.isTcp() && a.initiator >= 0 && b.initiator >= 0) {
        const bool reversed = a.initiator != b.initiator;
        unsigned agree = 0;
        for (std::size_t side = 0; side < 2; ++side) {
            const std::size_t other = reversed ? 1 - side : side;
            if (!a.hasIsn(side) || !b.hasIsn(other)) continue;
            if (a.isn[side] != b.isn[other]) return Kinship{.reversed = reversed, .contradicts = true};
            ++agree;
        }
        if (agree == 2) return Kinship{.reversed = reversed, .isns = 2};
        Kinship kin = bySamples(legs, a, b, reversed);
        kin.isns = agree;
        return kin;
    }
    const Kinship straight = bySamples(legs, a, b, false), crossed = bySamples(legs, a, b, true);
    return crossed.segments > straight.segments ? crossed : straight;
}

} // namespace natlens::tracer
