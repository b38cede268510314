// The nftables objects of a plan as data: chains with rules, sets and maps with elements. Two printers (text, JSON) and
// the difference of two plans work on these; nothing here knows libnftables.
#pragma once

#include "proxycore/model/cluster_state.h"

#include <chrono>
#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace natlens::proxycore::nft {

using packet::SocketAddress;

enum class Side : std::uint8_t { source, destination };

/// The words a rule is made of; the nft text of each stands behind it (for IPv4).
struct CtStateNew {};   // ct state new
struct CtStatusDnat {}; // ct status dnat
struct AddressInSet {
    Side side;
    std::string set;
}; // ip daddr @cluster-ips
struct AddressMatch {
    Side side;
    bool negated;
    std::vector<IpPrefix> ranges;
}; // ip saddr != { 10.0.0.0/8, 1.2.3.4 }
struct InterfaceMatch {
    std::string name;
    bool prefix, negated;
}; // iifname != "cbr*"
struct LocalMatch {
    Side side;
}; // fib saddr type local
struct MarkSet {
    std::uint32_t bits;
}; // meta mark & 0x4000 != 0
struct MarkOr {
    std::uint32_t bits;
}; // meta mark set meta mark | 0x4000
struct MarkXor {
    std::uint32_t bits;
}; // meta mark set meta mark ^ 0x4000
struct ProtocolMatch {
    Protocol protocol;
};                      // meta l4proto tcp
struct HairpinMatch {}; // ip saddr . ip daddr . meta l4proto . th dport @hairpin-connections
struct LookupService {
    std::string map;
}; // ip daddr . meta l4proto . th dport vmap @service-ips
struct LookupNodePort {
    std::string map;
}; // meta l4proto . th dport vmap @service-nodeports
struct Masquerade {
    bool fullyRandom;
};                // masquerade fully-random
struct Reject {}; // reject
struct Drop {};   // drop
struct Jump {
    std::string chain;
}; // jump services
struct Goto {
    std::string chain;
}; // goto service-...
struct DnatRandom {
    std::vector<SocketAddress> endpoints;
}; // dnat ip addr . port to numgen random mod n map { ... }
struct DnatTo {
    SocketAddress endpoint;
}; // dnat to 10.0.0.1:80
struct GotoRandom {
    std::vector<std::string> chains;
}; // numgen random mod n vmap { 0 : goto ..., ... }
struct UpdateSet {
    std::string set;
}; // update @affinity-... { ip saddr }

using Statement = std::variant<CtStateNew, CtStatusDnat, AddressInSet, AddressMatch, InterfaceMatch, LocalMatch,
                               MarkSet, MarkOr, MarkXor, ProtocolMatch, HairpinMatch, LookupService, LookupNodePort,
                               Masquerade, Reject, Drop, Jump, Goto, DnatRandom, DnatTo, GotoRandom, UpdateSet>;

struct Rule {
    std::vector<Statement> statements;
    std::string comment;
};

/// Where a base chain hooks in; an empty type makes an ordinary chain.
struct Hook {
    std::string type, hook; ///< "filter" or "nat"; "prerouting", ...
    int priority = 0;
};

struct Chain {
    std::string name;
    Hook hook;
    std::string comment;
    std::vector<Rule> rules;
};

enum class KeyType : std::uint8_t { address, addressPairProtocolPort, addressProtocolPort, protocolPort };

struct Set {
    std::string name;
    KeyType key = KeyType::address;
    bool verdictMap = false;
    std::chrono::seconds timeout{0}; ///< not 0: a set that rules fill (flags dynamic,timeout)
    std::string comment;
};

/// One element of a set or map; unused parts of the key stay empty.
struct Element {
    std::string set;
    KeyType key = KeyType::address;
    IpAddress address = {}, secondAddress = {};
    Protocol protocol = Protocol::none;
    Port port = 0;
    std::string verdict = {}; ///< "" for a set; "drop" or the chain to go to
    std::string comment = {};

    /// Equal keys: the same place in the same set.
    [[nodiscard]] auto place() const { return std::tie(set, address, secondAddress, protocol, port); }
    bool operator==(const Element &) const = default;
};

/// Some objects of one table, in a stable order.
struct Objects {
    std::vector<Chain> chains;
    std::vector<Set> sets;
    std::vector<Element> elements;
};

/// "ip" or "ip6".
[[nodiscard]] std::string_view familyName(IpFamily family);
inline constexpr std::string_view kTable = "kube-proxy";
inline constexpr std::string_view kTableComment = "rules for kube-proxy";

} // namespace natlens::proxycore::nft
