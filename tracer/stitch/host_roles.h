// What each host is, concluded from what it was seen to do.
#pragma once

#include "tracer/path/path.h"

#include <map>
#include <set>
#include <string>
#include <string_view>

namespace natlens::tracer {

/// Collects what paths show of their hosts. Names from cluster state win; otherwise: who translates, routes replies,
/// drops, rejects or answers health checks is a node; who passes packets for an address that is not its own on
/// without translating, and does not see the replies, is a load balancer, and so is a proxy and who sends health
/// checks; where connections end behind a node is a pod; where they begin is a client.
/// Also a load balancer is who translates, if it asks for the health of others that translate.
class HostRoles final {
public:
    /// From cluster state; HostRole::unknown takes a name back.
    void name(std::string_view host, HostRole role);
    /// Learns from a finished path. True if some host's role changed by it.
    bool learn(const Path &path);

    /// Takes over what a copy of this has learned since. True if some host's role changed by it.
    bool learnFrom(const HostRoles &copy);

    bool operator==(const HostRoles &) const = default;

    [[nodiscard]] HostRole of(std::string_view host) const;
    [[nodiscard]] bool inferred(std::string_view host) const;

private:
    struct Seen {
        HostRole named = HostRole::unknown;
        bool node = false, loadBalancer = false, pod = false, client = false;
        bool translates = false;
        std::set<std::string, std::less<>> checked = {}; ///< whose health it asks for
        bool operator==(const Seen &) const = default;
    };
    [[nodiscard]] HostRole roleOf(const Seen &seen) const;
    [[nodiscard]] bool checksNodes(const Seen &seen) const;
    std::map<std::string, Seen, std::less<>> m_hosts;
};

} // namespace natlens::tracer
