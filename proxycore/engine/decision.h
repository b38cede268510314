// The decision core: what a node does to the first packet of a connection, by its proxy plan, and why.
#pragma once

#include "capture/base/hash.h"
#include "proxycore/engine/endpoint_lines.h"
#include "proxycore/engine/flat_table.h"
#include "proxycore/plan/proxy_plan.h"

#include <string>
#include <string_view>
#include <vector>

namespace natlens::proxycore {

/// The first packet of a connection as it reaches the node (or leaves a process on it).
struct FlowQuery {
    Protocol protocol = Protocol::tcp;
    packet::SocketAddress source; ///< port 0: any
    packet::SocketAddress destination;
    std::string inputInterface = {}; ///< "" when not known; detectors by interface then take it for "not a local pod"
    bool locallyGenerated = false;   ///< sent by the node itself; a source that is one of the node's counts too
};

enum class Verdict : std::uint8_t { forwarded, dropped, rejected, notAService };
/// "forwarded", "dropped", "rejected", "not-a-service".
[[nodiscard]] std::string_view toString(Verdict value);

/// One rule that had a say, in the order of the hooks.
struct DecisionStep {
    std::string rule;    ///< where: kube-proxy's chain, map or set
    std::string decided; ///< what and why, in words
    std::string field;   ///< the Kubernetes or kube-proxy field behind it, "" when none

    bool operator==(const DecisionStep &) const = default;
};

struct DecidedEndpoint {
    packet::SocketAddress address;
    double probability = 0;  ///< of a client that no affinity binds
    bool masquerade = false; ///< the source is replaced if this endpoint is chosen
    bool local = false;
    std::string nodeName;
    ObjectName pod;

    bool operator==(const DecidedEndpoint &) const = default;
};

struct Decision {
    Verdict verdict = Verdict::notAService;
    /// Null when the destination belongs to no Service. Lives as long as the plan (or a plan that shares it).
    std::shared_ptr<const ServicePortPlan> service;
    Via via = Via::none;
    std::vector<DecidedEndpoint> endpoints; ///< only when forwarded; in rule order
    bool masquerade = false;                ///< the source becomes the node's, whichever endpoint is chosen
    std::vector<DecisionStep> steps;

    bool operator==(const Decision &) const = default;
};
/// What the packet was sent to, in words: "the node port", "an external IP"; "" for none.
[[nodiscard]] std::string_view viaWords(Via via);

/// Finds the front end of a destination in constant time. Keeps its plan alive.
class FrontEndIndex final {
public:
    FrontEndIndex() = default;
    explicit FrontEndIndex(const ProxyPlan &plan) { update(plan); }

    /// What an update exchanged: services that are new or different, and those they replace or that are gone.
    struct Changes {
        std::vector<std::shared_ptr<const ServicePortPlan>> removed, added;
    };
    /// Takes over another plan. Services that both plans share (makePlan's `previous`) cost nothing but a comparison.
    Changes update(const ProxyPlan &plan);

    struct Hit {
        const ServicePortPlan *service = nullptr;
        const FrontEnd *frontEnd = nullptr; ///< lasts until the next update, as does `line`
        const EndpointLine *line = nullptr; ///< the Service's
    };
    /// The front end that a packet to `destination` meets on this node; null service when none.
    [[nodiscard]] Hit find(Protocol protocol, const packet::SocketAddress &destination) const;
    /// The same as if every address accepted node ports.
    [[nodiscard]] Hit findAnywhere(Protocol protocol, const packet::SocketAddress &destination) const;
    /// Fetches ahead what find() reads first, and, when that has come, what a decision reads next.
    void prefetchPlace(Protocol protocol, const packet::SocketAddress &destination) const {
        m_places.prefetch({destination.ip, protocol, destination.port});
    }
    void prefetchService(Protocol protocol, const packet::SocketAddress &destination) const;
    [[nodiscard]] bool isClusterIp(const IpAddress &address) const;
    /// Whether some Service says of this endpoint, which may get packets, that it runs on the node.
    [[nodiscard]] bool runsHere(Protocol protocol, const packet::SocketAddress &endpoint) const;
    [[nodiscard]] const ProxyPlan &plan() const { return m_plan; }
    /// Whether packets to this address can meet a node port.
    [[nodiscard]] bool acceptsNodePorts(const IpAddress &address) const;

private:
    struct Key {
        IpAddress ip; ///< none: a node port
        Protocol protocol = Protocol::none;
        Port port = 0;

        bool operator==(const Key &) const = default;
        friend std::uint64_t hashKey(const Key &key) {
            const auto *bytes = key.ip.bytes.data();
            const auto rest = std::uint64_t{key.port} << 16 | static_cast<std::uint64_t>(key.protocol) << 8 |
                              static_cast<std::uint64_t>(key.ip.family);
            // Of an IPv4 address not more is read than was written just before.
            if (key.ip.isV4()) return base::mix(base::loadNative<std::uint32_t>(bytes), rest);
            return base::mix(base::loadNative<std::uint64_t>(bytes),
                             base::loadNative<std::uint64_t>(bytes + 8) ^ rest << 32);
        }
    };
    void add(const ServicePortPlan &service);
    void remove(const ServicePortPlan &service);

    /// The front end stands beside the key, in the same cache line: it is asked for every new connection.
    struct Place {
        const ServicePortPlan *service = nullptr;
        FrontEnd frontEnd;
        std::uint32_t line = 0; ///< in m_lines
    };
    static_assert(sizeof(Place) == 40 && sizeof(Key) == 20);
    [[nodiscard]] Hit hitOf(const Place *place) const {
        return place == nullptr ? Hit{} : Hit{place->service, &place->frontEnd, &m_lines[place->line]};
    }

    ProxyPlan m_plan;
    FlatTable<Key, Place> m_places;
    EndpointLines m_lines;                      ///< one for each service port that has a place
    FlatTable<Key, std::uint32_t> m_clusterIps; ///< with the number of service ports that use it
    FlatTable<Key, std::uint32_t> m_runHere;    ///< endpoints on the node, with the number of service ports that say so
};

/// A pure function. Both modes go through the same code; the plan's data make the difference.
[[nodiscard]] Decision decide(const FrontEndIndex &index, const FlowQuery &query);
/// The same with an index made for this one question.
[[nodiscard]] Decision decide(const ProxyPlan &plan, const FlowQuery &query);

} // namespace natlens::proxycore
