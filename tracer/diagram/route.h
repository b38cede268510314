// Who is who on a path, found from cluster state where it names the hosts and from the packets where it does not.
#pragma once

#include "tracer/path/snapshot.h"

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace natlens::diagram {

/// "node2" before "node10": runs of digits compare as numbers.
[[nodiscard]] bool naturalLess(std::string_view a, std::string_view b);

/// The hosts a request visited, in order, ends included. Taken from the segments (what was seen), and from the hops
/// where there is no segment.
[[nodiscard]] std::vector<std::string> requestHosts(const tracer::Path &path);

/// A host known by nothing but its address: nobody captured there.
[[nodiscard]] bool isUncaptured(std::string_view host);

/// The segment between two hosts in one direction, or nullptr: nothing was seen there.
[[nodiscard]] const tracer::Segment *findSegment(const tracer::Path &path, tracer::Direction direction,
                                                 std::string_view from, std::string_view to);

/// Roles of all hosts of a snapshot. What cluster state named is kept; the rest follows from the paths:
/// the source of health checks, or who passes a packet for an address that no host owns on unchanged, is a load
/// balancer; who forwards, drops, translates or answers a health check is a node; where service connections begin
/// and end are clients and pods.
class Roles final {
public:
    explicit Roles(const tracer::Snapshot &snapshot);
    [[nodiscard]] tracer::HostRole of(std::string_view host) const;
    [[nodiscard]] bool owned(const tracer::IpAddress &address) const; ///< some host has this address

private:
    void infer(const std::string &host, tracer::HostRole role);
    void inferForwarders(const tracer::Path &path);
    void inferEnds(const tracer::Path &path);

    std::map<std::string, tracer::HostRole, std::less<>> m_roles;
    std::vector<tracer::IpAddress> m_addresses; ///< sorted
};

/// A request's way, by role. Names are Host::name; "" where there is none (or nobody captured there).
struct Route {
    const tracer::Path *path = nullptr;
    std::string client, loadBalancer, endpoint;
    std::vector<std::string> nodes; ///< in the order visited

    [[nodiscard]] std::string front() const { return loadBalancer.empty() ? client : loadBalancer; }
    [[nodiscard]] bool crossesNodes() const { return nodes.size() > 1; }
    [[nodiscard]] bool droppedAt(std::string_view host) const;
    [[nodiscard]] bool reachedEndpoint() const; ///< the request did; the reply may still have been lost
    [[nodiscard]] bool saw(tracer::Direction direction, std::string_view from, std::string_view to) const {
        return path && findSegment(*path, direction, from, to);
    }
    [[nodiscard]] bool translated(std::string_view host, tracer::Nat nat) const; ///< on the request's way
};

[[nodiscard]] Route routeOf(const tracer::Path &path, const Roles &roles);

} // namespace natlens::diagram
