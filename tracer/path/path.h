// What natlens knows about one connection: the hops of its request and reply, with evidence.
// Plain data, Qt-free, immutable once published. This is what findings, pictures and JSON are made of.
#pragma once

#include "capture/base/ids.h"
#include "capture/base/timestamp.h"
#include "capture/packet/address.h"
#include "tracer/path/host_clock.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace natlens::tracer {

using base::PacketNumber;
using base::Timestamp;
using packet::IpAddress;
using packet::Protocol;
using packet::SocketAddress;

enum class Direction : std::uint8_t { request, reply };
enum class PathKind : std::uint8_t { service, healthCheck, direct };
enum class Via : std::uint8_t { none, clusterIP, externalIP, loadBalancerIP, nodePort };
enum class Outcome : std::uint8_t { delivered, dropped, rejected, reset, unanswered, incomplete };
/// `proxied` is no translation: a program ended one connection and began another for the same bytes.
enum class Nat : std::uint8_t { snat, dnat, proxied };

/// What a host did in a path. `unknown` where neither cluster state nor packets tell.
enum class HostRole : std::uint8_t { unknown, client, loadBalancer, node, pod };

/// Why two observations are taken for the same packet or connection, strongest first.
enum class EvidenceKind : std::uint8_t {
    conntrack,
    ruleTrace,
    tcpIsn,
    tcpSequence,
    tcpTimestamp,
    ipId,
    proxyHeader, ///< a PROXY protocol header or X-Forwarded-For that names the client
    payload,
    tuple
};

/// Names as JSON and pictures print them ("DNAT", "health-check", "tcp-isn", "loadBalancerIP", "delivered", ...).
[[nodiscard]] std::string_view toString(Direction value);
[[nodiscard]] std::string_view toString(PathKind value);
[[nodiscard]] std::string_view toString(Via value);
[[nodiscard]] std::string_view toString(Outcome value);
[[nodiscard]] std::string_view toString(Nat value);
[[nodiscard]] std::string_view toString(HostRole value);
[[nodiscard]] std::string_view toString(EvidenceKind value);

/// A host that packets were captured on (the part of "node2/eth0" before the slash).
struct Host {
    std::string name; ///< as in the capture point: "client", "lb", "node1", "source-ip-app"
    HostRole role = HostRole::unknown;
    bool roleInferred = true; ///< false when cluster state named it
    std::vector<IpAddress> addresses;
    std::string podNode = {}; ///< for pods: the node it runs on, "" when unknown
    std::string label = {};   ///< the name for people; equals `name` unless cluster state knows better
    std::shared_ptr<const HostClock> clock = {}; ///< null: never compared with others
    bool mixed = false;                          ///< no machine, but a file that shows what several capture points saw

    bool operator==(const Host &) const = default;
};

/// The tunnel that a packet was in at a capture point: an overlay's, or that of a mirror of packets.
struct Encapsulation {
    std::string type;                ///< "VXLAN", "Geneve", "GRE", "ERSPAN", "IPIP", "6in4", "4in6", "6in6"
    std::optional<std::uint32_t> id; ///< VXLAN and Geneve: the network (VNI); GRE: the key; ERSPAN: the session
    IpAddress src, dst;              ///< of the outer header

    bool operator==(const Encapsulation &) const = default;
};

/// One side of a hop: the first packet of the connection's direction as seen at one capture point.
struct HopEnd {
    std::string interface; ///< "eth0"
    Timestamp time;
    SocketAddress src, dst;
    std::uint8_t ttl = 0;
    PacketNumber packet; ///< where to find it in the recording
    /// The tunnel that this packet was in; addresses and TTL above are then those inside.
    std::optional<Encapsulation> encapsulation = {};

    bool operator==(const HopEnd &) const = default;
};

/// What one host did to one direction of the connection.
/// The client's own hop has no `in`, the endpoint's no `out`; a host that dropped the packet has no `out` either.
struct Hop {
    std::string host; ///< Host::name
    HostRole role = HostRole::unknown;
    Direction direction = Direction::request;
    std::vector<Nat> nat; ///< in the order SNAT, DNAT, or proxied alone; empty when addresses stayed
    std::optional<HopEnd> in, out;
    std::string rule;                   ///< the rule that decided, in words; "" when unknown
    std::string ruleField;              ///< the Kubernetes field behind it, e.g. "spec.externalTrafficPolicy: Cluster"
    std::vector<EvidenceKind> evidence; ///< strongest first; empty only for hops with one end
    double confidence = 0;              ///< 0..1; 1 only with conntrack
    bool inferred = false;              ///< no capture point saw it; concluded from its neighbours
    std::uint64_t captureDrops = 0;     ///< packets that this host's capture points lost while the path lived
    std::shared_ptr<const HostClock> clock =
        {}; ///< how the times of this hop were corrected; null: they are as captured
    /// What this host's captures do not show of the connection, in words.
    std::vector<std::string> doubts = {};

