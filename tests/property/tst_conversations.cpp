// Whole conversations, and many of them: what the kernel does to each packet, the engine does too.
#ifndef Q_MOC_RUN // moc of Qt 6.4 stumbles over <concepts>
#include "../proxycore/kernel/namespace_child.h"
#include "../proxycore/test_state.h"
#include "capture/packet/builder.h"
#include "property/kernel_judge.h"
#include "proxycore/engine/packet_engine.h"
#include "proxycore/kernel/iptables_applier.h"
#include "proxycore/kernel/nftables.h"

#include <fmt/format.h>
#include <map>
#include <random>
#endif

#include <QtTest>

using namespace natlens;
using namespace natlens::test;
using proxycore::test::ip;
using packet::TcpFlags;
using Bytes = std::vector<std::byte>;
using Way = RandomPacket::Way;

namespace {

const IpAddress kNode = ip("192.168.0.2"), kBridge = ip("10.1.1.1"), kClusterIp = ip("172.30.0.1");

/// One Service on 172.30.0.1:80 and node port 30000, TCP and UDP, with these endpoints.
ClusterState stateWith(const std::vector<std::string> &endpoints) {
    ClusterState state;
    Node node;
    node.name = "n1";
    node.addresses = {{"InternalIP", kNode.toString()}};
    node.podCIDRs = {*IpPrefix::parse("10.1.1.0/24")};
    state.put(node);
    auto service = proxycore::test::service("s", kClusterIp.toString(), ServiceType::nodePort, 30000);
    service.ports.front().name = "tcp";
    service.ports.push_back({.name = "udp", .protocol = Protocol::udp, .port = 80, .targetPort = "", .nodePort = 30000});
    std::vector<proxycore::test::TestEndpoint> list;
    for (const auto &address : endpoints) list.push_back({address, address.starts_with("10.1.1.") ? "n1" : "n2"});
    state.put(proxycore::test::slice(service, list));
    state.put(service);
    return state;
}

ProxyPlan planOf(const std::vector<std::string> &endpoints, Mode mode) {
    return makePlan(stateWith(endpoints), proxycore::test::podRange("10.1.0.0/16"),
                    {.nodeName = "n1", .localAddresses = {kNode, kBridge}, .mode = mode, .family = IpFamily::v4});
}

/// Something that NATs: the kernel with rules, or the engine.
class Nat {
public:
    virtual ~Nat() = default;
    virtual std::string setPlan(const ProxyPlan &plan) = 0;
    /// Nothing: the packet did not leave.
    virtual std::optional<Bytes> pass(Bytes packet, Way way) = 0;
};

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

private:
    KernelJudge m_judge;
    NftablesApplier m_nftables;
    std::optional<IptablesApplier> m_iptables;
};

class EngineNat final : public Nat, private NodeRouting, private RandomSource {
public:
    std::string setPlan(const ProxyPlan &plan) override {
        m_engine.setPlan(plan);
        return "";
    }
    std::optional<Bytes> pass(Bytes packet, Way way) override {
        m_now.nanoseconds += 1'000'000;
        const auto action = m_engine.process(packet, {way == Way::pods ? "pods0" : "out0", false}, m_now);
        return action == PacketAction::forward ? std::optional(packet) : std::nullopt;
    }

private:
    NodeRoute route(const IpAddress &to) const override {
        const bool local = to == kNode || to == kBridge;
        return {true, local, IpPrefix::parse("10.1.1.0/24")->contains(to) ? kBridge : kNode};
    }
    std::uint32_t below(std::uint32_t bound) override { return static_cast<std::uint32_t>(m_random() % bound); }

    std::mt19937 m_random{7};
    base::Timestamp m_now{1'700'000'000'000'000'000};
    PacketEngine m_engine{*this, *this};
};

std::uint16_t g_id = 1;

Bytes build(const packet::Tuple &tuple, std::uint8_t flags, std::uint32_t seq, std::uint32_t ack, std::string_view payload) {
    packet::PacketBuilder builder;
    builder.ip(tuple.src.ip, tuple.dst.ip).ipId(g_id = static_cast<std::uint16_t>(g_id % 60000 + 1));
    if (tuple.protocol == Protocol::udp)
        builder.udp(tuple.src.port, tuple.dst.port);
    else
        builder.tcp(tuple.src.port, tuple.dst.port, flags).seq(seq).ack(ack).window(60000);
    return builder.payload(payload).buildIp();
}

