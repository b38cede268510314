#include "tracer/stitch/host_roles.h"

#include "tracer/path/telling.h"

#include <algorithm>
#include <utility>

namespace natlens::tracer {

namespace {

bool visited(const Path &path, Direction direction, std::string_view host) {
    return std::ranges::any_of(path.hops,
                               [&](const Hop &hop) { return hop.direction == direction && hop.host == host; });
}

} // namespace

/// A node asks its own pods, which translate nothing; a load balancer asks nodes.
bool HostRoles::checksNodes(const Seen &seen) const {
    return std::ranges::any_of(seen.checked, [&](const std::string &host) {
        const auto found = m_hosts.find(host);
        return found != m_hosts.end() && &found->second != &seen &&
               (found->second.translates || found->second.named == HostRole::node);
    });
}

HostRole HostRoles::roleOf(const Seen &seen) const {
    if (seen.named != HostRole::unknown) return seen.named;
    if (checksNodes(seen)) return HostRole::loadBalancer;
    if (seen.node) return HostRole::node;
    if (seen.loadBalancer) return HostRole::loadBalancer;
    if (seen.pod) return HostRole::pod;
    return seen.client ? HostRole::client : HostRole::unknown;
}

HostRole HostRoles::of(std::string_view host) const {
    const auto found = m_hosts.find(host);
    return found == m_hosts.end() ? HostRole::unknown : roleOf(found->second);
}

bool HostRoles::inferred(std::string_view host) const {
    const auto found = m_hosts.find(host);
    return found == m_hosts.end() || found->second.named == HostRole::unknown;
}

void HostRoles::name(std::string_view host, HostRole role) {
    m_hosts[std::string(host)].named = role;
}

bool HostRoles::learnFrom(const HostRoles &copy) {
    bool changed = false;
    for (const auto &[host, theirs] : copy.m_hosts) {
        Seen &seen = m_hosts[host];
        const HostRole before = roleOf(seen);
        seen.node = seen.node || theirs.node;
        seen.loadBalancer = seen.loadBalancer || theirs.loadBalancer;
        seen.pod = seen.pod || theirs.pod;
        seen.client = seen.client || theirs.client;
        changed = changed || seen.translates != (seen.translates || theirs.translates);
        seen.translates = seen.translates || theirs.translates;
        seen.checked.insert(theirs.checked.begin(), theirs.checked.end());
        changed = changed || roleOf(seen) != before;
    }
    return changed;
}

bool HostRoles::learn(const Path &path) {
    bool changed = false;
    const auto say = [&](const std::string &host, bool Seen::*what) {
        if (host.empty()) return;
        Seen &seen = m_hosts[host];
        const HostRole before = roleOf(seen);
        seen.*what = true;
        changed = changed || roleOf(seen) != before;
    };
    const bool check = path.kind == PathKind::healthCheck;
    const bool ended = path.outcome == Outcome::delivered || path.outcome == Outcome::reset ||
                       path.outcome == Outcome::unanswered || path.outcome == Outcome::rejected ||
                       (path.outcome == Outcome::dropped && !path.isRequestDropped());
    std::vector<const Hop *> request;
    for (const Hop &hop : path.hops)
        if (hop.direction == Direction::request) request.push_back(&hop);
    for (std::size_t i = 0; i < request.size(); ++i) {
        const Hop &hop = *request[i];
        if (hop.nat == std::vector{Nat::proxied})
            say(hop.host, &Seen::loadBalancer);
        else if (!hop.nat.empty()) {
            say(hop.host, &Seen::node);
            if (!hop.host.empty() && !std::exchange(m_hosts[hop.host].translates, true)) changed = true;
        }
        if (!hop.in || !hop.out || !hop.nat.empty()) continue;
        const bool translatedLater = std::any_of(request.begin() + static_cast<std::ptrdiff_t>(i) + 1, request.end(),
                                                 [](const Hop *h) { return !h->nat.empty(); });
        const bool translatedBefore = std::any_of(request.begin(), request.begin() + static_cast<std::ptrdiff_t>(i),
                                                  [](const Hop *h) { return !h->nat.empty(); });
        if (visited(path, Direction::reply, hop.host) || translatedBefore)
            say(hop.host, &Seen::node);
        else if (translatedLater && hop.in->dst == path.requested && hop.in->src == path.client.address &&
                 (hasHops(path, Direction::reply) || i <= 1))
            say(hop.host, &Seen::loadBalancer);
    }
    if (!path.droppedAt.empty()) say(path.droppedAt, &Seen::node);
    if (check) {
        say(path.client.node, &Seen::loadBalancer);
        if (path.endpoint) say(path.endpoint->host, &Seen::node);
        if (path.endpoint && !path.client.node.empty() && !path.endpoint->host.empty()) {
            Seen &seen = m_hosts[path.client.node];
            const HostRole before = roleOf(seen);
            seen.checked.insert(path.endpoint->host);
            changed = changed || roleOf(seen) != before;
        }
        return changed;
    }
    if (path.kind == PathKind::service) {
        say(path.client.node, &Seen::client);
        const bool behindNode = std::ranges::any_of(request, [](const Hop *h) { return h->in && h->out; });
        if (path.endpoint && ended && behindNode)
            say(path.endpoint->host, &Seen::pod);
        else if (path.outcome == Outcome::rejected && !request.empty() && !path.endpoint)
            say(request.back()->host, &Seen::node);
    } else if (path.outcome == Outcome::delivered) {
        say(path.client.node, &Seen::client);
    }
    return changed;
}

} // namespace natlens::tracer
