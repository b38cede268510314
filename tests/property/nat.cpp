#include "property/nat.h"

#include "../proxycore/kernel/namespace_child.h"
#include "capture/packet/builder.h"
#include "property/kernel_judge.h"
#include "proxycore/engine/packet_engine.h"
#include "proxycore/kernel/iptables_applier.h"
#include "proxycore/kernel/nftables.h"

#include <random>
#include <thread>

namespace natlens::test {
namespace {

class KernelNat final : public Nat {
public:
    explicit KernelNat(Mode mode) {
        if (mode == Mode::iptables) m_iptables.emplace(IptablesApplier::open(IptablesBackend::nft).value());
    }
    [[nodiscard]] const std::string &missing() const { return m_judge.missing(); }
    std::string setPlan(const ProxyPlan &plan) override {
        const auto status = m_iptables ? m_iptables->apply(plan) : m_nftables.apply(plan);
        return status ? "" : status.error().sentence();
    }
    std::optional<Bytes> pass(Bytes packet, Way way) override { return m_judge.pass(packet, way); }
    void wait(std::chrono::milliseconds duration) override { std::this_thread::sleep_for(duration); }

private:
    KernelJudge m_judge;
    NftablesApplier m_nftables;
    std::optional<IptablesApplier> m_iptables;
};

class EngineNat final : public Nat, private NodeRouting, private RandomSource {
public:
    std::string setPlan(const ProxyPlan &plan) override {
        engine(plan.family).setPlan(plan);
        return "";
    }
    std::optional<Bytes> pass(Bytes packet, Way way) override {
        wait(std::chrono::milliseconds(1));
        const auto family = tupleOf(packet).dst.ip.family;
        const auto action = engine(family).process(packet, {way == Way::pods ? "pods0" : "out0", false}, m_now);
        return action == PacketAction::forward ? std::optional(packet) : std::nullopt;
    }
    void wait(std::chrono::milliseconds duration) override {
        m_now.nanoseconds += std::chrono::nanoseconds(duration).count();
    }

private:
    PacketEngine &engine(IpFamily family) { return family == IpFamily::v6 ? m_six : m_four; }
    NodeRoute route(const IpAddress &to) const override {
        const auto &world = World::of(to.family);
        return {true, world.isOwn(to), world.sourceTowards(to)};
    }
    std::uint32_t below(std::uint32_t bound) override { return static_cast<std::uint32_t>(m_random() % bound); }

    std::mt19937 m_random{7};
    base::Timestamp m_now{1'700'000'000'000'000'000};
    PacketEngine m_four{*this, *this}, m_six{*this, *this};
};

} // namespace

std::string withNat(Mode mode, bool kernel, const std::function<std::string(Nat &)> &script) {
    if (!kernel) {
        EngineNat engine;
        return script(engine);
    }
    const auto result = inNamespace([&]() -> std::string {
        KernelNat nat(mode);
        return nat.missing().empty() ? script(nat) : "skip: " + nat.missing();
    });
    return result.available ? result.text : "skip: no unprivileged user namespaces";
}

Bytes segment(const packet::Tuple &tuple, std::uint8_t flags, std::uint32_t seq, std::uint32_t ack,
              std::string_view payload) {
    static std::uint16_t id = 1;
    packet::PacketBuilder builder;
    builder.ip(tuple.src.ip, tuple.dst.ip).ipId(id = static_cast<std::uint16_t>(id % 60000 + 1));
    if (tuple.protocol == Protocol::udp)
        builder.udp(tuple.src.port, tuple.dst.port);
    else
        builder.tcp(tuple.src.port, tuple.dst.port, flags).seq(seq).ack(ack).window(60000);
    return builder.payload(payload).buildIp();
}

packet::Tuple tupleOf(const Bytes &packet) { return packet::decode(packet::LinkType::rawIp, packet).tuple; }

Way wayTo(const IpAddress &address) {
    return World::of(address.family).pods.contains(address) ? Way::pods : Way::outside;
}

void Connection::fromClient(std::uint8_t flags, std::uint32_t seq, std::uint32_t ack, std::string_view payload) {
    const auto out = m_nat.pass(segment(m_original, flags, seq, ack, payload), wayTo(m_original.src.ip));
    if (!out) return complain("the client's packet did not arrive");
    m_arrived = *out;
    if (m_translated.protocol == Protocol::none) m_translated = tupleOf(*out);
    if (tupleOf(*out) != m_translated) complain("the client's packet left as " + tupleOf(*out).toString());
}

void Connection::fromServer(std::uint8_t flags, std::uint32_t seq, std::uint32_t ack, std::string_view payload) {
    const auto out = m_nat.pass(segment(m_translated.reversed(), flags, seq, ack, payload), wayTo(m_translated.dst.ip));
    if (!out) return complain("the answer did not arrive");
    m_returned = *out;
    if (tupleOf(*out) != m_original.reversed()) complain("the answer left as " + tupleOf(*out).toString());
}

void Connection::errorToClient(std::uint8_t type, std::uint8_t code, std::uint16_t mtu) {
    packet::PacketBuilder error;
    error.ip(m_translated.dst.ip, m_translated.src.ip).icmpError(type, code, m_arrived, mtu);
    const auto out = m_nat.pass(error.buildIp(), wayTo(m_translated.dst.ip));
    if (!out) return complain("the ICMP error did not reach the client");
    const auto told = packet::decode(packet::LinkType::rawIp, *out);
    if (told.quoted != m_original) complain("the client hears of " + told.quoted.toString());
    if (told.tuple.dst.ip != m_original.src.ip) complain("the ICMP error went to " + told.tuple.dst.ip.toString());
    if (told.icmpType != type || told.icmpCode != code) complain("the ICMP error is another one");
}

void Connection::errorToServer(std::uint8_t type, std::uint8_t code, std::uint16_t mtu) {
    packet::PacketBuilder error;
    error.ip(m_original.src.ip, m_original.dst.ip).icmpError(type, code, m_returned, mtu);
    const auto out = m_nat.pass(error.buildIp(), wayTo(m_original.src.ip));
    if (!out) return complain("the ICMP error did not reach the endpoint");
    const auto told = packet::decode(packet::LinkType::rawIp, *out);
    if (told.quoted != m_translated.reversed()) complain("the endpoint hears of " + told.quoted.toString());
    if (told.tuple.dst.ip != m_translated.dst.ip) complain("the ICMP error went to " + told.tuple.dst.ip.toString());
    if (told.icmpType != type || told.icmpCode != code) complain("the ICMP error is another one");
}

void Connection::complain(const std::string &text) {
    if (m_trouble.empty()) m_trouble = m_original.toString() + ": " + text + "; ";
}

} // namespace natlens::test
