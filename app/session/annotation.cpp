#include "app/session/annotation.h"

#include "app/session/clock_plan.h"
#include "capture/base/hash.h"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <mutex>
#include <tuple>

namespace natlens::session {

using packet::SocketAddress;
using packet::Tuple;
using tracer::Direction;

namespace {

/// Packets a little before the first that a path counts still belong to it.
constexpr std::chrono::milliseconds kSlack{50};

/// "12" of "p12".
std::string_view numberOf(const tracer::Path &path) {
    return std::string_view(path.id).substr(path.id.starts_with('p') ? 1 : 0);
}

std::string change(const SocketAddress &before, const SocketAddress &after, bool withPorts) {
    if (withPorts || before.ip == after.ip) return fmt::format("{} -> {}", before.toString(), after.toString());
    return fmt::format("{} -> {}", before.ip.toString(), after.ip.toString());
}

bool hasEnds(const tracer::Hop &hop) {
    return hop.in && hop.out;
}

} // namespace

std::string hopInWords(const tracer::Path &path, const tracer::Hop &hop) {
    if (hasEnds(hop) && hop.in->src != hop.out->src && hop.direction == Direction::request) {
        std::string text = "SNAT " + change(hop.in->src, hop.out->src, false);
        if (hop.in->dst != hop.out->dst) text += ", DNAT " + change(hop.in->dst, hop.out->dst, true);
        return text;
    }
    if (hasEnds(hop) && hop.in->dst != hop.out->dst && hop.direction == Direction::request)
        return "DNAT " + change(hop.in->dst, hop.out->dst, true);
    if (hasEnds(hop) && (hop.in->src != hop.out->src || hop.in->dst != hop.out->dst)) {
        // Replies are translated back: what the client sees as the source is what it asked.
        std::string text = "translated back:";
        if (hop.in->src != hop.out->src) text += " source " + change(hop.in->src, hop.out->src, true);
        if (hop.in->dst != hop.out->dst)
            text += fmt::format("{} destination {}", hop.in->src != hop.out->src ? "," : "",
                                change(hop.in->dst, hop.out->dst, true));
        return text;
    }
    if (hasEnds(hop)) return hop.host + " forwards";
    if (!hop.in) return hop.host + " sends";
    if (hop.direction == path.dropDirection && path.droppedAt == hop.host) return "dropped at " + hop.host;
    return hop.host + " receives";
}

Annotations::Annotations(const tracer::Snapshot &snapshot) {
    if (snapshot.all) {
        std::mutex mutex; // paths come from several threads
        snapshot.all->forEach(
            [&](const tracer::Path &path) {
                const std::lock_guard lock(mutex);
                add(path);
                return std::string();
            },
            [](std::string_view) { return true; });
    } else {
        for (const auto &path : snapshot.paths)
            add(*path);
    }
    for (auto &[key, places] : m_places)
        std::ranges::sort(places, [&](const Place &a, const Place &b) {
            return std::tie(a.first, m_texts[a.text]) < std::tie(b.first, m_texts[b.text]);
        });
}

void Annotations::add(const tracer::Path &path) {
    const auto totalOf = [&](Direction direction) {
        return std::ranges::count(path.hops, direction, &tracer::Hop::direction);
    };
    std::array<std::ptrdiff_t, 2> position{};
    for (const tracer::Hop &hop : path.hops) {
        const std::ptrdiff_t number = ++position[hop.direction == Direction::reply ? 1 : 0];
        if (hop.inferred) continue;
        const Place place{path.firstSeen, path.lastSeen, static_cast<std::uint32_t>(m_texts.size())};
        m_texts.push_back(fmt::format("path {}, {}hop {} of {}: {}", numberOf(path),
                                      hop.direction == Direction::reply ? "reply " : "", number, totalOf(hop.direction),
                                      hopInWords(path, hop)));
        std::uint64_t last = 0;
        for (const auto *end : {&hop.in, &hop.out}) {
            if (!*end) continue;
            const std::uint64_t key = keyOf(hop.host, {path.protocol, (*end)->src, (*end)->dst});
            if (key != last) m_places[key].push_back(place);
            last = key;
        }
    }
    for (const tracer::Finding &finding : path.findings) {
        for (const base::PacketNumber number : finding.packets) {
            std::string &codes = m_findings[number.value];
            if (codes.find(finding.code) == codes.npos) codes += (codes.empty() ? "" : ", ") + finding.code;
        }
    }
}

void Annotations::addPoint(base::CapturePointId id, const file::CapturePoint &point) {
    if (m_points.size() <= id.value) m_points.resize(id.value + 1);
    const bool packets = point.linkType != packet::LinkType::netlink && point.linkType != packet::LinkType::user0;
    m_points[id.value] = {hostOfPoint(point.name), point.linkType, packets};
}

std::uint64_t Annotations::keyOf(std::string_view host, const Tuple &tuple) {
    return base::mix(base::hashBytes(std::as_bytes(std::span(host))), packet::hashValue(tuple));
}

const Annotations::Place *Annotations::find(const std::string &host, const Tuple &tuple, base::Timestamp time) const {
    const auto found = m_places.find(keyOf(host, tuple));
    if (found == m_places.end()) return nullptr;
    // Of several connections with these addresses, the last that had begun.
    const auto &places = found->second;
    auto after = std::ranges::upper_bound(places, time + kSlack, {}, &Place::first);
    if (after == places.begin()) return nullptr;
    const Place &best = *std::prev(after);
    return time <= best.last + kSlack ? &best : nullptr;
}

std::string_view Annotations::of(const file::PacketView &packet) {
    if (packet.point.value >= m_points.size() || !m_points[packet.point.value].packets) return {};
    const Point &point = m_points[packet.point.value];
    const auto decoded = packet::decode(point.linkType, packet.data, packet.originalLength);
    if (decoded.family == packet::IpFamily::none) return {};
    if (decoded.hasQuoted) {
        const Place *place = find(point.host, decoded.quoted, packet.time);
        if (!place) place = find(point.host, decoded.quoted.reversed(), packet.time);
        if (!place) return {};
        const std::string_view text = m_texts[place->text];
        m_text = fmt::format("{}: ICMP error about this connection, at {}", text.substr(0, text.find(',')), point.host);
    } else {
        const Place *place = find(point.host, decoded.tuple, packet.time);
        if (!place) return {};
        m_text = m_texts[place->text];
    }
    if (const auto finding = m_findings.find(packet.number.value); finding != m_findings.end())
        m_text += fmt::format("; finding {}", finding->second);
    return m_text;
}

bool Annotations::isOne(std::string_view comment) {
    constexpr std::string_view kWord = "path ";
    if (!comment.starts_with(kWord)) return false;
    const auto end = comment.find_first_not_of("0123456789", kWord.size());
    if (end == comment.npos || end == kWord.size()) return false;
    const std::string_view rest = comment.substr(end);
    return rest.starts_with(", hop ") || rest.starts_with(", reply hop ") ||
           rest.starts_with(": ICMP error about this connection");
}

} // namespace natlens::session
