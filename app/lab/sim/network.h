// The simulated network: hosts, routes and wires as the namespace lab has them, with the user-space engine on the nodes.
#pragma once

#include "app/lab/addressing.h"
#include "app/lab/sim/recorder.h"
#include "app/lab/sim/sctp_stack.h"
#include "app/lab/sim/tcp_stack.h"
#include "app/lab/sim/udp_stack.h"
#include "proxycore/engine/packet_engine.h"

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace natlens::lab::sim {

class Network;

[[nodiscard]] packet::IpFamily familyOf(std::span<const std::byte> ipPacket);
/// The packet with an Ethernet header before it.
[[nodiscard]] std::vector<std::byte> frameOf(const packet::MacAddress &from, const packet::MacAddress &to,
                                             std::span<const std::byte> ipPacket);

/// One host with its interfaces, routes, TCP, UDP and SCTP. Nodes pass every packet through a PacketEngine before it is
/// routed.
class Host final : public proxycore::NodeRouting {
public:
    Host(Network &network, HostSpec spec);
    ~Host() override;

    [[nodiscard]] const HostSpec &spec() const { return m_spec; }
    [[nodiscard]] TcpStack &tcp() { return m_tcp; }
    [[nodiscard]] UdpStack &udp() { return m_udp; }
    [[nodiscard]] SctpStack &sctp() { return m_sctp; }
    /// Null unless a node with addresses of the family.
    [[nodiscard]] proxycore::PacketEngine *engine(packet::IpFamily family);
    /// The address that a connection from here to `destination` begins with.
    [[nodiscard]] packet::IpAddress sourceFor(const packet::IpAddress &destination) const;
    /// Sends packets for an address through these hosts, one of them chosen for each connection; none: takes that back.
    void route(const packet::IpAddress &destination, std::vector<packet::IpAddress> gateways);

    /// A packet from the wire (`interface`) or, with "", from this host itself.
    void handle(std::vector<std::byte> ipPacket, const std::string &interface);

    // NodeRouting
    [[nodiscard]] proxycore::NodeRoute route(const packet::IpAddress &destination) const override;

private:
    friend class Network;
    struct Interface {
        std::string name;
        packet::MacAddress mac;
        base::CapturePointId point;
    };
    [[nodiscard]] bool isLocal(const packet::IpAddress &address) const;
    void forward(std::vector<std::byte> ipPacket, bool ownPacket);
    void transmit(std::vector<std::byte> ipPacket);
    /// A packet for this host itself.
    void deliver(const std::vector<std::byte> &ipPacket);
    enum class Trouble { unreachable, timeExceeded, portUnreachable };
    void answerWithError(std::span<const std::byte> ipPacket, Trouble trouble);
    Interface &add(const std::string &name, const packet::MacAddress &mac);
    [[nodiscard]] Interface &interface(const std::string &name);

    Network &m_network;
    HostSpec m_spec;
    std::vector<packet::IpAddress> m_addresses; ///< of all interfaces
    std::vector<std::unique_ptr<Interface>> m_interfaces;
    std::map<packet::IpAddress, std::vector<packet::IpAddress>> m_routes; ///< of single addresses
    std::map<packet::IpFamily, std::unique_ptr<proxycore::PacketEngine>> m_engines;
    base::CapturePointId m_conntrack{};
    TcpStack m_tcp;
    UdpStack m_udp;
    SctpStack m_sctp;
};

/// One Ethernet segment with every host but the pods, which hang behind their node's bridge. Lives on the lab's thread.
class Network final {
public:
    Network(EventQueue &events, SeededRandom &random, Recorder &recorder, const proxycore::ProxyConfig &config)
        : m_events(events), m_random(random), m_recorder(recorder),
          m_options(proxycore::PacketEngine::Options::of(config)) {}

    /// invalidInput as the namespace lab would say: two of one name, a pod without its node.
    [[nodiscard]] base::Status addHost(const HostSpec &spec);
    void removePod(const proxycore::ObjectName &name);
    [[nodiscard]] Host *find(const std::string &name); ///< a pod also by "namespace/name"
    [[nodiscard]] Host *findPod(const proxycore::ObjectName &pod);
    [[nodiscard]] std::vector<Host *> hosts();

private:
    friend class Host;
    /// From one host of the segment to another.
    void overSegment(Host &from, const packet::IpAddress &nextHop, std::vector<std::byte> ipPacket);
    void toPod(Host &node, const packet::IpAddress &pod, std::vector<std::byte> ipPacket);
    void fromPod(Host &pod, std::vector<std::byte> ipPacket);
    [[nodiscard]] Host *withAddress(const packet::IpAddress &address);
    void record(const Host::Interface &interface, const std::vector<std::byte> &frame, file::PacketDirection direction);
    [[nodiscard]] nanoseconds latency();

    EventQueue &m_events;
    SeededRandom &m_random;
    Recorder &m_recorder;
    proxycore::PacketEngine::Options m_options; ///< of the nodes' engines
    std::map<std::string, std::shared_ptr<Host>> m_hosts;
};

} // namespace natlens::lab::sim