packet::Tuple tupleOf(const Bytes &packet) { return packet::decode(packet::LinkType::rawIp, packet).tuple; }

Way wayTo(const IpAddress &address) {
    return IpPrefix::parse("10.1.1.0/24")->contains(address) ? Way::pods : Way::outside;
}

/// A client's connection through the NAT: both ends as they see it.
struct Connection {
    Nat &nat;
    packet::Tuple original;     ///< as the client sends
    packet::Tuple translated{}; ///< as the endpoint sees it
    std::string trouble{};

    void fromClient(std::uint8_t flags, std::uint32_t seq, std::uint32_t ack, std::string_view payload = {}) {
        const auto out = nat.pass(build(original, flags, seq, ack, payload), wayTo(original.src.ip));
        if (!out) return complain("the client's packet did not arrive");
        const auto seen = tupleOf(*out);
        if (translated.protocol == Protocol::none) translated = seen;
        if (seen != translated) complain("the client's packet left as " + seen.toString());
    }
    void fromServer(std::uint8_t flags, std::uint32_t seq, std::uint32_t ack, std::string_view payload = {}) {
        const auto out = nat.pass(build(translated.reversed(), flags, seq, ack, payload), wayTo(translated.dst.ip));
        if (!out) return complain("the answer did not arrive");
        if (tupleOf(*out) != original.reversed()) complain("the answer left as " + tupleOf(*out).toString());
    }
    void complain(const std::string &text) {
        if (trouble.empty()) trouble = original.toString() + ": " + text + "; ";
    }
};

