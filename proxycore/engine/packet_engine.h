// One node's NAT in user space: IP packets in, IP packets out. What netfilter's connection tracking and kube-proxy's
// rules do together between the moment a packet reaches a node and the moment it is routed on.
#pragma once

#include "capture/base/timestamp.h"
#include "proxycore/plan/proxy_plan.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

namespace natlens::proxycore {

/// How the node would send a packet on. Asked for the first packet of a connection only.
struct NodeRoute {
    bool reachable = false;
    bool local = false;    ///< delivered to a process on the node
    IpAddress source = {}; ///< what masquerade puts in: the address of the outgoing interface that suits the next hop
};

/// The node's routing table, as far as NAT must know it. Outlives the engine; called on the engine's thread.
class NodeRouting {
public:
    virtual ~NodeRouting() = default;
    [[nodiscard]] virtual NodeRoute route(const IpAddress &destination) const = 0;
};

/// Random choices: endpoints, source ports. Injected, so that a run can be repeated from its seed.
class RandomSource {
public:
    virtual ~RandomSource() = default;
    [[nodiscard]] virtual std::uint32_t below(std::uint32_t bound) = 0; ///< 0 .. bound-1, uniform; bound > 0
};

/// Where a packet met the node.
struct PacketOrigin {
    std::string_view inputInterface = {}; ///< "" for a packet that a process on the node sent
    bool locallyGenerated = false;
};

/// nf_conntrack's states, as far as they have a name of their own in `conntrack -L`.
enum class ConnectionState : std::uint8_t {
    none, ///< protocols without states: UDP, ICMP, others
    synSent,
    synReceived,
    established,
    finWait,
    closeWait,
    lastAck,
    timeWait,
    close,
    sctpCookieWait,
    sctpCookieEchoed,
    sctpEstablished,
    sctpShutdownSent,
    sctpShutdownReceived,
    sctpShutdownAckSent,
    sctpHeartbeatSent,
};

/// One tracked connection as others may see it; the same facts as a line of `conntrack -L`.
struct ConnectionView {
    std::uint64_t id = 0;   ///< unique for the life of the engine
    packet::Tuple original; ///< as the first packet arrived
    packet::Tuple reply;    ///< as the reply arrives: differs from original.reversed() where NAT is at work
    ConnectionState state = ConnectionState::none;
    std::chrono::seconds timeout{0}; ///< left, if no further packet comes
    bool seenReply = false, assured = false;
    bool sourceNat = false, destinationNat = false;
};

enum class ConnectionChange : std::uint8_t { added, updated, destroyed };
/// What `conntrack -E` would print: a new connection when its first packet has left, changes of state, the end.
using ConnectionListener = std::function<void(ConnectionChange, const ConnectionView &)>;

enum class PacketAction : std::uint8_t {
    forward, ///< route the packet, as it now stands in the buffer
    drop,    ///< silence
    reject,  ///< silence, and an ICMP error that stands in generated()
    hold,    ///< a fragment kept until the first one says where it goes; comes back in generated()
};

/// Lives on one thread. No clock and no randomness of its own. Packets begin with the IP header and are rewritten in
/// place; their length never changes. Nothing is allocated for a packet of a connection that exists.
class PacketEngine final {
public:
    struct Options {
        std::size_t maximumConnections = 262'144; ///< nf_conntrack_max; beyond it new connections are dropped
        std::chrono::seconds tcpEstablished{86'400}, tcpCloseWait{3'600}; ///< as kube-proxy sets them
        std::chrono::seconds udp{30}, udpStream{120};
        bool tcpLiberal = false;    ///< nf_conntrack_tcp_be_liberal: segments outside the windows are valid
        bool tcpLoose = true;       ///< nf_conntrack_tcp_loose: connections are picked up in the middle
        std::uint64_t hashSeed = 0; ///< against senders who aim at the hash table

        /// As kube-proxy would set the kernel up; of one core where the number depends on that.
        [[nodiscard]] static Options of(const ProxyConfig &config);
    };

    /// `routing` and `random` must outlive the engine.
    PacketEngine(const NodeRouting &routing, RandomSource &random, Options options);
    PacketEngine(const NodeRouting &routing, RandomSource &random)
        : PacketEngine(routing, random, Options{}) {}
    ~PacketEngine();
    PacketEngine(const PacketEngine &) = delete;
    PacketEngine &operator=(const PacketEngine &) = delete;

    /// Takes over the plan of its family. Connections live on; stale UDP connections end (KUBE-PROXY 10.1).
    void setPlan(const ProxyPlan &plan);

    /// One packet. `now` never goes back; it also lets old connections expire.
    [[nodiscard]] PacketAction process(std::span<std::byte> packet, const PacketOrigin &origin, base::Timestamp now);

    /// Many packets that came at one moment the same way; `actions` has one element for each. The same as process() for
    /// one after the other, only faster: memory is fetched ahead. generated() then has what all of them made, in order.
    void processBatch(std::span<const std::span<std::byte>> packets, const PacketOrigin &origin, base::Timestamp now,
                      std::span<PacketAction> actions);

    /// Packets that the last process() made: ICMP errors to the sender, fragments let go. Complete IP packets, already
    /// translated, to be routed like any other packet that this node sends. Valid until the next call.
    [[nodiscard]] const std::vector<std::vector<std::byte>> &generated() const;

    /// Lets connections and fragments expire that nobody sends packets for.
    void expire(base::Timestamp now);

    /// Packets since the beginning. `localhostNodePorts`: first packets that a node port of a loopback address took.
    struct Counters {
        std::uint64_t invalidDropped = 0, localhostNodePorts = 0;
    };
    [[nodiscard]] Counters counters() const;

    void listen(ConnectionListener listener);
    [[nodiscard]] std::vector<ConnectionView> connections() const;
    [[nodiscard]] std::size_t connectionCount() const;

private:
    class Impl;
    std::unique_ptr<Impl> m_impl;
};

} // namespace natlens::proxycore
