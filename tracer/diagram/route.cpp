#include "tracer/diagram/route.h"

#include "tracer/diagram/diagram.h"
#include "tracer/path/conventions.h"

#include <algorithm>
#include <cctype>

namespace natlens::diagram {

using tracer::Direction;
using tracer::HostRole;
using tracer::Path;
using tracer::PathKind;

namespace {

bool isDigit(char c) {
    return c >= '0' && c <= '9';
}

std::string_view digitsAt(std::string_view text, std::size_t at) {
    std::size_t end = at;
    while (end < text.size() && isDigit(text[end]))
        ++end;
    while (at + 1 < end && text[at] == '0')
        ++at;
    return text.substr(at, end - at);
}

bool translatesRequest(const Path &path, std::string_view host, tracer::Nat nat) {
    return std::ranges::any_of(path.hops, [&](const tracer::Hop &hop) {
        return hop.host == host && hop.direction == Direction::request &&
               std::ranges::find(hop.nat, nat) != hop.nat.end();
    });
}

} // namespace

bool naturalLess(std::string_view a, std::string_view b) {
    std::size_t i = 0, j = 0;
    while (i < a.size() && j < b.size()) {
        if (isDigit(a[i]) && isDigit(b[j])) {
            const auto x = digitsAt(a, i), y = digitsAt(b, j);
            if (x.size() != y.size()) return x.size() < y.size();
            if (x != y) return x < y;
            i = static_cast<std::size_t>(x.data() - a.data()) + x.size();
            j = static_cast<std::size_t>(y.data() - b.data()) + y.size();
        } else {
            if (a[i] != b[j]) return a[i] < b[j];
            ++i;
            ++j;
        }
    }
    if (a.size() - i != b.size() - j) return a.size() - i < b.size() - j;
    return a < b; // equal but for leading zeros
}

std::vector<std::string> requestHosts(const Path &path) {
    std::vector<std::string> hosts;
    const auto visit = [&](const std::string &host) {
        if (hosts.empty() || hosts.back() != host) hosts.push_back(host);
    };
    for (const auto &segment : path.segments) {
        if (segment.direction != Direction::request) continue;
        visit(segment.from);
        visit(segment.to);
    }
    if (!hosts.empty()) return hosts;
    for (const auto &hop : path.hops)
        if (hop.direction == Direction::request) visit(hop.host);
    return hosts;
}

bool isUncaptured(std::string_view host) {
    return host.starts_with(tracer::kBetween) || tracer::IpAddress::parse(host).has_value();
}

const tracer::Segment *findSegment(const Path &path, Direction direction, std::string_view from, std::string_view to) {
    const auto found = std::ranges::find_if(path.segments, [&](const tracer::Segment &segment) {
        return segment.direction == direction && segment.from == from && segment.to == to;
    });
    return found == path.segments.end() ? nullptr : &*found;
}

Roles::Roles(const tracer::Snapshot &snapshot) {
    for (const auto &host : snapshot.hosts) {
        m_roles[host.name] = host.role;
        m_addresses.insert(m_addresses.end(), host.addresses.begin(), host.addresses.end());
    }
    std::ranges::sort(m_addresses);
    for (const auto &path : snapshot.paths)
        if (path->kind == PathKind::healthCheck) inferEnds(*path);
    for (const auto &path : snapshot.paths)
        if (path->kind != PathKind::healthCheck) inferForwarders(*path);
    for (const auto &path : snapshot.paths)
        if (path->kind == PathKind::service) inferEnds(*path);
    for (const auto &path : snapshot.paths)
        if (path->kind == PathKind::direct) inferEnds(*path);
}

HostRole Roles::of(std::string_view host) const {
    const auto found = m_roles.find(host);
    return found == m_roles.end() ? HostRole::unknown : found->second;
}

bool Roles::owned(const tracer::IpAddress &address) const {
    return std::ranges::binary_search(m_addresses, address);
}

void Roles::infer(const std::string &host, HostRole role) {
    if (host.empty()) return;
    auto &known = m_roles[host];
    if (known == HostRole::unknown) known = role;
}

void Roles::inferForwarders(const Path &path) {
    const auto hosts = requestHosts(path);
    const bool endsAtEndpoint = path.endpoint && !path.isRequestDropped();
    const std::size_t forwarders = endsAtEndpoint && !hosts.empty() ? hosts.size() - 1 : hosts.size();
    for (std::size_t i = 1; i < forwarders; ++i) {
        const bool passesVipOn = i == 1 && i + 1 < forwarders && !owned(path.requested.ip) &&
                                 !translatesRequest(path, hosts[i], tracer::Nat::dnat);
        infer(hosts[i], passesVipOn ? HostRole::loadBalancer : HostRole::node);
    }
}

void Roles::inferEnds(const Path &path) {
    const bool check = path.kind == PathKind::healthCheck;
    infer(path.client.node, check ? HostRole::loadBalancer : HostRole::client);
    if (path.endpoint) infer(path.endpoint->host, check ? HostRole::node : HostRole::pod);
}

bool Route::droppedAt(std::string_view host) const {
    if (!path) return false;
    if (path->isRequestDropped() && path->droppedAt == host) return true;
    return std::ranges::any_of(path->segments, [&](const tracer::Segment &segment) {
        return segment.lost && segment.direction == Direction::request && segment.to == host;
    });
}

bool Route::reachedEndpoint() const {
    if (!path || !path->endpoint) return false;
    if (!path->isRequestDropped()) return true;
    return !nodes.empty() && !endpoint.empty() && saw(Direction::request, nodes.back(), endpoint) &&
           !droppedAt(endpoint);
}

bool Route::translated(std::string_view host, tracer::Nat nat) const {
    return path && translatesRequest(*path, host, nat);
}

std::string inWords(const tracer::SocketAddress &address) {
    return address.port == 0 ? address.ip.toString() : address.toString();
}

Route routeOf(const Path &path, const Roles &roles) {
    Route route;
    route.path = &path;
    route.client = path.client.node;
    auto hosts = requestHosts(path);
    if (!hosts.empty() && (hosts.front() == route.client || hosts.front().empty())) hosts.erase(hosts.begin());
    if (path.endpoint && !hosts.empty() && roles.of(path.endpoint->host) != HostRole::node &&
        hosts.back() == path.endpoint->host) {
        route.endpoint = hosts.back();
        hosts.pop_back();
    }
    for (auto &host : hosts) {
        if (roles.of(host) == HostRole::loadBalancer && route.nodes.empty())
            route.loadBalancer = host;
        else if (!host.empty())
            route.nodes.push_back(host);
    }
    return route;
}

} // namespace natlens::diagram
