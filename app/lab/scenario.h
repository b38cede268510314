// Scenarios: what to build, what to do, what to expect. JSON files; the document's five are built in.
#pragma once

#include "app/lab/datapath_kind.h"
#include "app/lab/host_action.h"
#include "capture/base/result.h"
#include "proxycore/model/cluster_state.h"
#include "proxycore/model/proxy_config.h"

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace natlens::lab {

/// One thing that a scenario does.
struct Step {
    enum class Kind { request, annotate, setPolicy, waitRotation, movePod, scale, pause, clusterEvent, act };
    Kind kind = Kind::pause;
    std::string like{};                 ///< the document's command, shown to people
    std::string from{};                 ///< request: host
    std::vector<std::string> urls{};    ///< request: one after the other, or all at once
    bool together = false;
    milliseconds connectTimeout{2000};
    std::string service{}, key{}, value{}; ///< annotate, setPolicy
    std::vector<std::string> nodes{};   ///< waitRotation: exactly these
    std::string pod{}, node{};          ///< movePod
    unsigned replicas = 1;              ///< scale
    milliseconds duration{0};           ///< pause
    std::string event{};                ///< clusterEvent: a Kubernetes watch event
    std::shared_ptr<const HostAction> action{}; ///< act
};

/// How the load balancer checks and decides (KUBE-PROXY: load-balancer models; mode "vip").
struct LoadBalancerSpec {
    std::string name = "lb";
    packet::IpAddress address;
    /// The lab's one thread asks and answers: a shorter time-out would call a node sick because this machine is busy.
    milliseconds interval{150}, timeout{1000};
    unsigned healthyAfter = 1, unhealthyAfter = 3;
    packet::Port checkPort = 0; ///< asked instead of the right one; 0: the right one

    /// From a node's change to the answer that decides: up to one interval passes before it is asked for the first
    /// time.
    [[nodiscard]] milliseconds longestJudgement() const {
        return (std::max(healthyAfter, unhealthyAfter) + 1) * interval + timeout;
    }
};

struct OutsideHost {
    std::string name;
    packet::IpAddress address;
};

struct Scenario {
    std::string name, title, summary;
    std::string profile = "picture";    ///< "picture", "document" or "today"
    DatapathKind datapath = DatapathKind::nftables;
    std::uint64_t seed = 0;             ///< of the random choices that the lab makes itself
    std::vector<OutsideHost> outside;
    std::optional<LoadBalancerSpec> loadBalancer;
    proxycore::ClusterState cluster;
    std::vector<std::string> otherObjects; ///< watch events of objects that the lab only passes on (NetworkPolicy, ...)
    proxycore::ProxyConfig proxyConfig;
    bool obeyMinSyncPeriod = false;     ///< changes wait for the nodes' proxies (SyncPace); otherwise none does
    bool keepStaleConnections = false;  ///< the nodes' proxies do not delete stale UDP connections
    std::vector<std::string> needs;     ///< sysctls that the kernel must have ("net/bridge/bridge-nf-call-iptables")
    std::vector<DatapathKind> datapaths; ///< those that it can be played on; empty: all
    std::vector<HostAction> setup;      ///< done once, before the first request
    std::vector<Step> steps;
    std::string expectJson = "[]";      ///< passed on to the front end as it is

    /// The first thing in it that only a kernel can do, with its JSON pointer; "" if there is none.
    [[nodiscard]] std::string kernelNeed() const;
    /// How long a change waits after a sync.
    [[nodiscard]] milliseconds syncPeriod() const {
        return obeyMinSyncPeriod ? proxyConfig.minSyncPeriod : milliseconds(0);
    }
};

struct BuiltInScenario { std::string_view name, json; };
/// The document's, in its order, then those of the findings ("findings/D13").
[[nodiscard]] std::vector<BuiltInScenario> builtInScenarios();

/// Reads a scenario from JSON. Errors name the file and line, or the JSON pointer.
[[nodiscard]] base::Result<Scenario> readScenario(std::string_view json, const std::string &fileName);
/// A built-in scenario by name, or a file (anything with a '/' in it or ending in ".json").
[[nodiscard]] base::Result<Scenario> loadScenario(const std::string &nameOrFile);
/// The content of a file, for --cluster and --proxy-config.
[[nodiscard]] base::Result<std::string> readTextFile(const std::string &path);

} // namespace natlens::lab
