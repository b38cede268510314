// Questions that need no packets: what a node would do to one, and which rules it has. Answers come from the proxy plan.
#pragma once

#include "capture/base/result.h"

#include <string>
#include <vector>

namespace natlens::session {

/// Which node of which cluster, as kube-proxy would see it. Files are paths; "-" is standard input; "" is "not given".
struct PlanSource {
    /// "[NODE=]FILE" each: Kubernetes objects in JSON, rules of nodes.
    std::vector<std::string> clusters;
    std::string proxyConfig; ///< a KubeProxyConfiguration in JSON
    std::string node;
    std::vector<std::string> nodeAddresses; ///< local to the node besides those of its Node object
    std::string mode;                       ///< "iptables", "nftables", "" = what proxyConfig says
    std::string profile;                    ///< "document": kube-proxy 1.5 in iptables mode; else today's
};

struct ExplainQuestion {
    PlanSource plan;
    std::string from;     ///< "IP" (any port), "IP:PORT", "[IPv6]:PORT"
    std::string to;       ///< "IP:PORT", "[IPv6]:PORT"
    std::string protocol; ///< "tcp", "udp", "sctp"; any letter case
    std::string inputInterface;
    bool json = false;
};

struct RulesQuestion {
    PlanSource plan;
    std::string format; ///< "nftables", "iptables", or "plan": the proxy plan in words
    std::string family; ///< "ipv4", "ipv6"
};

struct Answer {
    std::string text;                 ///< for standard output, whole lines
    std::vector<std::string> remarks; ///< what in the input was not understood and left out, a line each
};

/// Errors (invalidInput, notFound) name the file and the place in it, or the argument.
[[nodiscard]] base::Result<Answer> answer(const ExplainQuestion &question);
[[nodiscard]] base::Result<Answer> answer(const RulesQuestion &question);

} // namespace natlens::session
