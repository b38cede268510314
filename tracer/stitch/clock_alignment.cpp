#include "tracer/stitch/clock_alignment.h"

#include "tracer/stitch/clock_pairs.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>
#include <string_view>
#include <tuple>

namespace natlens::tracer {

using base::Timestamp;

namespace {

/// A pair of hosts whose clocks can be compared.
struct Edge {
    std::uint32_t here = 0, there = 0;
    ClockFit fit;

    [[nodiscard]] bool twoSided() const {
        return std::ranges::all_of(fit.pieces, [](const auto &p) { return p.sides == ClockPiece::Sides::both; });
    }
    [[nodiscard]] bool equal() const {
        return std::ranges::all_of(fit.pieces, [](const auto &p) { return p.equal; });
    }
    [[nodiscard]] std::int64_t bound() const { return std::ranges::max(fit.pieces, {}, &ClockPiece::bound).bound; }
    /// Nanoseconds that going this way may add to the error; what is worse in kind is put behind everything else.
    [[nodiscard]] double cost() const {
        if (!twoSided()) return 1e15;
        return static_cast<double>(bound()) + (fit.pieces.size() > 1 ? 1e12 : 0.0);
    }
};

/// From when to when there are packets of either host, in readings of the first one.
ClockSpan spanOf(const std::vector<ClockSample> &samples, const ClockSpan &here, const ClockSpan &there) {
    const auto ahead = samples.front().there - samples.front().here;
    return {std::min(here.from, there.from + -ahead), std::max(here.to, there.to + -ahead)};
}

/// Samples stay sorted by a clock that goes forward if one of the two does: where the first way finds no single line,
/// the roles of the clocks are exchanged.
Edge fitPair(std::uint32_t here, std::uint32_t there, std::vector<ClockSample> samples, std::int64_t resolution,
             const std::vector<ClockSpan> &spans) {
    Edge edge{here, there, fitClocks(samples, resolution, spanOf(samples, spans[here], spans[there]))};
    if (edge.fit.pieces.size() == 1) return edge;
    for (ClockSample &sample : samples) {
        std::swap(sample.here, sample.there);
        std::swap(sample.herePlace, sample.therePlace);
        sample.hereFirst = !sample.hereFirst;
    }
    Edge turned{there, here, fitClocks(samples, resolution, spanOf(samples, spans[there], spans[here]))};
    const auto quality = [](const Edge &e) {
        return std::tuple(!e.fit.pieces.empty(), -static_cast<std::int64_t>(e.fit.outliers),
                          -static_cast<std::int64_t>(e.fit.pieces.size()));
    };
    return quality(turned) > quality(edge) ? turned : edge;
}

std::vector<Edge> fitPairs(const ClockPairs &pairs, std::int64_t resolution, const std::vector<ClockSpan> &spans) {
    std::vector<Edge> edges;
    for (const auto &[hosts, samples] : pairs) {
        Edge edge = fitPair(hosts.first, hosts.second, samples, resolution, spans);
        if (!edge.fit.pieces.empty()) edges.push_back(std::move(edge));
    }
    return edges;
}

/// The clock that most others agree with.
std::uint32_t chooseReference(const std::vector<std::string> &hosts, const std::vector<Edge> &edges) {
    std::vector<std::uint32_t> group(hosts.size());
    std::iota(group.begin(), group.end(), 0u);
    std::vector<bool> compared(hosts.size());
    for (const Edge &edge : edges) {
        compared[edge.here] = compared[edge.there] = true;
        if (!edge.equal() || !edge.twoSided()) continue;
        const std::uint32_t from = group[edge.there], to = group[edge.here];
        std::ranges::replace(group, from, to);
    }
    const auto rank = [&](std::uint32_t host) {
        return std::tuple(compared[host], std::ranges::count(group, group[host]));
    };
    std::uint32_t best = 0;
    for (std::uint32_t host = 1; host < hosts.size(); ++host)
        if (rank(host) > rank(best) || (rank(host) == rank(best) && hosts[host] < hosts[best])) best = host;
    return best;
}

/// How a host is reached from the reference.
struct Way {
    double cost = HUGE_VAL;
    const Edge *last = nullptr;
    std::uint32_t before = 0;
};

/// Dijkstra's; hosts are few.
std::vector<Way> shortestWays(const std::vector<std::string> &hosts, const std::vector<Edge> &edges,
                              std::uint32_t reference) {
    std::vector<Way> ways(hosts.size());
    ways[reference].cost = 0;
    std::set<std::uint32_t> open;
    for (std::uint32_t host = 0; host < hosts.size(); ++host)
        open.insert(host);
    while (!open.empty()) {
        const std::uint32_t at = *std::ranges::min_element(
            open, {}, [&](std::uint32_t host) { return std::pair(ways[host].cost, std::string_view(hosts[host])); });
        open.erase(at);
        if (ways[at].cost == HUGE_VAL) break;
        for (const Edge &edge : edges) {
            if (edge.here != at && edge.there != at) continue;
            const std::uint32_t next = edge.here == at ? edge.there : edge.here;
            if (ways[at].cost + edge.cost() < ways[next].cost) ways[next] = {ways[at].cost + edge.cost(), &edge, at};
        }
    }
    return ways;
}

HostAlignment alignmentOf(std::uint32_t host, std::uint32_t reference, const std::vector<Way> &ways,
                          const std::vector<std::string> &hosts) {
    HostAlignment result;
    HostClock &clock = result.clock;
    clock.reference = hosts[reference];
    clock.samples = ways[host].last->fit.samples - ways[host].last->fit.outliers;
    bool equal = true, bounded = true;
    std::int64_t bound = 0;
    for (std::uint32_t at = host; at != reference; at = ways[at].before) {
        const Edge &edge = *ways[at].last;
        const bool there = edge.there == at;
        equal = equal && edge.equal();
        bounded = bounded && edge.twoSided();
        bound += edge.bound();
        clock.skewBound += std::ranges::max(edge.fit.pieces, {}, &ClockPiece::skewBound).skewBound;
        if (!edge.equal()) result.correction.towards(edge.fit.pieces, there);
    }
    clock.state = equal ? HostClock::State::equal : bounded ? HostClock::State::corrected : HostClock::State::oneSided;
    if (bounded) clock.bound = bound;
    const Edge &own = *ways[host].last;
    const bool there = own.there == host;
    const ClockPiece &first = own.fit.pieces.front();
    clock.at = there ? first.thereFrom : first.hereFrom;
    if (equal) return result;
    const auto placeIn = [&](const ClockPiece &piece) {
        const auto &starts = there ? piece.thereStarts : piece.hereStarts;
        return SightPlace{starts.begin()->first, starts.begin()->second};
    };
    const Timestamp corrected = result.correction.apply(clock.at, placeIn(first));
    clock.offset = (clock.at - corrected).count();
    // The skew over a second, through all stages at once.
    constexpr std::chrono::nanoseconds kLong = std::chrono::seconds(1);
    const Timestamp later = result.correction.apply(clock.at + kLong, placeIn(first));
    clock.skew = static_cast<double>(kLong.count()) / static_cast<double>((later - corrected).count()) - 1;
    for (std::size_t i = 1; i < own.fit.pieces.size(); ++i) {
        const ClockPiece &piece = own.fit.pieces[i], &before = own.fit.pieces[i - 1];
        const Timestamp when = piece.hereFrom;
        const std::int64_t jump = (piece.line.toThere(when) - before.line.toThere(when)).count();
        const Timestamp reading = there ? piece.thereFrom : piece.hereFrom;
        clock.steps.push_back({result.correction.apply(reading, placeIn(piece)), there ? jump : -jump});
    }
    return result;
}

} // namespace

void ClockCorrection::towards(std::vector<ClockPiece> pieces, bool there) {
    m_stages.push_back({std::move(pieces), there});
}

const ClockPiece &ClockCorrection::pieceFor(const Stage &stage, Timestamp reading, const SightPlace *place) {
    for (std::size_t i = stage.pieces.size(); i-- > 1;) {
        const ClockPiece &piece = stage.pieces[i];
        const auto &starts = stage.there ? piece.thereStarts : piece.hereStarts;
        const auto start = place ? starts.find(place->point) : starts.end();
        const bool begun = start != starts.end() ? place->ordinal >= start->second
                                                 : reading >= (stage.there ? piece.thereFrom : piece.hereFrom);
        if (begun) return piece;
    }
    return stage.pieces.front();
}

Timestamp ClockCorrection::apply(Timestamp reading, const SightPlace &place) const {
    bool own = true;
    for (const Stage &stage : m_stages) {
        const ClockPiece &piece = pieceFor(stage, reading, own ? &place : nullptr);
        reading = stage.there ? piece.line.toHere(reading) : piece.line.toThere(reading);
        own = false;
    }
    return reading;
}

std::vector<HostAlignment> alignClocks(const std::vector<std::string> &hosts,
                                       const std::vector<ClockEvidence> &evidence) {
    std::vector<HostAlignment> result(hosts.size());
    if (hosts.size() < 2) return result;
    std::int64_t resolution = 1;
    std::vector<ClockSpan> spans(hosts.size());
    for (const ClockEvidence &file : evidence) {
        resolution = std::max(resolution, file.sightings->resolution());
        const ClockSpan &span = file.sightings->span();
        for (const std::uint32_t host : file.hostOf)
            if (host < spans.size())
                spans[host] = {std::min(spans[host].from, span.from), std::max(spans[host].to, span.to)};
    }
    const auto edges = fitPairs(pairSights(evidence), resolution, spans);
    if (edges.empty()) return result;
    const std::uint32_t reference = chooseReference(hosts, edges);
    const auto ways = shortestWays(hosts, edges, reference);
    for (std::uint32_t host = 0; host < hosts.size(); ++host)
        if (ways[host].last) result[host] = alignmentOf(host, reference, ways, hosts);
    result[reference].clock.state = HostClock::State::reference;
    result[reference].clock.reference = hosts[reference];
    result[reference].clock.bound = 0;
    return result;
}

} // namespace natlens::tracer
