#include "tracer/stitch/proxy_judge.h"

#include "capture/base/hash.h"
#include "tracer/path/conventions.h"

#include <algorithm>

namespace natlens::tracer {

using packet::Protocol;
using Likeness = StreamOpening::Likeness;

namespace {

/// By so much the clocks of two hosts may be wrong after their alignment.
constexpr std::chrono::nanoseconds kClockError = std::chrono::milliseconds(1);

bool began(const Leg &leg) {
    return leg.isTcp() && leg.initiator >= 0;
}

/// The side of a leg that its client or its server is.
int sideOfEnd(const Leg &leg, int end) {
    return end == 0 ? leg.initiator : 1 - leg.initiator;
}

std::uint32_t place(std::uint64_t kind, std::uint64_t value) {
    return static_cast<std::uint32_t>(base::mix(0x706c6163 + kind, value) >> 32);
}

std::uint64_t hashText(std::string_view text, std::uint64_t seed) {
    return base::hashBytes(std::as_bytes(std::span(text)), seed);
}

/// Sums of bytes that one capture or the other may have lost a little of.
bool aboutEqual(std::uint64_t a, std::uint64_t b) {
    return std::max(a, b) - std::min(a, b) <= std::max(a, b) / 10 + 1500;
}

/// Fields of a client's request that its proxy sent on as they were, and those that it did not.
std::pair<unsigned, unsigned> compareFields(const std::vector<std::uint32_t> &before,
                                            const std::vector<std::uint32_t> &after) {
    unsigned common = 0, changed = 0;
    for (const std::uint32_t field : before) {
        const auto sameName = [&](std::uint32_t other) { return other >> 16 == field >> 16; };
        if (std::ranges::binary_search(after, field))
            ++common;
        else
            changed += std::ranges::any_of(after, sameName);
    }
    return {common, changed};
}

} // namespace

const HttpFirstLines *ProxyJudge::http(const Leg &leg, int side) const {
    const HttpFirstLines *best = nullptr;
    for (const FlowIndex i : m_flows->of(leg)) {
        const Flow &flow = (*m_flows)[i];
        if (flow.side != side) continue;
        const HttpFirstLines *lines = m_flows->http(flow);
        if (lines && (!best || lines->fields.size() > best->fields.size() || (best->body == 0 && lines->body != 0)))
            best = lines;
    }
    return best;
}

std::uint64_t ProxyJudge::bytes(const Leg &leg, int side) const {
    std::uint64_t most = 0;
    for (const FlowIndex i : m_flows->of(leg))
        if ((*m_flows)[i].side == side) most = std::max(most, (*m_flows)[i].payloadBytes());
    const StreamOpening *opening = m_legs->opening(leg, side);
    return most - std::min<std::uint64_t>(most, opening ? opening->header : 0);
}

ProxyJudge::Source ProxyJudge::sourceOf(const Leg &leg, int side) const {
    Source source;
    for (const FlowIndex i : m_flows->of(leg)) {
        const Flow &flow = (*m_flows)[i];
        if (flow.side != side || flow.kind != Flow::Kind::packets) continue;
        const std::uint32_t packets = m_flows->packets(flow);
        for (const Pass *pass = &flow.pass; pass; pass = m_flows->next(*pass)) {
            if (pass->isStray(packets) || pass->ttl < source.ttl) continue;
            if (pass->ttl > source.ttl) source = {.ttl = pass->ttl, .points = {}, .facing = true};
            if (pass->facing == Facing::in) continue;
            source.facing = source.facing && pass->facing == Facing::out;
            source.points.push_back(flow.point);
        }
    }
    return source;
}

ProxyJudge::Places ProxyJudge::placesOf(LegIndex index, int end) const {
    const Leg &leg = (*m_legs)[index];
    Places places;
    if (!began(leg) || !m_legs->opening(leg, 0) || !m_legs->opening(leg, 1)) return places;
    const Source source = sourceOf(leg, sideOfEnd(leg, end));
    if (!isInitialTtl(source.ttl)) return places;
    const auto add = [&](std::uint32_t token) {
        if (std::ranges::find(places, token) == places.end()) places.push_back(token);
    };
    add(place(0, packet::hashValue((end == 0 ? m_legs->request(leg).src : m_legs->request(leg).dst).ip)));
    for (const auto point : source.points)
        add(place(1, hostOf(point)));
    return places;
}

std::uint32_t ProxyJudge::contentKey(LegIndex index) const {
    const Leg &leg = (*m_legs)[index];
    if (const HttpFirstLines *lines = http(leg, leg.initiator); lines && !lines->method.empty())
        return static_cast<std::uint32_t>(hashText(lines->target, hashText(lines->method, 1)) >> 32);
    const StreamOpening *opening = m_legs->opening(leg, leg.initiator);
    return opening ? opening->begin : 0;
}

base::Timestamp ProxyJudge::asked(LegIndex index) const {
    const Leg &leg = (*m_legs)[index];
    const StreamOpening *opening = m_legs->opening(leg, leg.initiator);
    return opening ? opening->time() : base::Timestamp();
}

bool ProxyJudge::nested(const Leg &before, const Leg &after, std::chrono::nanoseconds clockError) const {
    if (after.first + clockError < before.first || after.first > m_flows->last(before)) return false;
    const StreamOpening *request = m_legs->opening(before, before.initiator),
                        *passedOn = m_legs->opening(after, after.initiator),
                        *answer = m_legs->opening(after, 1 - after.initiator),
                        *passedBack = m_legs->opening(before, 1 - before.initiator);
    if (!request || !passedOn || !answer || !passedBack) return false;
    return passedOn->time() + clockError >= request->time() && passedBack->time() + clockError >= answer->time();
}

/// By the clock of one host.
bool ProxyJudge::opensFirst(const Leg &before, const Leg &after, HostIndex host) const {
    const auto first = [&](const Leg &leg) {
        base::Timestamp time;
        for (const FlowIndex i : m_flows->of(leg))
            if (const Flow &flow = (*m_flows)[i]; hostOf(flow.point) == host && flow.side == leg.initiator)
                if (time.nanoseconds == 0 || m_flows->first(flow) < time) time = m_flows->first(flow);
        return time;
    };
    return first(before) <= first(after);
}

bool ProxyJudge::meet(const Leg &before, const Leg &after, std::string &host) const {
    const Source end = sourceOf(before, 1 - before.initiator), begin = sourceOf(after, after.initiator);
    if (!isInitialTtl(end.ttl) || !isInitialTtl(begin.ttl)) return false;
    const bool oneAddress = m_legs->request(before).dst.ip == m_legs->request(after).src.ip;
    for (const auto a : end.points) {
        for (const auto b : begin.points) {
            if (hostOf(a) != hostOf(b)) continue;
            // At one interface whose captures do not know what went out, both may have been made by others.
            if (!oneAddress && !(end.facing && begin.facing) &&
                (a == b || m_legs->request(before).src.ip == m_legs->request(after).src.ip))
                continue;
            host = m_points->host(hostOf(a)).name;
            return opensFirst(before, after, hostOf(a));
        }
    }
    return oneAddress;
}

bool ProxyJudge::sameBytes(const Leg &before, const Leg &after) const {
    bool equal = true, sameSums = true;
    for (const int end : {0, 1}) {
        const int a = sideOfEnd(before, end), b = sideOfEnd(after, end);
        const StreamOpening *first = m_legs->opening(before, a), *second = m_legs->opening(after, b);
        if (!first || !second) return false;
        const Likeness likeness = first->compare(*second);
        if (likeness == Likeness::different) return false;
        equal = equal && likeness == Likeness::equal;
        const std::uint64_t x = bytes(before, a), y = bytes(after, b);
        if (!aboutEqual(x, y)) return false;
        sameSums = sameSums && x == y;
    }
    // A protocol's greeting is the same in all its connections.
    return equal || sameSums;
}

bool ProxyJudge::sameHttp(const Leg &before, const Leg &after, bool &clientNamed) const {
    const HttpFirstLines *asked = http(before, before.initiator), *passedOn = http(after, after.initiator),
                         *answer = http(after, 1 - after.initiator), *passedBack = http(before, 1 - before.initiator);
    if (!asked || !passedOn || !answer || !passedBack) return false;
    if (asked->method.empty() || asked->method != passedOn->method || asked->target != passedOn->target) return false;
    if (answer->status == 0 || answer->status != passedBack->status) return false;
    const auto [common, changed] = compareFields(asked->fields, passedOn->fields);
    if (common == 0 || changed != 0) return false;
    if (answer->bodyLength >= 0 && passedBack->bodyLength >= 0 && answer->bodyLength != passedBack->bodyLength)
        return false;
    if (answer->body != 0 && passedBack->body != 0 && answer->body != passedBack->body) return false;
    if (passedOn->forwardedFor != asked->forwardedFor && !passedOn->forwardedFor.empty()) {
        const std::string client = m_legs->request(before).src.ip.toString();
        clientNamed = passedOn->forwardedFor == client || passedOn->forwardedFor.ends_with(" " + client) ||
                      passedOn->forwardedFor.ends_with("," + client);
        if (!clientNamed) return false;
    }
    return true;
}

std::optional<ProxyVerdict> ProxyJudge::compare(LegIndex first, LegIndex second) const {
    const Leg &before = (*m_legs)[first], &after = (*m_legs)[second];
    if (first == second || !began(before) || !began(after) || before.packed() == after.packed()) return std::nullopt;
    // Numbers that agree are those of a translation.
    for (const int end : {0, 1}) {
        const auto a = static_cast<std::size_t>(sideOfEnd(before, end)),
                   b = static_cast<std::size_t>(sideOfEnd(after, end));
        if (before.hasIsn(a) && after.hasIsn(b) && before.isn[a] == after.isn[b]) return std::nullopt;
    }
    ProxyVerdict verdict{.before = first, .after = second, .asked = asked(first)};
    const auto preface = m_legs->prefaces().find(second);
    if (preface != m_legs->prefaces().end() && !preface->second.source.ip.isNone()) {
        if (preface->second.source != m_legs->request(before).src) return std::nullopt;
        if (after.first + kClockError < before.first || after.first > m_flows->last(before)) return std::nullopt;
        verdict.kind = ProxyVerdict::Kind::named;
        (void)meet(before, after, verdict.host);
        verdict.evidence = {EvidenceKind::proxyHeader};
        if (sameBytes(before, after)) verdict.evidence.push_back(EvidenceKind::payload);
        verdict.confidence = verdict.evidence.size() == 2 ? 0.97 : 0.93;
        return verdict;
    }
    if (!nested(before, after, kClockError) || !meet(before, after, verdict.host)) return std::nullopt;
    verdict.inTime = nested(before, after, std::chrono::nanoseconds(0));
    bool clientNamed = false;
    if (sameBytes(before, after)) {
        verdict.kind = ProxyVerdict::Kind::equal;
        verdict.confidence = verdict.host.empty() ? 0.8 : 0.9;
    } else if (sameHttp(before, after, clientNamed)) {
        verdict.confidence = (verdict.host.empty() ? 0.7 : 0.8) + (clientNamed ? 0.08 : 0);
    } else {
        return std::nullopt;
    }
    if (clientNamed) verdict.evidence.push_back(EvidenceKind::proxyHeader);
    verdict.evidence.push_back(EvidenceKind::payload);
    return verdict;
}

} // namespace natlens::tracer
