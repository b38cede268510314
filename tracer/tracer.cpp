#include "tracer/tracer.h"

#include "tracer/path_store.h"

namespace natlens::tracer {

class Tracer::Impl {
public:
    explicit Impl(Options options)
        : flows(legs)
        , store(legs, flows, points, translations, rules, options.keepLegs, std::move(options.parallel)) {}

    void tick(base::Timestamp time) {
        if (time > moment.now) moment.now = time;
    }
    void add(const Observation &seen) {
        auto &info = points.point(seen.point);
        if (!info.known) points.add(seen.point, fmt::format("point{}", seen.point.value), packet::LinkType::ethernet);
        ++info.status.packets;
        ++packets;
        if (first.nanoseconds == 0 || seen.time < first) first = seen.time;
        tick(seen.time);
        if (info.status.evidence) return;
        if (seen.isCut) ++info.status.cut;
        if (seen.isMalformed) ++undecodable;
        flows.add(seen);
    }
    void touch(const packet::Tuple &tuple) {
        for (LegIndex i = legs.newest(tuple); i != kNone; i = legs[i].older)
            legs.touch(i);
    }

    LegTable legs;
    FlowTable flows;
    CapturePoints points;
    TranslationLog translations;
    RuleTraceLog rules;
    PathStore store;
    Moment moment;
    std::uint64_t packets = 0, undecodable = 0;
    base::Timestamp first;
    bool changed = true;
};

/// The archive, kept alive with all that it is made from.
class Tracer::Ended final : public AllPaths {
public:
    explicit Ended(std::shared_ptr<const Impl> impl)
        : m_impl(std::move(impl)) {}
    const Summary &summary() const override { return m_impl->store.archive()->summary(); }
    void forEach(const std::function<std::string(const Path &)> &write,
                 const std::function<bool(std::string_view)> &out) const override {
        m_impl->store.archive()->forEach(write, out);
    }

private:
    std::shared_ptr<const Impl> m_impl;
};

Tracer::Tracer(Options options)
    : m_impl(std::make_shared<Impl>(std::move(options))) {}
Tracer::~Tracer() {
    m_impl->store.forgetPublished(); // a snapshot may hold what this holds
}

void Tracer::addCapturePoint(base::CapturePointId id, std::string_view name, packet::LinkType linkType) {
    m_impl->points.add(id, name, linkType);
    m_impl->changed = true;
}

void Tracer::addPacket(base::CapturePointId point, base::Timestamp time, base::PacketNumber number, Crossing crossing,
                       std::uint32_t originalLength, std::span<const std::byte> captured) {
    const auto linkType = m_impl->points.point(point).linkType; // Ethernet while nothing is known of it
    DetailsStore details;
    const Observation seen({linkType, point, time, number, crossing, originalLength, captured}, details);
    addPackets({&seen, 1});
}

void Tracer::addPackets(std::span<const Observation> packets) {
    auto &impl = *m_impl;
    impl.changed = impl.changed || !packets.empty();
    for (const Observation &seen : packets)
        impl.add(seen);
}

void Tracer::prepareRoom() {
    m_impl->legs.arena().prepare();
}

void Tracer::passOver(base::Timestamp time) {
    m_impl->tick(time);
    m_impl->changed = true;
}

void Tracer::addTranslation(const TranslationEvent &event) {
    auto &impl = *m_impl;
    impl.tick(event.time);
    impl.changed = true;
    if (!impl.translations.add(event)) return;
    impl.touch(event.original);
    impl.touch(event.reply);
}

void Tracer::addRuleTrace(const RuleTraceEvent &event) {
    auto &impl = *m_impl;
    impl.tick(event.time);
    impl.changed = true;
    const auto tuple = impl.rules.add(event);
    if (tuple.protocol != packet::Protocol::none) impl.touch(tuple);
}

void Tracer::addClusterState(base::Timestamp time, std::string_view json) {
    auto &impl = *m_impl;
    impl.tick(time);
    impl.changed = true;
    impl.store.addClusterState(time, json);
}

void Tracer::addNodeRules(std::string_view node, const proxycore::NodeRules &rules) {
    m_impl->changed = true;
    m_impl->store.addNodeRules(node, rules);
}

void Tracer::setHostClock(std::string_view host, HostClock clock) {
    auto &points = m_impl->points;
    points.host(points.hostIndex(host)).clock = std::make_shared<const HostClock>(std::move(clock));
    m_impl->changed = true;
}

void Tracer::addFacts(std::string_view host, base::Timestamp time, std::string_view json) {
    auto &impl = *m_impl;
    impl.tick(time);
    impl.changed = true;
    (void)impl.store.addFacts(host, time, json);
}

void Tracer::addDrops(base::CapturePointId point, base::Timestamp time, std::uint64_t total) {
    auto &impl = *m_impl;
    impl.tick(time);
    impl.changed = true;
    const std::uint64_t before = impl.points.point(point).status.dropped;
    impl.points.addDrops(point, time, total);
    if (total > before) impl.store.dropsChanged();
}

void Tracer::finish() {
    m_impl->moment.ended = true;
    m_impl->legs.rest();
    m_impl->changed = true;
}

std::shared_ptr<const Snapshot> Tracer::snapshot() {
    auto &impl = *m_impl;
    const auto &before = impl.store.published();
    if (!impl.changed && before) return before;
    impl.changed = false;
    Snapshot next;
    next.packets = impl.packets;
    next.undecodable = impl.undecodable;
    next.firstTime = impl.first;
    next.lastTime = impl.moment.now;
    next.ended = impl.moment.ended;
    return impl.store.publish(std::move(next), impl.moment, [this] { return std::make_shared<Ended>(m_impl); });
}

} // namespace natlens::tracer
