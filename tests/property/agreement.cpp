#include "property/agreement.h"

#include <algorithm>
#include <random>

namespace natlens::test {

ProxyPlan planFor(const RandomCase &made, Mode mode, IpFamily family, const ProxyPlan *previous) {
    const PlanTarget target{.nodeName = "n1", .localAddresses = ownAddresses(), .mode = mode, .family = family};
    return makePlan(made.state, made.config, target, previous);
}

std::string objection(const Decision &decision, const FlowQuery &flow, const Fate &fate) {
    const auto &world = World::of(flow.destination.ip.family);
    const auto claim = [&](const std::string &expected) { return "decided: " + expected + "; seen: " + fate.toString(); };
    switch (decision.verdict) {
    case Verdict::dropped: return fate.kind == Fate::Kind::dropped ? "" : claim("dropped");
    case Verdict::rejected: return fate.kind == Fate::Kind::rejected ? "" : claim("rejected");
    case Verdict::notAService: {
        if (world.isOwn(flow.destination.ip))
            return fate.kind != Fate::Kind::forwarded ? "" : claim("for the node itself");
        const packet::Tuple sent{flow.protocol, flow.source, flow.destination};
        return fate.kind == Fate::Kind::forwarded && fate.tuple == sent ? "" : claim("not touched");
    }
    case Verdict::forwarded: break;
    }
    if (fate.kind != Fate::Kind::forwarded) return claim("forwarded");
    const auto chosen = std::ranges::find(decision.endpoints, fate.tuple.dst, &DecidedEndpoint::address);
    if (chosen == decision.endpoints.end()) return claim("to one of the endpoints");
    const auto source = chosen->masquerade ? world.sourceTowards(chosen->address.ip) : flow.source.ip;
    if (fate.tuple.src.ip != source) return claim("source " + source.toString());
    if (!chosen->masquerade && fate.tuple.src.port != flow.source.port) return claim("source port kept");
    return "";
}

std::string engineObjection(const Decision &decision, const FlowQuery &flow, const Fate &fate) {
    if (decision.verdict != Verdict::notAService) return objection(decision, flow, fate);
    const packet::Tuple sent{flow.protocol, flow.source, flow.destination};
    const bool untouched = fate.kind == Fate::Kind::forwarded && fate.tuple == sent;
    return untouched ? "" : "decided: not touched; seen: " + fate.toString();
}

class EngineJudge::Impl final : public NodeRouting, public RandomSource {
public:
    explicit Impl(std::uint32_t seed) : m_random(seed) {}

    PacketEngine &engine(IpFamily family) { return family == IpFamily::v6 ? m_six : m_four; }

    Fate send(const RandomPacket &packet) {
        auto bytes = packetBytes(packet, 1);
        m_now.nanoseconds += 1'000'000;
        auto &engine = this->engine(packet.family());
        const auto action = engine.process(bytes, {packet.flow.inputInterface, packet.flow.locallyGenerated}, m_now);
        if (action == PacketAction::forward)
            return {Fate::Kind::forwarded, packet::decode(packet::LinkType::rawIp, bytes).tuple};
        if (action != PacketAction::reject || engine.generated().size() != 1) return {};
        const auto error = packet::decode(packet::LinkType::rawIp, engine.generated().front());
        const packet::Tuple sent{packet.flow.protocol, packet.flow.source, packet.flow.destination};
        const bool right = isRefusal(error, sent) && error.tuple.dst.ip == sent.src.ip;
        return {right ? Fate::Kind::rejected : Fate::Kind::answered, {}};
    }

private:
    NodeRoute route(const IpAddress &destination) const override {
        const auto &world = World::of(destination.family);
        const bool local = world.isOwn(destination);
        return {true, local, local ? destination : world.sourceTowards(destination)};
    }
    std::uint32_t below(std::uint32_t bound) override { return static_cast<std::uint32_t>(m_random() % bound); }

    std::mt19937 m_random;
    base::Timestamp m_now{1'700'000'000'000'000'000};
    PacketEngine m_four{*this, *this}, m_six{*this, *this};
};

EngineJudge::EngineJudge(std::uint32_t seed) : m_impl(std::make_unique<Impl>(seed)) {}
EngineJudge::~EngineJudge() = default;
void EngineJudge::setPlan(const ProxyPlan &plan) { m_impl->engine(plan.family).setPlan(plan); }
Fate EngineJudge::send(const RandomPacket &packet) { return m_impl->send(packet); }

} // namespace natlens::test
