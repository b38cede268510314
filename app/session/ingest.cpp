#include "app/session/ingest.h"

#include "app/session/clock_note.h"
#include "app/session/clock_plan.h"
#include "app/session/evidence.h"
#include "capture/live/filter.h"

#include <fmt/format.h>

namespace natlens::session {

struct Ingest::Point {
    Kind kind = Kind::packets;
    packet::LinkType linkType = packet::LinkType::ethernet;
    std::string host;
    netlink::InterfaceNames interfaces; ///< for rule traces
    std::string name;                   ///< of the capture point
    std::uint64_t passedOver = 0;       ///< packets of a link type that is not decoded
    base::Timestamp toldTime;           ///< to which passOver() has told that the capture went on
    bool filtered = false;
    /// Of a filtered point; nothing where the expression cannot apply to the link type: then no packet matches it.
    std::optional<live::OfflineFilter> filter;
};

namespace {

/// Packets that a filter leaves out are told of this seldom.
constexpr std::chrono::milliseconds kTimeStep{100};

tracer::Crossing crossing(file::PacketDirection direction) {
    switch (direction) {
    case file::PacketDirection::inbound: return tracer::Crossing::inbound;
    case file::PacketDirection::outbound: return tracer::Crossing::outbound;
    case file::PacketDirection::unknown: break;
    }
    return tracer::Crossing::unknown;
}

} // namespace

Ingest::Ingest(TracerInput &input, Options options)
    : m_input(&input)
    , m_options(std::move(options)) {}
Ingest::~Ingest() = default;

void Ingest::onCapturePoint(base::CapturePointId id, const file::CapturePoint &point) {
    auto added = std::make_unique<Point>();
    const auto slash = point.name.find('/');
    added->name = point.name;
    added->linkType = point.linkType;
    added->host = point.name.substr(0, slash);
    const std::string_view interface =
        slash == std::string::npos ? std::string_view() : std::string_view(point.name).substr(slash + 1);
    if (point.linkType == packet::LinkType::netlink) {
        added->kind = interface == "nftrace" ? Kind::ruleTrace : Kind::conntrack;
        added->interfaces = netlink::parseInterfaceNames(point.description);
    } else if (point.linkType == packet::LinkType::user0) {
        added->kind = interface == "facts" ? Kind::facts : Kind::clusterState;
    } else if (!packet::isDecoded(point.linkType)) {
        added->kind = Kind::foreign;
    } else if (!m_options.filter.empty()) {
        added->filtered = true;
        if (auto filter = live::compileFilter(m_options.filter, point.linkType))
            added->filter.emplace(std::move(*filter));
    }
    if (m_points.size() <= id.value) m_points.resize(id.value + 1);
    m_points[id.value] = std::move(added);
    m_input->call([id, name = point.name, linkType = point.linkType](tracer::Tracer &tracer) {
        tracer.addCapturePoint(id, name, linkType);
    });
    // A recording that natlens made of several machines' captures says what it corrected.
    if (auto noted = readClockNote(point.description); noted.clock)
        m_input->call([host = hostOfPoint(point.name), clock = std::move(*noted.clock)](tracer::Tracer &tracer) {
            tracer.setHostClock(host, clock);
        });
}

void Ingest::onPacket(const file::PacketView &packet) {
    if (packet.point.value >= m_points.size() || !m_points[packet.point.value]) return;
    Point &point = *m_points[packet.point.value];
    if (point.kind == Kind::packets) [[likely]] {
        if (point.filtered && (!point.filter || !point.filter->matches(packet.data, packet.originalLength)))
            return passOver(point, packet);
        return m_input->addPacket({point.linkType, packet.point, packet.time, packet.number, crossing(packet.direction),
                                   packet.originalLength, packet.data});
    }
    switch (point.kind) {
    case Kind::packets: break;
    case Kind::foreign:
        ++point.passedOver;
        m_input->addPacket({point.linkType, packet.point, packet.time, packet.number, crossing(packet.direction),
                            packet.originalLength, packet.data});
        break;
    case Kind::conntrack:
        if (const auto event = translationEvent(packet, point.host))
            m_input->call([event = *event](tracer::Tracer &tracer) { tracer.addTranslation(event); });
        else
            ++m_unreadable;
        break;
    case Kind::ruleTrace:
        if (const auto event = ruleTraceEvent(packet, point.host, point.interfaces))
            m_input->call([event = *event](tracer::Tracer &tracer) { tracer.addRuleTrace(event); });
        else
            ++m_unreadable;
        break;
    case Kind::facts:
        m_input->call([host = point.host, time = packet.time,
                       json = std::string(reinterpret_cast<const char *>(packet.data.data()), packet.data.size())](
                          tracer::Tracer &tracer) { tracer.addFacts(host, time, json); });
        break;
    case Kind::clusterState:
        if (m_options.ownClusterState) return;
        m_input->call([time = packet.time,
                       json = std::string(reinterpret_cast<const char *>(packet.data.data()), packet.data.size())](
                          tracer::Tracer &tracer) { tracer.addClusterState(time, json); });
        break;
    }
}

/// How long a capture went on says what silence means, whatever was looked for in it.
void Ingest::passOver(Point &point, const file::PacketView &packet) {
    if (point.toldTime.nanoseconds != 0 && packet.time - point.toldTime < kTimeStep) return;
    point.toldTime = packet.time;
    m_input->call([time = packet.time](tracer::Tracer &tracer) { tracer.passOver(time); });
}

void Ingest::onStatistics(const file::PointStatistics &statistics) {
    m_input->call([statistics](tracer::Tracer &tracer) {
        tracer.addDrops(statistics.point, statistics.time, statistics.dropped);
    });
}

std::vector<std::string> Ingest::remarks() const {
    std::vector<std::string> remarks;
    for (const auto &point : m_points)
        if (point && point->passedOver != 0)
            remarks.push_back(fmt::format("{}: {} {} counted but not looked into: {} (LINKTYPE {})", point->name,
                                          point->passedOver, point->passedOver == 1 ? "packet is" : "packets are",
                                          packet::toString(point->linkType), static_cast<unsigned>(point->linkType)));
    return remarks;
}

base::Status checkFilter(const std::string &expression) {
    if (expression.empty()) return {};
    // What fits neither Ethernet nor bare IP fits nothing that natlens captures.
    auto compiled = live::compileFilter(expression, packet::LinkType::ethernet);
    if (compiled || live::compileFilter(expression, packet::LinkType::rawIp)) return {};
    base::Error error = std::move(compiled).error();
    return base::fail(base::ErrorCode::invalidInput, error.message, "--filter", expression);
}

} // namespace natlens::session
