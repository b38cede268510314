#include "tracer/path/conventions.h"
#include "tracer/stitch/way_parts.h"

#include <algorithm>

namespace natlens::tracer {

namespace {

using Group = std::vector<Sighting>; ///< sights on one wire: one step, one time to live

std::vector<Group> groupByWire(const std::vector<Sighting> &sights) {
    std::vector<Group> groups;
    for (const Sighting &sight : sights) {
        if (groups.empty() || groups.back().front().step != sight.step || groups.back().front().ttl != sight.ttl)
            groups.emplace_back();
        groups.back().push_back(sight);
    }
    return groups;
}

/// A host's one interface receives with the address that it sends from.
bool areOfTwoInterfaces(const Group &before, const Group &after) {
    const Sighting &came = before.front(), &went = after.front();
    // Addresses that stay the same across a router are made up.
    const bool real = came.macFrom != went.macFrom || came.macTo != went.macTo;
    return real && came.macTo != 0 && went.macFrom != 0 && came.macTo != went.macFrom;
}

/// `place` counts routers that leave the addresses alone, from the client's side.
HostIndex nameRouter(const Connection &connection, unsigned low, unsigned high, unsigned place, CapturePoints &points) {
    const packet::Tuple &before = connection.steps[low].request, &after = connection.steps[high].request;
    if (low == high) {
        const std::string to = before.dst.ip.toString();
        return points.hostIndex(place == 0 ? "router to " + to : fmt::format("router {} to {}", place + 1, to));
    }
    // A node port is asked at the node's own address; other addresses that are translated may be nobody's. What it puts
    // in place of the client's is its own, though its bridge's where the endpoint is its own.
    const bool askedItself = isNodePort(before.dst.port) && before.dst.ip != after.dst.ip;
    const IpAddress own = before.src.ip != after.src.ip && !askedItself ? after.src.ip : before.dst.ip;
    return points.hostIndex(own.toString());
}

} // namespace

std::vector<HostSights> splitReturns(HostSights host, Direction direction) {
    const auto faces = [](const Group &group, Facing facing) {
        return std::ranges::any_of(group, [&](const Sighting &sight) { return sight.facing == facing; });
    };
    auto groups = groupByWire(host.sights);
    // Without directions: in and out, in and out, at several points (one point with as many is mixed, see below).
    const bool pairs =
        groups.size() >= 4 && groups.size() % 2 == 0 &&
        std::ranges::all_of(host.sights, [](const auto &s) { return s.facing == Facing::unknown; }) &&
        std::ranges::any_of(host.sights, [&](const auto &s) { return s.point != host.sights.front().point; });
    std::vector<HostSights> visits;
    for (std::size_t i = 0; i < groups.size(); ++i) {
        const bool again = pairs ? i % 2 == 0
                                 : i != 0 && faces(groups[i - 1], Facing::out) && faces(groups[i], Facing::in) &&
                                       groups[i].front().ttl < groups[i - 1].front().ttl && !groups[i].front().icmp;
        if (i == 0 || again) visits.push_back(HostSights{.host = host.host});
        auto &sights = visits.back().sights;
        sights.insert(sights.end(), groups[i].begin(), groups[i].end());
    }
    if (visits.size() == 1) return {std::move(host)};
    for (HostSights &visit : visits)
        visit.summarise(direction);
    return visits;
}

std::vector<HostSights> splitMixed(HostSights host, const Connection &connection, Direction direction,
                                   CapturePoints &points) {
    const auto onePoint = [&](const Sighting &s) { return s.point == host.sights.front().point && !s.icmp; };
    if (!std::ranges::all_of(host.sights, onePoint)) return {std::move(host)};
    const auto groups = groupByWire(host.sights);
    const base::CapturePointId point = host.sights.front().point;
    if (groups.size() >= 3 || (groups.size() == 2 && areOfTwoInterfaces(groups[0], groups[1]))) points.setMixed(point);
    if (!points.points()[point.value].mixed) return {std::move(host)};
    std::vector<HostSights> hosts;
    const auto add = [&](HostIndex index) -> HostSights & {
        points.inferHost(index);
        return hosts.emplace_back(HostSights{.host = index});
    };
    const auto put = [](HostSights &into, const Group &group, Facing facing) {
        for (Sighting sight : group) {
            sight.host = into.host;
            sight.facing = facing;
            into.sights.push_back(sight);
        }
    };
    if (groups.size() == 1) // on its way from its sender
        put(add(points.hostIndex(groups[0].front().src.ip.toString())), groups[0], Facing::out);
    for (std::size_t i = 1; i < groups.size(); ++i) {
        const unsigned a = groups[i - 1].front().step, b = groups[i].front().step;
        unsigned place = 0;
        for (std::size_t j = 1; a == b && j < groups.size(); ++j) {
            const bool alike = groups[j - 1].front().step == a && groups[j].front().step == a;
            place += alike && (direction == Direction::request ? j < i : j > i);
        }
        HostSights &router = add(nameRouter(connection, std::min(a, b), std::max(a, b), place, points));
        put(router, groups[i - 1], Facing::in);
        put(router, groups[i], Facing::out);
    }
    for (HostSights &made : hosts)
        made.summarise(direction);
    return hosts;
}

} // namespace natlens::tracer
