// Decision core, user-space engine and the kernel with kube-proxy's rules agree, on random clusters and packets.
#ifndef Q_MOC_RUN // moc of Qt 6.4 stumbles over <concepts>
#include "../proxycore/kernel/namespace_child.h"
#include "property/kernel_judge.h"
#include "proxycore/engine/packet_engine.h"
#include "proxycore/kernel/iptables_applier.h"
#include "proxycore/kernel/nftables.h"
#include "proxycore/model/kubernetes_json.h"

#include <cstdlib>
#include <fmt/format.h>
#include <fstream>
#include <functional>
#include <set>
#endif

#include <QtTest>

using namespace natlens;
using namespace natlens::test;

namespace {

constexpr std::size_t kPacketsEach = 12;

std::uint32_t setting(const char *name, std::uint32_t fallback) {
    const char *text = std::getenv(name);
    return text == nullptr ? fallback : static_cast<std::uint32_t>(std::strtoul(text, nullptr, 10));
}

const std::vector<IpAddress> kOwn{IpAddress::v4(10, 1, 1, 1), IpAddress::v4(192, 168, 0, 2), IpAddress::v4(192, 168, 99, 11)};

IpAddress sourceTowards(const IpAddress &destination) {
    return IpPrefix::parse("10.1.1.0/24")->contains(destination) ? kOwn[0] : kOwn[1];
}

ProxyPlan planFor(const RandomCase &made, Mode mode, const ProxyPlan *previous = nullptr) {
    return makePlan(made.state, made.config,
                    {.nodeName = "n1", .localAddresses = kOwn, .mode = mode, .family = IpFamily::v4}, previous);
}

/// "" when what happened is what was decided.
std::string objection(const Decision &decision, const FlowQuery &flow, const Fate &fate) {
    const auto claim = [&](const std::string &expected) { return "decided: " + expected + "; seen: " + fate.toString(); };
    switch (decision.verdict) {
    case Verdict::dropped: return fate.kind == Fate::Kind::dropped ? "" : claim("dropped");
    case Verdict::rejected: return fate.kind == Fate::Kind::rejected ? "" : claim("rejected");
    case Verdict::notAService: {
        const bool own = std::find(kOwn.begin(), kOwn.end(), flow.destination.ip) != kOwn.end();
        if (own) return fate.kind != Fate::Kind::forwarded ? "" : claim("for the node itself");
        const packet::Tuple sent{flow.protocol, flow.source, flow.destination};
        return fate.kind == Fate::Kind::forwarded && fate.tuple == sent ? "" : claim("not touched");
    }
    case Verdict::forwarded: break;
    }
    if (fate.kind != Fate::Kind::forwarded) return claim("forwarded");
    for (const auto &endpoint : decision.endpoints) {
        if (endpoint.address != fate.tuple.dst) continue;
        const auto source = endpoint.masquerade ? sourceTowards(endpoint.address.ip) : flow.source.ip;
        if (fate.tuple.src.ip != source) return claim("source " + source.toString());
        if (!endpoint.masquerade && fate.tuple.src.port != flow.source.port) return claim("source port kept");
        return "";
    }
    return claim("to one of the endpoints");
}

class Routing final : public NodeRouting {
public:
    NodeRoute route(const IpAddress &destination) const override {
        const bool local = destination.isLoopback() || std::find(kOwn.begin(), kOwn.end(), destination) != kOwn.end();
        return {true, local, local ? destination : sourceTowards(destination)};
    }
};

class Dice final : public RandomSource {
public:
    explicit Dice(std::uint32_t seed) : m_random(seed) {}
    std::uint32_t below(std::uint32_t bound) override { return static_cast<std::uint32_t>(m_random() % bound); }

private:
    std::mt19937 m_random;
};

/// The engine's word on the same bytes.
class EngineJudge final {
public:
    explicit EngineJudge(std::uint32_t seed) : m_dice(seed), m_engine(m_routing, m_dice) {}
    void setPlan(const ProxyPlan &plan) { m_engine.setPlan(plan); }
    Fate send(const RandomPacket &packet) {
        auto bytes = packetBytes(packet, 1);
        m_now.nanoseconds += 1'000'000;
        const auto action =
            m_engine.process(bytes, {packet.flow.inputInterface, packet.flow.locallyGenerated}, m_now);
        const auto after = packet::decode(packet::LinkType::rawIp, bytes);
        if (action == PacketAction::forward) return {Fate::Kind::forwarded, after.tuple};
        if (action != PacketAction::reject || m_engine.generated().size() != 1) return {Fate::Kind::dropped, {}};
        const auto error = packet::decode(packet::LinkType::rawIp, m_engine.generated().front());
        const packet::Tuple sent{packet.flow.protocol, packet.flow.source, packet.flow.destination};
        const bool right = error.hasQuoted && error.quoted == sent && error.tuple.dst.ip == sent.src.ip &&
                           error.icmpType == 3 && error.icmpCode == 3;
        return {right ? Fate::Kind::rejected : Fate::Kind::answered, {}};
    }

private:
    Routing m_routing;
    Dice m_dice;
    base::Timestamp m_now{1'700'000'000'000'000'000};
    PacketEngine m_engine;
};

std::string engineObjection(const Decision &decision, const FlowQuery &flow, const Fate &fate) {
    const packet::Tuple sent{flow.protocol, flow.source, flow.destination};
    if (decision.verdict == Verdict::notAService) // the engine leaves what is for the node to the node
        return fate.kind == Fate::Kind::forwarded && fate.tuple == sent ? "" : "decided: not touched; seen: " + fate.toString();
    return objection(decision, flow, fate);
}

/// Takes away what the disagreement does not need, then writes it down for `natlens explain`.
using Disagrees = std::function<std::string(const RandomCase &, const RandomPacket &)>;

std::string report(RandomCase made, const RandomPacket &packet, Mode mode, const std::string &who, std::uint32_t seed,
                   const Disagrees &disagrees) {
    for (bool smaller = true; smaller;) {
        smaller = false;
        const auto tryWithout = [&](RandomCase candidate) {
            if (disagrees(candidate, packet).empty()) return;
            made = std::move(candidate);
            smaller = true;
        };
        for (const auto &[name, unused] : RandomCase(made).state.services) {
            auto candidate = made;
            candidate.state.services.erase(name);
            tryWithout(std::move(candidate));
        }
        for (const auto &[name, slice] : RandomCase(made).state.endpointSlices) {
            auto candidate = made;
            candidate.state.endpointSlices.erase(name);
            tryWithout(std::move(candidate));
            for (std::size_t i = 0; i < slice->endpoints.size(); ++i) {
                candidate = made;
                auto shorter = *slice;
                shorter.endpoints.erase(shorter.endpoints.begin() + static_cast<std::ptrdiff_t>(i));
                if (candidate.state.endpointSlices.contains(name)) candidate.state.put(shorter);
                tryWithout(std::move(candidate));
            }
        }
        if (smaller) continue;
    }
    const auto folder = std::string(std::getenv("NATLENS_REPORT_DIR") ? std::getenv("NATLENS_REPORT_DIR") : "/tmp");
    const auto stem = fmt::format("{}/natlens-disagreement-{}-{}", folder, toString(mode), seed);
    const auto &config = made.config;
    std::string addresses;
    for (const auto &entry : config.nodePortAddresses) addresses += (addresses.empty() ? "\"" : ",\"") + entry + "\"";
    const auto section = fmt::format("{{\"masqueradeAll\":{},\"masqueradeBit\":{},\"localhostNodePorts\":{}}}",
                                     config.masqueradeAll, config.masqueradeBit, config.localhostNodePorts);
    std::ofstream(stem + "-proxy-config.json") << fmt::format(
        "{{\"kind\":\"KubeProxyConfiguration\",\"mode\":\"{}\",\"clusterCIDR\":\"{}\",\"detectLocalMode\":\"{}\","
        "\"detectLocal\":{{\"bridgeInterface\":\"{}\",\"interfaceNamePrefix\":\"{}\"}},\"nodePortAddresses\":[{}],"
        "\"iptables\":{},\"nftables\":{}}}\n",
        toString(mode), config.clusterCIDRs.empty() ? "" : config.clusterCIDRs.front().toString(),
        toString(config.detectLocalMode), config.bridgeInterface, config.interfaceNamePrefix, addresses, section, section);
    std::ofstream(stem + "-cluster.json") << toJson(made.state) << "\n";
    return fmt::format(
        "{} (seed {}): {}\n  natlens explain --cluster {}-cluster.json --proxy-config {}-proxy-config.json --node n1 "
        "--node-address 192.168.99.11 --node-address 10.1.1.1 --protocol {} --from {} --to {} --input-interface '{}'\n",
        who, seed, disagrees(made, packet), stem, stem, packet.flow.protocol == Protocol::tcp   ? "tcp"
                                                        : packet.flow.protocol == Protocol::udp ? "udp"
                                                                                                : "sctp",
        packet.flow.source.toString(), packet.flow.destination.toString(), packet.flow.inputInterface);
}

/// A way to make the kernel of this namespace carry a plan out.
class Rules {
public:
    virtual ~Rules() = default;
    virtual std::string apply(const ProxyPlan &plan) = 0;
};

class NftablesRules final : public Rules {
public:
    std::string apply(const ProxyPlan &plan) override {
        const auto status = m_applier.apply(plan);
        return status ? "" : status.error().sentence();
    }

private:
    NftablesApplier m_applier;
};

class IptablesRules final : public Rules {
public:
    std::string apply(const ProxyPlan &plan) override {
        const auto status = m_applier.apply(plan);
        return status ? "" : status.error().sentence();
    }

private:
    IptablesApplier m_applier = IptablesApplier::open(IptablesBackend::nft).value();
};

/// Source ports never come twice, so that every packet begins a connection.
void number(RandomPacket &packet, std::uint32_t &counter) {
    packet.flow.source.port = static_cast<Port>(1024 + counter++ % 60000);
}

std::string judgeKernel(Mode mode, std::uint32_t seed, std::uint32_t count) {
    KernelJudge kernel;
    if (!kernel.missing().empty()) return "skip: " + kernel.missing();
    std::unique_ptr<Rules> rules;
    if (mode == Mode::nftables)
        rules = std::make_unique<NftablesRules>();
    else
        rules = std::make_unique<IptablesRules>();
    RandomCluster random(seed);
    std::optional<ProxyPlan> plan;
    std::uint32_t counter = seed;
    for (std::uint32_t i = 0; i < count; ++i) {
        const auto made = random.next();
        plan = planFor(made, mode, plan ? &*plan : nullptr);
        if (const auto failed = rules->apply(*plan); !failed.empty()) return fmt::format("case {}: {}", i, failed);
        const FrontEndIndex index(*plan);
        for (auto packet : random.packets(made, kPacketsEach)) {
            number(packet, counter);
            if (objection(decide(index, packet.flow), packet.flow, kernel.send(packet)).empty()) continue;
            const auto disagrees = [&](const RandomCase &candidate, const RandomPacket &again) -> std::string {
                auto fresh = again;
                number(fresh, counter);
                const auto smaller = planFor(candidate, mode);
                if (const auto failed = rules->apply(smaller); !failed.empty()) return failed;
                return objection(decide(smaller, fresh.flow), fresh.flow, kernel.send(fresh));
            };
            if (disagrees(made, packet).empty()) continue; // a packet was lost: look once more before complaining
            return report(made, packet, mode, fmt::format("kernel ({}), case {}", toString(mode), i), seed, disagrees);
        }
    }
    return {};
}

} // namespace

