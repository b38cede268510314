// The text of iptables-save as tables, chains and rules. For the .cpp files of this folder only.
#pragma once

#include "capture/packet/address.h"
#include "proxycore/rules/service_drafts.h"

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace natlens::proxycore::detail {

/// One rule, as far as kube-proxy's kind of rules has parts. What else it matches is kept as a flag.
struct IptablesRule {
    struct Prefix {
        IpPrefix range;
        bool negated = false;
    };
    std::size_t line = 0; ///< in the file, from 1
    std::optional<Prefix> source, destination;
    std::string inputInterface; ///< "" any; a final "+" is a prefix
    bool inputNegated = false;
    Protocol protocol = Protocol::none; ///< none: any
    Port destinationPort = 0;           ///< 0: any
    std::string comment;
    bool sourceIsLocal = false, destinationIsLocal = false; ///< addrtype
    bool sourceIsNotLocal = false, physdev = false;
    bool invalidState = false;         ///< conntrack --ctstate INVALID
    bool matchesSet = false;           ///< -m set: ipvs mode
    std::chrono::seconds remembered{}; ///< recent --rcheck --seconds
    std::string target;                ///< -j or -g; "" none
    std::string toDestination;         ///< of DNAT
    std::uint32_t mark = 0;            ///< value of MARK --set-xmark, --or-mark, --xor-mark, --set-mark
    bool marks = false, clearsMark = false;
    bool fullyRandom = false;
};

struct IptablesTable {
    std::string name; ///< nat, filter, ...
    IpFamily family = IpFamily::v4;
    std::map<std::string, std::vector<IptablesRule>, std::less<>> chains; ///< kube-proxy's and the built-in ones
    bool complete = false;                                                ///< COMMIT was there
};

/// Every table of the text, in order; a table that comes twice (v4 and v6, two listings) stands there twice. Rules of
/// chains that are not kube-proxy's are passed over, the built-in chains' too.
[[nodiscard]] std::vector<IptablesTable> parseIptablesSave(std::string_view text, Problems &problems);

} // namespace natlens::proxycore::detail
