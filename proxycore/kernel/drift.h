// Drift: the kernel's rules are not what the plan says, because someone else changed them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace natlens::proxycore {

/// One thing in which the kernel's rules differ from the plan.
struct Drift {
    enum class Kind : std::uint8_t {
        missing, ///< the plan has it, the kernel has not
        changed, ///< both have it, with different content
        foreign, ///< the kernel has it where only our things should be
    };
    Kind kind = Kind::missing;
    std::string object; ///< "chain services", "rule in chain services", "element of map service-ips"
    std::string text;   ///< the rule or element as nft or iptables-save prints it, or what differs; may be empty

    [[nodiscard]] std::string sentence() const; ///< "missing rule in chain services: ip daddr ..."
    bool operator==(const Drift &) const = default;
};

[[nodiscard]] std::string_view toString(Drift::Kind kind);

} // namespace natlens::proxycore
