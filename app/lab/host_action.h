// What a scenario may do to one host besides requests and changes of the cluster: settings, rules, crafted traffic,
// further workloads. Plain data; HostActions carries it out.
#pragma once

#include "capture/packet/address.h"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace natlens::lab {

using std::chrono::milliseconds;

/// Loads nftables text (as `nft -f` would).
struct NftAction {
    std::string text;
};
/// net/..., with slashes.
struct SysctlAction {
    std::string key, value;
};
/// Sets or removes a route on eth0: on link, or through a gateway.
struct RouteAction {
    packet::IpPrefix destination;
    std::optional<packet::IpAddress> via = {};
    bool remove = false;
};
struct AddressAction {
    std::string interface;
    packet::IpPrefix address;
};
struct LinkAction {
    std::string interface;
    bool up = true;
};
/// Settings of the port that a pod has on its node's bridge.
struct BridgePortAction {
    std::string pod;
    std::optional<bool> isolated = {}, hairpin = {};
};
/// Deletes the entries of connection tracking, or only those with this destination port in their original direction.
struct ForgetAction {
    packet::Port port = 0;
};
/// A UDP client. Sockets are kept by name, so that a later step goes on with the same one.
struct DatagramsAction {
    packet::SocketAddress to;
    packet::Port sourcePort = 0; ///< 0: the kernel's choice
    std::string socket, text;
    unsigned count = 1;
    milliseconds interval{0}; ///< between datagrams; 0: all at once
    milliseconds wait{300};   ///< for answers, after the last datagram
};
/// A TCP or SCTP client that says something and keeps its connection until `disconnect`, if it has a name.
struct ConnectAction {
    packet::Protocol protocol = packet::Protocol::tcp;
    packet::SocketAddress to;
    packet::Port sourcePort = 0;
    std::string name, text;
    milliseconds wait{1000}; ///< for the connection and the answer

    [[nodiscard]] bool isSctp() const { return protocol == packet::Protocol::sctp; }
};
struct DisconnectAction {
    std::string name;
};
/// Sends a TCP segment that this host has sent before once more, with another sequence number or unchanged.
struct ResendAction {
    bool syn = false;      ///< the last SYN; else the last segment that carried data
    packet::Port port = 0; ///< source or destination port; 0 any
    std::int32_t sequenceOffset = 0;
    unsigned count = 1;
};
/// A proxy: accepts connections and opens others in their place.
struct ProxyAction {
    packet::SocketAddress listen, to;
    unsigned preface = 0;      ///< PROXY protocol version that it speaks to the server; 0 none
    bool forwardedFor = false; ///< adds X-Forwarded-For to the first request
};
/// A UDP server; answers come from `answerFrom` if that is set.
struct UdpServerAction {
    packet::Port port = 0;
    std::optional<packet::IpAddress> answerFrom = {};
};
/// Holds the next packet of a source between destination and source translation for a time; later ones pass it by.
struct HoldAction {
    packet::IpAddress source;
    milliseconds duration{100};
};
/// Records what the node's settings and counters say now (docs/recording-facts.md).
struct FactsAction {};

struct HostAction {
    std::string on; ///< host
    std::variant<NftAction, SysctlAction, RouteAction, AddressAction, LinkAction, BridgePortAction, ForgetAction,
                 DatagramsAction, ConnectAction, DisconnectAction, ResendAction, ProxyAction, UdpServerAction,
                 HoldAction, FactsAction>
        what;
};

} // namespace natlens::lab
