// Something that NATs, and whole connections through it: one script for the kernel and for the engine.
#pragma once

#include "capture/packet/decode.h"
#include "property/random_cluster.h"
#include "proxycore/plan/proxy_plan.h"

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace natlens::test {

using Bytes = std::vector<std::byte>;
using Way = RandomPacket::Way;

/// The node n1 of World, carrying plans out.
class Nat {
public:
    virtual ~Nat() = default;
    virtual std::string setPlan(const ProxyPlan &plan) = 0; ///< "" or what went wrong
    /// A packet through the node; nothing if it did not leave.
    virtual std::optional<Bytes> pass(Bytes packet, Way way) = 0;
    /// Lets time pass: really, or in the engine's own time.
    virtual void wait(std::chrono::milliseconds duration) = 0;
};

/// Runs the script: kernel in a namespace of its own (mode's rules in it), or the engine. Returns what the script returned;
/// "skip: ..." where the machine cannot.
[[nodiscard]] std::string withNat(Mode mode, bool kernel, const std::function<std::string(Nat &)> &script);

/// One packet of a conversation. TCP with flags, otherwise UDP.
[[nodiscard]] Bytes segment(const packet::Tuple &tuple, std::uint8_t flags, std::uint32_t seq, std::uint32_t ack,
                            std::string_view payload);
[[nodiscard]] packet::Tuple tupleOf(const Bytes &packet);
/// From which side packets of this address come.
[[nodiscard]] Way wayTo(const IpAddress &address);

/// A client's connection through the NAT: both ends as they see it.
class Connection final {
public:
    /// `original`: as the client sends.
    Connection(Nat &nat, const packet::Tuple &original) : m_nat(nat), m_original(original) {}
    [[nodiscard]] const packet::Tuple &original() const { return m_original; }
    [[nodiscard]] const std::string &trouble() const { return m_trouble; } ///< the first thing that went wrong

    void fromClient(std::uint8_t flags, std::uint32_t seq, std::uint32_t ack, std::string_view payload = {});
    void fromServer(std::uint8_t flags, std::uint32_t seq, std::uint32_t ack, std::string_view payload = {});
    /// An ICMP error about the client's last packet, from the endpoint or a router before it; and one about the server's,
    /// from a router towards the client. Type and code as IPv4 or IPv6 have them.
    void errorToClient(std::uint8_t type, std::uint8_t code, std::uint16_t mtu = 0);
    void errorToServer(std::uint8_t type, std::uint8_t code, std::uint16_t mtu = 0);

private:
    void complain(const std::string &text);
    Nat &m_nat;
    packet::Tuple m_original;
    packet::Tuple m_translated; ///< as the endpoint sees it
    std::string m_trouble;
    Bytes m_arrived, m_returned; ///< the last packet of the client as it arrived, of the server as it came back
};

} // namespace natlens::test