    /// The tunnel it left in, else the one it came in, else null.
    [[nodiscard]] const Encapsulation *encapsulation() const {
        if (out && out->encapsulation) return &*out->encapsulation;
        return in && in->encapsulation ? &*in->encapsulation : nullptr;
    }

    bool operator==(const Hop &) const = default;
};

/// One crossing between two hosts in one direction: what an arrow of the picture stands for.
/// Exists only if at least one packet was seen leaving `from` or arriving at `to`.
struct Segment {
    std::string from, to; ///< Host::name
    Direction direction = Direction::request;
    SocketAddress src, dst;    ///< addresses while on this segment
    std::uint64_t packets = 0; ///< packets seen on it so far (larger count of the two ends)
    Timestamp firstSeen, lastSeen;
    bool lost = false;     ///< the packet went in here and nothing came out at `to` (dropped there)
    double confidence = 1; ///< 0..1; weak ones are drawn dashed

    bool operator==(const Segment &) const = default;
};

struct ServiceRef {
    std::string nameSpace, name, type; ///< type: "NodePort", ...
    std::uint16_t port = 0;
    std::string portName;
    Via via = Via::none;

    bool operator==(const ServiceRef &) const = default;
};

struct ClientEnd {
    std::string node; ///< host the connection came from; "" when no capture point is there
    SocketAddress address;

    bool operator==(const ClientEnd &) const = default;
};

struct EndpointEnd {
    std::string pod;  ///< "default/source-ip-app", "" when unknown
    std::string node; ///< node the pod runs on (or the host that answered)
    std::string host; ///< Host::name where the connection ended
    SocketAddress address;

    bool operator==(const EndpointEnd &) const = default;
};

/// Of a proxied connection: what the client asked, and how the server was told of the client.
struct HttpExchange {
    std::string method = {}, target = {};
    int status = 0;                 ///< 0: no response seen
    std::string clientAddress = {}; ///< what the echo server's body said in "client_address=", "" when not seen
    std::string host = {};          ///< the request's Host field
    std::string forwardedFor = {};  ///< its X-Forwarded-For field, "" when it has none
    bool headersSeen = false;       ///< all of the request's header fields were captured
    unsigned proxyVersion = 0;      ///< of a PROXY protocol header before the request, 0 none
    std::string proxySource = {};   ///< the client's address that it gives

    bool operator==(const HttpExchange &) const = default;
};

enum class Severity : std::uint8_t { info, warning, error };
[[nodiscard]] std::string_view toString(Severity value);

struct Finding {
    std::string code; ///< "D01"
    Severity severity = Severity::info;
    std::string text;                  ///< what happened and why
    std::string fix;                   ///< the smallest change that helps
    std::string field;                 ///< the Kubernetes field that decides, "" when none
    std::vector<PacketNumber> packets; ///< evidence, in order of number
    std::string cost = {};             ///< what the fix costs, "" nothing
    std::string reference = {};        ///< where the problem is described (URL)

    bool operator==(const Finding &) const = default;
};

struct Path {
    std::string id; ///< "p3"; stable while a source is open
    PathKind kind = PathKind::direct;
    std::optional<ServiceRef> service;
    Protocol protocol = Protocol::none;
    ClientEnd client;
    SocketAddress requested;
    std::optional<EndpointEnd> endpoint;
    std::optional<SocketAddress> seenByEndpoint; ///< source address of the first packet that reached the endpoint
    std::optional<bool> sourcePreserved;
    Outcome outcome = Outcome::incomplete;
    std::string droppedAt;                        ///< Host::name, "" when not dropped
    Direction dropDirection = Direction::request; ///< of what was dropped there
    std::optional<HttpExchange> http;
    std::vector<Hop> hops;         ///< request hops from client to endpoint, then reply hops back; ends included
    std::vector<Segment> segments; ///< in the same order
    std::vector<Finding> findings;
    Timestamp firstSeen, lastSeen;
    std::uint64_t packets = 0;      ///< packets of this connection, counted once each (largest count of any point)
    unsigned attempts = 1;          ///< 1 + retransmitted SYNs (or repeated first datagrams)
    std::vector<std::string> notes; ///< "ambiguous: 2 candidates at node2/eth0", "capture lost 3 packets at node1/eth0"
    bool settled = false;           ///< nothing more is expected (closed, or the source has ended)

    /// Not its answer, which is dropped where the endpoint was reached.
    [[nodiscard]] bool isRequestDropped() const {
        return outcome == Outcome::dropped && dropDirection == Direction::request;
    }

    bool operator==(const Path &) const = default;
};

} // namespace natlens::tracer