/// "" when all goes as it should with this NAT.
std::string talk(Nat &nat, Mode mode, std::map<std::string, int> &chosen) {
    const std::vector<std::string> two{"10.1.1.5", "10.1.2.5"};
    if (const auto failed = nat.setPlan(planOf(two, mode)); !failed.empty()) return failed;
    struct Ends {
        IpAddress client, asked;
        Port port;
    };
    const Ends kEnds[] = {{ip("10.1.1.9"), kClusterIp, 80}, {ip("203.0.113.7"), kNode, 30000}, {ip("10.1.1.5"), kClusterIp, 80}};
    std::string trouble;
    Port port = 2000;
    for (const auto &ends : kEnds)
        for (int round = 0; round < 6; ++round) {
            Connection tcp{nat, {Protocol::tcp, {ends.client, ++port}, {ends.asked, ends.port}}};
            tcp.fromClient(TcpFlags::syn, 1000, 0);
            tcp.fromServer(TcpFlags::syn | TcpFlags::ack, 5000, 1001);
            tcp.fromClient(TcpFlags::ack, 1001, 5001);
            tcp.fromClient(TcpFlags::ack | TcpFlags::psh, 1001, 5001, "question");
            tcp.fromServer(TcpFlags::ack | TcpFlags::psh, 5001, 1009, "answer");
            if (round % 3 == 0) { // reset, and the same ports again
                tcp.fromServer(TcpFlags::rst | TcpFlags::ack, 5007, 1009);
                Connection again{nat, tcp.original};
                again.fromClient(TcpFlags::syn, 900'000, 0);
                again.fromServer(TcpFlags::syn | TcpFlags::ack, 7000, 900'001);
                trouble += again.trouble;
            } else { // an ordinary close, and the endpoint gone in the middle of it
                if (round % 3 == 2) trouble += nat.setPlan(planOf({"10.1.2.77"}, mode));
                tcp.fromClient(TcpFlags::fin | TcpFlags::ack, 1009, 5007);
                tcp.fromServer(TcpFlags::fin | TcpFlags::ack, 5007, 1010);
                tcp.fromClient(TcpFlags::ack, 1010, 5008);
                if (round % 3 == 2) trouble += nat.setPlan(planOf(two, mode));
            }
            trouble += tcp.trouble;
            ++chosen[tcp.translated.dst.toString()];

            Connection udp{nat, {Protocol::udp, {ends.client, ++port}, {ends.asked, ends.port}}};
            udp.fromClient(0, 0, 0, "question");
            udp.fromServer(0, 0, 0, "answer");
            udp.fromClient(0, 0, 0, "once more");
            trouble += udp.trouble;
            // The endpoint's port is closed: the error comes back about the packet that the client sent.
            const auto question = build(udp.original, 0, 0, 0, "lost");
            const auto arrived = nat.pass(question, wayTo(udp.original.src.ip));
            if (!arrived) return trouble + "the UDP packet did not arrive";
            packet::PacketBuilder error;
            error.ip(udp.translated.dst.ip, udp.translated.src.ip).icmpError(3, 3, *arrived);
            const auto back = nat.pass(error.buildIp(), wayTo(udp.translated.dst.ip));
            if (!back) return trouble + "the ICMP error did not arrive; ";
            const auto told = packet::decode(packet::LinkType::rawIp, *back);
            if (told.quoted != udp.original) trouble += "the ICMP error is about " + told.quoted.toString() + "; ";
            if (told.tuple.dst.ip != ends.client) trouble += "the ICMP error went to " + told.tuple.dst.ip.toString() + "; ";
        }
    return trouble;
}

/// How evenly many connections are spread over four endpoints: Pearson's chi-square, three degrees of freedom.
std::string spread(Nat &nat, Mode mode, double &chiSquare) {
    const std::vector<std::string> four{"10.1.1.5", "10.1.1.6", "10.1.2.5", "10.1.2.6"};
    if (const auto failed = nat.setPlan(planOf(four, mode)); !failed.empty()) return failed;
    std::map<std::string, int> counts;
    constexpr int kConnections = 1200;
    for (int i = 0; i < kConnections; ++i) {
        const packet::Tuple tuple{Protocol::tcp, {ip("10.1.1.9"), static_cast<Port>(10'000 + i)}, {kClusterIp, 80}};
        const auto out = nat.pass(build(tuple, TcpFlags::syn, 1, 0, {}), Way::pods);
        if (!out) return "a connection did not arrive";
        ++counts[tupleOf(*out).dst.toString()];
    }
    if (counts.size() != four.size()) return fmt::format("{} endpoints were chosen", counts.size());
    const double expected = static_cast<double>(kConnections) / static_cast<double>(four.size());
    for (const auto &[endpoint, count] : counts) chiSquare += (count - expected) * (count - expected) / expected;
    // Beyond 27.9 with a probability of 4 in a million.
    return chiSquare < 27.9 ? "" : fmt::format("chi-square {}", chiSquare);
}

} // namespace

class TestConversations : public QObject {
    Q_OBJECT

    static void nats() {
        QTest::addColumn<int>("mode");
        QTest::addColumn<bool>("kernel");
        QTest::newRow("kernel, nftables") << static_cast<int>(Mode::nftables) << true;
        QTest::newRow("kernel, iptables") << static_cast<int>(Mode::iptables) << true;
        QTest::newRow("engine, nftables") << static_cast<int>(Mode::nftables) << false;
        QTest::newRow("engine, iptables") << static_cast<int>(Mode::iptables) << false;
    }

    /// The same script for all; in a namespace for the kernel.
    static void with(int mode, bool kernel, const std::function<std::string(Nat &, Mode)> &script) {
        if (!kernel) {
            EngineNat engine;
            const auto text = script(engine, static_cast<Mode>(mode));
            QVERIFY2(text.empty(), text.c_str());
            return;
        }
        const auto result = inNamespace([&]() -> std::string {
            KernelNat nat(static_cast<Mode>(mode));
            return nat.missing().empty() ? script(nat, static_cast<Mode>(mode)) : "skip: " + nat.missing();
        });
        if (!result.available) QSKIP("no unprivileged user namespaces");
        if (result.text.starts_with("skip: ")) QSKIP(result.text.c_str() + 6);
        QVERIFY2(result.text.empty(), result.text.c_str());
    }

private slots:
    void conversations_data() { nats(); }
    void conversations() {
        QFETCH(int, mode);
        QFETCH(bool, kernel);
        with(mode, kernel, [](Nat &nat, Mode given) {
            std::map<std::string, int> chosen;
            return talk(nat, given, chosen);
        });
    }

    void distribution_data() { nats(); }
    void distribution() {
        QFETCH(int, mode);
        QFETCH(bool, kernel);
        with(mode, kernel, [](Nat &nat, Mode given) {
            double chiSquare = 0;
            return spread(nat, given, chiSquare);
        });
    }
};

QTEST_GUILESS_MAIN(TestConversations)
#include "tst_conversations.moc"
