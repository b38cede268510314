// The hosts of the lab and the wires between them.
#pragma once

#include "app/lab/addressing.h"
#include "app/lab/links.h"
#include "app/lab/namespaces.h"

#include <chrono>
#include <list>
#include <map>
#include <string>
#include <vector>

namespace natlens::lab {

/// One host: a network namespace with `eth0`, and for nodes a bridge `cbr0` with a port for each pod.
struct LabHost {
    std::string name;
    HostKind kind;
    HostAddresses addresses;
    NetworkNamespace nameSpace;
    Links links;                           ///< rtnetlink inside this host
    std::string nodeName{};                ///< pods: where it runs
    std::vector<std::string> interfaces{}; ///< what may be captured, in order: "eth0", "cbr0", "veth136"
    proxycore::ObjectName pod{};           ///< pods: its object
};

/// One Ethernet segment ("fabric", in the lab's first namespace) with every outside host, the load balancer and every
/// node on it; pods behind their node's bridge. There is no router in between, so that a TTL counts exactly the hosts of
/// the document's pictures. IPv6 hosts know each other's MAC addresses from the start and have no link-local addresses:
/// captures show no neighbour discovery, and nobody sends redirects. Lives on the lab's thread.
class Topology final {
public:
    /// Builds the segment and all hosts. Nodes come before pods in the order of `hosts`, wherever they stand.
    [[nodiscard]] static base::Result<Topology> build(const std::vector<HostSpec> &hosts);

    /// By name; a pod also by "namespace/name".
    [[nodiscard]] LabHost *find(const std::string &name);
    [[nodiscard]] LabHost *findPod(const proxycore::ObjectName &pod);
    [[nodiscard]] std::list<LabHost> &hosts() { return m_hosts; }

    /// Waits until packets can go everywhere, but not for ever: on a busy machine the kernel takes its time after a link
    /// has come up. Returns the hosts (and "the segment") whose links are still not up: the kernel throws away what is
    /// sent there, which looks like a drop.
    using HostNames = std::vector<std::string>;
    static constexpr std::chrono::milliseconds kLinkPatience{10'000};
    [[nodiscard]] base::Result<HostNames> awaitLinks(std::chrono::milliseconds patience = kLinkPatience);
    /// The same for one pod that has been added.
    [[nodiscard]] static base::Result<HostNames> awaitLinks(LabHost &pod,
                                                            std::chrono::milliseconds patience = kLinkPatience) {
        return await({{pod.name, &pod.links}}, patience);
    }
    /// What there is to say about them; "" when all are up.
    [[nodiscard]] static std::string linksWarning(const HostNames &missing);

    [[nodiscard]] base::Result<LabHost *> addPod(const HostSpec &pod);
    /// Deletes the pod and its port on the node. Sockets still open in its namespace keep that alive, without a wire.
    [[nodiscard]] base::Status removePod(const std::string &name);

    /// Sends packets for `vip` to `router` (load balancer or node), from every host on the segment outside the cluster.
    [[nodiscard]] base::Status routeVip(const packet::IpAddress &vip, const std::string &router);

private:
    Topology(NetworkNamespace fabric, Links links) : m_fabric(std::move(fabric)), m_fabricLinks(std::move(links)) {}
    using Waiting = std::vector<std::pair<std::string, Links *>>;
    [[nodiscard]] static base::Result<HostNames> await(Waiting waiting, std::chrono::milliseconds patience);
    [[nodiscard]] base::Status buildFabric();
    [[nodiscard]] base::Result<LabHost *> addHost(const HostSpec &spec);
    [[nodiscard]] base::Status attachToFabric(LabHost &host);
    [[nodiscard]] base::Status buildBridge(LabHost &node);
    [[nodiscard]] base::Status wireUp(LabHost &pod, LabHost &node);
    [[nodiscard]] base::Status routePods();
    /// The way to a pod that is in none of its node's ranges; `there` false: takes that back.
    [[nodiscard]] base::Status routeStray(const packet::IpAddress &pod, LabHost &node, bool there);
    [[nodiscard]] base::Status introduceNeighbours();

    NetworkNamespace m_fabric;
    Links m_fabricLinks;
    std::list<LabHost> m_hosts; ///< a list: others hold pointers to hosts
    unsigned m_ports = 0;       ///< of the fabric so far
};

} // namespace natlens::lab
