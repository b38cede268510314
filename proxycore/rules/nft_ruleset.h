// kube-proxy's nftables table as data, whichever form of listing it came in. For the .cpp files of this folder only.
#pragma once

#include "proxycore/rules/service_drafts.h"

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace natlens::proxycore::detail {

/// Where a packet goes on.
struct NftVerdict {
    enum class Kind : std::uint8_t { none, go, drop, reject, other };
    Kind kind = Kind::none;
    std::string target; ///< of goto and jump
};

struct NftElement {
    std::vector<std::string> key; ///< the parts of a concatenation, as nft writes them
    std::string comment;
    NftVerdict verdict; ///< of maps
};

struct NftSet {
    std::vector<NftElement> elements;
    std::chrono::seconds timeout{};
};

/// One rule, as far as kube-proxy's kind of rules has parts.
struct NftRule {
    enum class Field : std::uint8_t { sourceAddress, destinationAddress, sourceType, destinationType, input, protocol };
    struct Match {
        Field field = Field::protocol;
        bool negated = false;
        std::vector<std::string> values; ///< "10.1.0.0/16", "@set", "local", "cni*", "tcp"
    };
    std::string place; ///< "line 12", "/nftables/12"
    std::vector<Match> matches;
    std::string comment;
    std::optional<std::uint32_t> setsMark, clearsMark;
    bool masquerades = false, fullyRandom = false, remembers = false;
    NftVerdict verdict;
    std::string map;                           ///< "vmap @service-ips": its name
    std::vector<packet::SocketAddress> dnatTo; ///< in order of the draw; one where there is no choice
    std::vector<NftVerdict> choices;           ///< of "numgen random mod n vmap { ... }"

    [[nodiscard]] const Match *match(Field field) const;
};

struct NftTable {
    IpFamily family = IpFamily::v4;
    std::map<std::string, std::vector<NftRule>, std::less<>> chains;
    std::map<std::string, NftSet, std::less<>> sets; ///< and maps
};

/// kube-proxy's tables and what else was there.
struct NftListing {
    std::vector<NftTable> tables;  ///< named kube-proxy, of families ip and ip6
    bool hasIptablesRules = false; ///< chains of kube-proxy's iptables mode, whose rules nft cannot show
};

[[nodiscard]] NftListing parseNftJson(std::string_view text, Problems &problems);
[[nodiscard]] NftListing parseNftText(std::string_view text, Problems &problems);

/// What such a table says.
[[nodiscard]] FamilyRules readNftServices(const NftTable &table, Problems &problems);

} // namespace natlens::proxycore::detail
