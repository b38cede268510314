// The kernel as referee: packets into a network namespace with real rules, and what came out of it.
#pragma once

#include "capture/base/unique_fd.h"
#include "capture/packet/decode.h"
#include "property/random_cluster.h"

#include <array>
#include <optional>
#include <string>
#include <vector>

namespace natlens::test {

/// What became of one packet.
struct Fate {
    enum class Kind { forwarded, dropped, rejected, answered } kind = Kind::dropped;
    packet::Tuple tuple; ///< forwarded: as it left the node
    [[nodiscard]] std::string toString() const;
};

/// The first packet of a connection as bytes, from its IP header on; `id` makes it recognisable.
[[nodiscard]] std::vector<std::byte> packetBytes(const RandomPacket &packet, std::uint16_t id);
/// An ICMP or ICMPv6 error about this packet, of the kind that REJECT sends (3/3, 1/4).
[[nodiscard]] bool isRefusal(const packet::DecodedPacket &error, const packet::Tuple &sent);

/// The node under test in the network namespace of the process: devices `out0` and `pods0` whose other ends are ours,
/// addresses as World says. Made once; rules come and go. Nothing is waited for: a second packet, whose way is known,
/// tells that the first one's has ended.
class KernelJudge final {
public:
    /// What the machine lacks, `missing()` says; then nothing else may be called.
    KernelJudge();
    [[nodiscard]] const std::string &missing() const { return m_missing; }

    [[nodiscard]] Fate send(const RandomPacket &packet);
    /// Any packet that comes in from outside or from the pods, and what left the node of it, whole. Nothing if nothing
    /// did. Of ICMP errors the first one that leaves is taken.
    [[nodiscard]] std::optional<std::vector<std::byte>> pass(std::span<const std::byte> bytes, RandomPacket::Way way);

private:
    struct Wire {
        base::UniqueFd socket;
        std::array<std::uint8_t, 6> mac{}; ///< of the node's end
    };
    [[nodiscard]] static Wire openWire(const char *name);
    static void inject(const Wire &wire, std::span<const std::byte> ipPacket);
    /// Sends the packet after which nothing more comes, and hands over every packet until then.
    /// Waits until each of the node's addresses answers: the kernel makes carriers and IPv6 addresses ready when it
    /// finds the time.
    [[nodiscard]] bool answersEverywhere();
    template<class Visit>
    void untilSentinel(const Wire &wire, Visit visit);
    [[nodiscard]] bool sendLocally(std::span<const std::byte> bytes, const IpAddress &destination) const;
    [[nodiscard]] Fate errorToSender(const packet::Tuple &sent, bool refused) const;

    std::string m_missing;
    Wire m_out, m_pods;
    base::UniqueFd m_raw4, m_raw6, m_icmp4, m_icmp6;
    std::uint16_t m_nextId = 1, m_nextSentinel = 1;
};

} // namespace natlens::test
