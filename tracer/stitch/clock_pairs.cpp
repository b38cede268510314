#include "tracer/stitch/clock_pairs.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <tuple>

namespace natlens::tracer {

namespace {

/// One host shows one packet in several places within this; what comes later is another packet that looks the same.
constexpr std::chrono::milliseconds kOnePacket{20};
/// A packet that more hosts saw says the most about neighbours; all pairs of them would be needlessly many.
constexpr std::size_t kMaxHosts = 8;

struct Sight {
    std::uint32_t host = 0;
    ClockSight sight;
};

/// One packet at one host.
struct HostSight {
    std::uint32_t host = 0;
    const ClockSight *first = nullptr, *last = nullptr; ///< by time
    std::uint8_t highest = 0, lowest = 255;             ///< time to live
    bool goesOut = true, comesIn = true;                ///< everywhere it was seen there
    bool ambiguous = false;

    void add(const ClockSight &sight) {
        if (!first || sight.time < first->time) first = &sight;
        if (!last || last->time < sight.time) last = &sight;
        highest = std::max(highest, sight.ttl);
        lowest = std::min(lowest, sight.ttl);
        goesOut = goesOut && sight.facing == Facing::out;
        comesIn = comesIn && sight.facing == Facing::in;
        ambiguous = last->time - first->time > kOnePacket;
    }
};

/// Samples of two hosts between the same two addresses, of which it is not known who comes first: by whether the
/// smaller address sent them.
using Undecided =
    std::map<std::pair<std::uint32_t, std::uint32_t>, std::map<std::uint64_t, std::array<std::vector<ClockSample>, 2>>>;

ClockSample sampleOf(const HostSight &a, const HostSight &b, bool aFirst) {
    const ClockSight &here = aFirst ? *a.last : *a.first, &there = aFirst ? *b.first : *b.last;
    return {here.time, there.time, here.place, there.place, aFirst};
}

void compare(const HostSight &a, const HostSight &b, ClockPairs &pairs, Undecided &undecided) {
    if (a.ambiguous || b.ambiguous) return;
    const std::pair key{a.host, b.host};
    const bool aFirst = a.lowest >= b.highest, bFirst = b.lowest >= a.highest;
    if (aFirst != bFirst) {
        pairs[key].push_back(sampleOf(a, b, aFirst));
    } else if (aFirst) {
        // Nothing routes between them.
        if ((a.goesOut && !b.goesOut) || (b.comesIn && !a.comesIn))
            pairs[key].push_back(sampleOf(a, b, true));
        else if ((b.goesOut && !a.goesOut) || (a.comesIn && !b.comesIn))
            pairs[key].push_back(sampleOf(a, b, false));
        else
            undecided[key][a.first->addresses][a.first->fromSmaller ? 1 : 0].push_back(sampleOf(a, b, true));
    }
}

std::int64_t difference(const ClockSample &sample) {
    return (sample.there - sample.here).count();
}

/// Of two groups that go opposite ways: how clearly the first meets `here` first, from -1 to 1.
double vote(const std::vector<ClockSample> &one, const std::vector<ClockSample> &other) {
    std::vector<std::tuple<base::Timestamp, bool, std::int64_t>> order;
    for (const ClockSample &sample : one)
        order.emplace_back(sample.here, true, difference(sample));
    for (const ClockSample &sample : other)
        order.emplace_back(sample.here, false, difference(sample));
    std::ranges::sort(order);
    int votes = 0, sum = 0;
    for (std::size_t i = 1; i < order.size(); ++i) {
        const auto &[beforeTime, beforeIsOne, before] = order[i - 1];
        const auto &[nowTime, nowIsOne, now] = order[i];
        if (beforeIsOne == nowIsOne || before == now) continue;
        ++votes;
        sum += (nowIsOne ? now - before : before - now) > 0 ? 1 : -1;
    }
    return votes == 0 ? 0 : static_cast<double>(sum) / votes;
}

void decide(const Undecided &undecided, ClockPairs &pairs) {
    constexpr double kClear = 0.6;
    for (const auto &[key, groups] : undecided) {
        for (const auto &[addresses, ways] : groups) {
            const double clear = vote(ways[0], ways[1]);
            if (std::abs(clear) < kClear) continue;
            for (const std::size_t way : {std::size_t{0}, std::size_t{1}}) {
                const bool hereFirst = (way == 0) == (clear > 0);
                for (ClockSample sample : ways[way]) {
                    sample.hereFirst = hereFirst;
                    pairs[key].push_back(sample);
                }
            }
        }
    }
}

} // namespace

ClockPairs pairSights(const std::vector<ClockEvidence> &evidence) {
    std::uint8_t level = 0;
    for (const ClockEvidence &file : evidence)
        level = std::max(level, file.sightings->level());
    std::vector<Sight> sights;
    for (const ClockEvidence &file : evidence) {
        for (const ClockSight &sight : file.sightings->sights()) {
            if (sight.rank < level) continue;
            sights.push_back({file.hostOf.at(sight.place.point.value), sight});
            sights.back().sight.place.point.value += file.firstPoint;
        }
    }
    std::ranges::sort(sights, {}, [](const Sight &s) {
        return std::tuple(s.sight.fingerprint, s.host, s.sight.time, s.sight.place.point, s.sight.place.ordinal);
    });
    ClockPairs pairs;
    Undecided undecided;
    std::vector<HostSight> hosts;
    for (std::size_t i = 0; i < sights.size();) {
        const std::uint64_t fingerprint = sights[i].sight.fingerprint;
        hosts.clear();
        for (; i < sights.size() && sights[i].sight.fingerprint == fingerprint; ++i) {
            if (hosts.empty() || hosts.back().host != sights[i].host) hosts.push_back({.host = sights[i].host});
            hosts.back().add(sights[i].sight);
        }
        if (hosts.size() > kMaxHosts) continue;
        for (std::size_t a = 0; a < hosts.size(); ++a)
            for (std::size_t b = a + 1; b < hosts.size(); ++b)
                compare(hosts[a], hosts[b], pairs, undecided);
    }
    decide(undecided, pairs);
    return pairs;
}

} // namespace natlens::tracer
