#include "app/session/anonymizer.h"

#include "app/session/clock_plan.h"
#include "capture/netlink/conntrack_message.h"
#include "capture/netlink/message.h"

#include <algorithm>
#include <fmt/format.h>

namespace natlens::session {

using packet::LinkType;

namespace {

constexpr std::string_view kConntrack = "conntrack", kRuleTrace = "nftrace";

/// "eth0", "cbr0", "any": letters, then at most three digits.
bool isUsual(std::string_view interface) {
    if (interface == kConntrack) return true;
    const auto digits = interface.find_first_of("0123456789");
    const std::string_view word = interface.substr(0, digits),
                           number = digits == interface.npos ? "" : interface.substr(digits);
    const auto isLetter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
    const auto isDigit = [](char c) { return c >= '0' && c <= '9'; };
    return !word.empty() && word.size() <= 8 && number.size() <= 3 && std::ranges::all_of(word, isLetter) &&
           std::ranges::all_of(number, isDigit);
}

unsigned numberOf(std::map<std::string, unsigned> &known, const std::string &name) {
    return known.try_emplace(name, static_cast<unsigned>(known.size()) + 1).first->second;
}

} // namespace

std::string Anonymizer::nameFor(const std::string &name) {
    const auto slash = name.find('/');
    std::string result = fmt::format("host{}", numberOf(m_hosts, hostOfPoint(name)));
    if (slash == name.npos) return result;
    const std::string interface = name.substr(slash + 1);
    return result + "/" + (isUsual(interface) ? interface : fmt::format("if{}", numberOf(m_interfaces, interface)));
}

void Anonymizer::onCapturePoint(base::CapturePointId id, const file::CapturePoint &point) {
    if (m_points.size() <= id.value) m_points.resize(id.value + 1);
    const bool isRuleTrace = point.linkType == LinkType::netlink && point.name.ends_with(kRuleTrace);
    if (point.linkType == LinkType::user0 || isRuleTrace) return;
    m_points[id.value] = {base::CapturePointId{m_nextId++}, point.linkType};
    file::CapturePoint shown = point;
    shown.name = nameFor(point.name);
    shown.description.clear();
    if (shown.mac) shown.mac = std::as_const(m_packets.addresses())(*shown.mac);
    m_next.onCapturePoint(*m_points[id.value].id, shown);
}

packet::Tuple Anonymizer::mapped(const packet::Tuple &tuple) {
    packet::Tuple result = tuple;
    result.src.ip = m_packets.addresses()(tuple.src.ip);
    result.dst.ip = m_packets.addresses()(tuple.dst.ip);
    return result;
}

std::span<const std::byte> Anonymizer::evidence(const file::PacketView &packet) {
    const auto unwrapped = netlink::unwrap(packet.data);
    auto message = unwrapped ? netlink::decodeConntrack(unwrapped->message) : std::nullopt;
    if (!message) return {};
    message->original = mapped(message->original);
    message->reply = mapped(message->reply);
    m_evidence = netlink::wrap(netlink::Family::netfilter, netlink::encodeConntrack(*message));
    return m_evidence;
}

void Anonymizer::onPacket(const file::PacketView &packet) {
    if (packet.point.value >= m_points.size() || !m_points[packet.point.value].id) return;
    const Point &point = m_points[packet.point.value];
    file::PacketView shown = packet;
    shown.point = *point.id;
    shown.comment = {};
    if (point.linkType == LinkType::netlink) {
        shown.data = evidence(packet);
        if (shown.data.empty()) return;
        shown.originalLength = static_cast<std::uint32_t>(shown.data.size());
    } else {
        shown.data = m_packets(point.linkType, packet.data);
    }
    m_next.onPacket(shown);
}

void Anonymizer::onStatistics(const file::PointStatistics &statistics) {
    if (statistics.point.value >= m_points.size() || !m_points[statistics.point.value].id) return;
    file::PointStatistics shown = statistics;
    shown.point = *m_points[statistics.point.value].id;
    m_next.onStatistics(shown);
}

} // namespace natlens::session