class TestAgreement : public QObject {
    Q_OBJECT

    static void modes() {
        QTest::addColumn<int>("mode");
        QTest::newRow("nftables") << static_cast<int>(Mode::nftables);
        QTest::newRow("iptables") << static_cast<int>(Mode::iptables);
    }

private slots:
    /// The engine does to bytes what the decision core says in words.
    void engine_data() { modes(); }
    void engine() {
        QFETCH(int, mode);
        const auto seed = setting("NATLENS_SEED", 20261124), count = setting("NATLENS_COUNT", 400);
        RandomCluster random(seed);
        std::uint32_t counter = seed;
        for (std::uint32_t i = 0; i < count; ++i) {
            const auto made = random.next();
            const auto plan = planFor(made, static_cast<Mode>(mode));
            const FrontEndIndex index(plan);
            EngineJudge judge(seed + i);
            judge.setPlan(plan);
            for (auto packet : random.packets(made, kPacketsEach)) {
                number(packet, counter);
                const auto text = engineObjection(decide(index, packet.flow), packet.flow, judge.send(packet));
                if (text.empty()) continue;
                const auto disagrees = [&](const RandomCase &candidate, const RandomPacket &again) {
                    const auto smaller = planFor(candidate, static_cast<Mode>(mode));
                    EngineJudge fresh(seed);
                    fresh.setPlan(smaller);
                    return engineObjection(decide(smaller, again.flow), again.flow, fresh.send(again));
                };
                QFAIL(report(made, packet, static_cast<Mode>(mode), fmt::format("engine, case {}", i), seed, disagrees)
                          .c_str());
            }
        }
    }

    /// The kernel with our rules does what the decision core says.
    void kernel_data() { modes(); }
    void kernel() {
        QFETCH(int, mode);
        const auto seed = setting("NATLENS_SEED", 20261124), count = setting("NATLENS_COUNT", 60);
        const auto result =
            inNamespace([&] { return judgeKernel(static_cast<Mode>(mode), seed, count); });
        if (!result.available) QSKIP("no unprivileged user namespaces");
        if (result.text.starts_with("skip: ")) QSKIP(result.text.c_str() + 6);
        QVERIFY2(result.text.empty(), result.text.c_str());
    }
};

QTEST_GUILESS_MAIN(TestAgreement)
#include "tst_agreement.moc"
