#include "tracer/stitch/leg_judge.h"

#include "tracer/path/conventions.h"

#include <algorithm>
#include <set>

namespace natlens::tracer {

using packet::Protocol;
using packet::Tuple;

namespace {

/// Forwarding takes microseconds; a second is an eternity in which another packet may look the same.
constexpr std::chrono::seconds kMaxDelay{1};
/// Nobody says sooner again what got no answer (a SYN waits a second, RFC 6298; Linux never less than this).
constexpr std::chrono::milliseconds kRepeatedAfter{200};
/// More than this says nothing more.
constexpr double kMostForSamples = 4;

std::uint64_t identity(const Mark &mark) {
    return (std::uint64_t{mark.tsVal} << 16 | mark.ipId) ^ mark.payloadHash;
}

/// Looks the same when it is sent again: only its time tells which of them it is.
bool isNameless(const std::optional<Mark> &mark) {
    return mark && mark->ipId == 0 && !mark->hasTs;
}

std::chrono::nanoseconds apart(base::Timestamp one, base::Timestamp other) {
    return one < other ? other - one : one - other;
}

/// Port numbers as a hint: the request goes to the well-known one, to the node port, or to the one that is no
/// ephemeral port of Linux (net.ipv4.ip_local_port_range).
Sense byPorts(const Tuple &tuple) {
    const auto served = [](packet::Port port) { return port < 1024 ? 3 : isNodePort(port) ? 2 : port < 32768 ? 1 : 0; };
    const int src = served(tuple.src.port), dst = served(tuple.dst.port);
    // A SNAT port may be any, a node port's number included: only beside an ephemeral one does that say much.
    const bool clear = std::max(src, dst) == 3 || (std::max(src, dst) == 2 && std::min(src, dst) == 0);
    if (src != dst) return {src < dst ? tuple : tuple.reversed(), clear ? Sense::ports : Sense::guess};
    return {tuple.src.port != 0 && tuple.src.port < tuple.dst.port ? tuple.reversed() : tuple, Sense::guess};
}

/// Multicast and broadcast, and who has no address yet: never translated, and said alike by many.
bool isForMany(const packet::IpAddress &ip) {
    if (ip.isV6()) return ip.bytes[0] == 0xff;
    return ip.isV4() && (ip.bytes[0] >= 224 || ip.bytes[0] == 0);
}

bool isForMany(const Tuple &tuple) {
    return isForMany(tuple.src.ip) || isForMany(tuple.dst.ip);
}

} // namespace

struct LegJudge::Course {
    bool contradicts = false;
    bool falls = false;    ///< the time to live says that `after` comes after `before`
    bool untimely = false; ///< one clock saw it go out before it came in, or far too late
    bool level = false;    ///< not routed: `after` has the same time to live and comes next in time
    bool bridged = false;  ///< level, and one host saw it come in and go out
    bool near = false;     ///< the same packet was seen before and after within a second, by whatever clocks
    bool sameTs = false, sameId = false, sameOptions = false, bothTs = false, bothId = false;
    double closeness = 0;
    std::string host;
    std::vector<std::uint64_t> shared;
};

double Verdict::confidence() const {
    return std::min(byOneDatagram ? 0.7 : 0.98, 0.6 + 0.035 * (score + closeness));
}

Sense LegJudge::sense(LegIndex index) const {
    const Leg &leg = (*m_legs)[index];
    const Tuple forward = m_legs->tuple(leg), backward = forward.reversed();
    if (leg.initiator >= 0) return {leg.initiator == 0 ? forward : backward, Sense::certain};
    const auto known = [&](const Tuple &tuple) {
        return !m_translations->withOriginal(tuple).empty() || !m_translations->withTranslated(tuple).empty();
    };
    if (known(forward) != known(backward)) return {known(forward) ? forward : backward, Sense::certain};
    std::array<base::Timestamp, 2> first{};
    bool quoted = false;
    for (const FlowIndex i : m_flows->of(leg)) {
        const Flow &flow = (*m_flows)[i];
        const int side = flow.side;
        if (flow.kind == Flow::Kind::icmpError) {
            // The quoted packet is what was asked, whether we saw it or not.
            if (flow.next == i) return {m_flows->tuple(leg, flow).reversed(), Sense::shown};
            quoted = true;
            continue;
        }
        if (const auto *http = m_flows->http(flow))
            return {(http->status == 0) == (side == 0) ? forward : backward, Sense::shown};
        auto &time = first[static_cast<std::size_t>(side)];
        if (const auto begin = m_flows->first(flow); time.nanoseconds == 0 || begin < time) time = begin;
    }
    const bool oneSided = first[0].nanoseconds == 0 || first[1].nanoseconds == 0;
    if (oneSided && quoted) return {first[0].nanoseconds != 0 ? forward : backward, Sense::shown};
    const Sense hint = byPorts(forward);
    if (leg.isTcp() || hint.strength == Sense::ports) return hint;
    if (oneSided) return {first[0].nanoseconds != 0 ? forward : backward, Sense::guess};
    if (first[0] != first[1]) return {first[0] < first[1] ? forward : backward, Sense::time};
    return hint;
}

std::vector<LegJudge::Sight> LegJudge::sights(LegIndex index, const Tuple &tuple) const {
    std::vector<Sight> marked, passed;
    const Leg &leg = (*m_legs)[index];
    for (const FlowIndex i : m_flows->of(leg)) {
        const Flow &flow = (*m_flows)[i];
        if (flow.kind != Flow::Kind::packets || m_flows->tuple(leg, flow) != tuple) continue;
        const HostIndex host = m_points->points()[flow.point.value].host;
        for (const Mark &mark : m_flows->marks(flow))
            marked.push_back({host, flow.point, mark.ttl, mark.facing, mark.time, mark.ipId, mark});
        const std::uint32_t packets = m_flows->packets(flow);
        for (const Pass *pass = &flow.pass; pass; pass = m_flows->next(*pass)) {
            if (!pass->isStray(packets))
                passed.push_back({host, flow.point, pass->ttl, pass->facing, pass->first, pass->ipId, {}});
        }
    }
    return marked.empty() ? passed : marked;
}

/// One packet with one time to live before and after: a bridge that translates (br_netfilter) does not count it down.
struct LegJudge::Level {
    bool crossed = false;  ///< one host saw it come in and go out
    bool later = false;    ///< `after` was later
    bool untimely = false; ///< `after` was earlier, or far too late, or it went out before or came in afterwards
    HostIndex host = 0;
    /// Of packets that look the same when they are sent again the first ones must belong together.
    std::optional<base::Timestamp> firstBefore = {}, firstAfter = {};

    [[nodiscard]] bool fits() const {
        return !untimely && (!firstBefore || apart(*firstBefore, *firstAfter) < kRepeatedAfter);
    }
    void add(const Sight &before, const Sight &after) {
        if (isNameless(before.mark)) {
            firstBefore = std::min(firstBefore.value_or(before.time), before.time);
            firstAfter = std::min(firstAfter.value_or(after.time), after.time);
            if (apart(before.time, after.time) >= kRepeatedAfter) return;
        }
        const auto delay = after.time - before.time;
        if (delay < std::chrono::nanoseconds(0) || delay >= kMaxDelay || after.facing == Facing::in ||
            before.facing == Facing::out) {
            untimely = true;
            return;
        }
        later = later || delay > std::chrono::nanoseconds(0);
        if (before.host != after.host || before.facing != Facing::in || after.facing != Facing::out) return;
        crossed = true;
        host = before.host;
    }
};

/// Whether both directions allow that the one leg follows the other: `there` is the request's, `back` the reply's.
bool LegJudge::fits(Protocol protocol, const Kinship &kin, const Course &there, const Course &back) {
    if (there.contradicts || back.contradicts) return false;
    const bool sameTs = there.sameTs || back.sameTs, sameId = there.sameId || back.sameId;
    if (there.level || back.level) {
        // Copies under other addresses (a session that was recorded, rewritten and played) are equally far apart both
        // ways. What went through something comes later behind it, request and reply: unless one host shows both of
        // its sides, it takes both to tell. A program that says on what it was told numbers its packets itself.
        if ((there.bothTs || back.bothTs) && !sameTs) return false;
        if (protocol != Protocol::tcp ? !sameId && kin.timestamps == 0 : (there.bothId || back.bothId) && !sameId)
            return false;
        const bool bothWays = (there.level || there.falls) && (back.level || back.falls);
        return bothWays || there.bridged || back.bridged;
    }
    if (!there.falls && !back.falls) return false;
    // Files of several machines may have been merged into one: then clocks say little, but both directions must agree.
    const bool untimely = there.untimely || back.untimely, both = there.falls && back.falls;
    if (untimely && !both) return false;
    // One datagram equals another's once in a while: IP ids are few, and much that is said is always the same.
    if (protocol != Protocol::tcp && kin.segments < 2 && !there.near && !back.near) return false;
    // Programs of one kind say the same to a server: without IP ids both directions must show one way.
    return protocol == Protocol::tcp || kin.timestamps != 0 || (both && !untimely);
}

/// Follows packets that are seen `before` a translation and `after` it.
LegJudge::Course LegJudge::follow(const std::vector<Sight> &before, const std::vector<Sight> &after) const {
    Course course;
    if (before.empty() || after.empty()) return course;
    int lowestBefore = 255, highestAfter = 0;
    bool stepped = false, timely = false, untimely = false;
    std::set<std::uint64_t> shared;
    Level level;
    for (const Sight &b : before)
        lowestBefore = std::min<int>(lowestBefore, b.ttl);
    for (const Sight &a : after)
        highestAfter = std::max<int>(highestAfter, a.ttl);
    for (const Sight &b : before) {
        for (const Sight &a : after) {
            bool same = false;
            if (b.mark && a.mark) {
                const Mark &x = *b.mark, &y = *a.mark;
                const bool tsFits = x.hasTs && y.hasTs && x.tsVal == y.tsVal, idFits = x.ipId != 0 && x.ipId == y.ipId;
                course.bothTs = course.bothTs || (x.hasTs && y.hasTs);
                course.bothId = course.bothId || (x.ipId != 0 && y.ipId != 0);
                course.sameTs = course.sameTs || tsFits;
                course.sameId = course.sameId || idFits;
                course.sameOptions = course.sameOptions || x.optionsHash == y.optionsHash;
                same = identity(x) == identity(y);
                if (same) {
                    shared.insert(identity(x));
                    course.near = course.near || apart(a.time, b.time) < kMaxDelay;
                }
            }
            if (a.ttl == b.ttl && (same || (!a.mark && !b.mark && a.ipId != 0 && a.ipId == b.ipId))) level.add(b, a);
            if (a.host != b.host || a.ttl + 1 != b.ttl || b.facing == Facing::out || a.facing == Facing::in) continue;
            stepped = true;
            course.host = m_points->host(a.host).name;
            if (!same || a.point != b.point) continue;
            const auto delay = a.time - b.time;
            (delay >= std::chrono::nanoseconds(0) && delay < kMaxDelay ? timely : untimely) = true;
        }
    }
    course.falls = stepped || highestAfter < lowestBefore;
    const bool even = !course.falls && lowestBefore == highestAfter && level.fits();
    course.bridged = even && level.crossed;
    course.level = even && (level.crossed || level.later);
    if (course.bridged) course.host = m_points->host(level.host).name;
    course.contradicts = !course.falls && !course.level;
    course.untimely = untimely && !timely;
    course.closeness = stepped || course.bridged ? 3 : 1 - 0.25 * (lowestBefore - highestAfter);
    course.shared.assign(shared.begin(), shared.end());
    return course;
}

std::optional<Verdict> LegJudge::compare(LegIndex up, const Tuple &upRequest, LegIndex down,
                                         const Tuple &downRequest) const {
    const Leg &a = (*m_legs)[up], &b = (*m_legs)[down];
    const Protocol protocol = a.protocol;
    if (protocol != b.protocol || a.packed() == b.packed() || isForMany(m_legs->tuple(a)) ||
        isForMany(m_legs->tuple(b)))
        return std::nullopt;
    const Kinship kin = kinshipOf(*m_legs, up, down);
    if (kin.contradicts) return std::nullopt;
    // Both must be told to run the same way.
    if (kin.isns + kin.segments != 0 &&
        (m_legs->sideOf(a, upRequest) != m_legs->sideOf(b, downRequest)) != kin.reversed)
        return std::nullopt;
    const Course there = follow(sights(up, upRequest), sights(down, downRequest));
    const Course back = follow(sights(down, downRequest.reversed()), sights(up, upRequest.reversed()));
    if (!fits(protocol, kin, there, back)) return std::nullopt;
    const bool sameTs = there.sameTs || back.sameTs, sameId = there.sameId || back.sameId;
    // What a translation leaves alone must agree wherever both have it: scanners send one sequence number, some one
    // timestamp as well, to many ports and hosts.
    const bool differs = (!sameTs && (there.bothTs || back.bothTs)) || (!sameId && (there.bothId || back.bothId));
    const bool opening = protocol == Protocol::tcp && kin.isns == 1 && (sameTs || sameId) && !differs;
    // One port after another of one host is a scan.
    const bool scan = upRequest.src.ip == downRequest.src.ip && upRequest.dst.ip == downRequest.dst.ip;
    if (!kin.identifies(protocol) && (!opening || scan)) return std::nullopt;
    Verdict verdict{.up = up, .down = down};
    verdict.host = !there.host.empty() ? there.host : back.host;
    verdict.byOneDatagram = protocol != Protocol::tcp && kin.segments < 2;
    verdict.byOpening = !kin.identifies(protocol);
    verdict.shared = there.shared;
    verdict.shared.insert(verdict.shared.end(), kin.shared.begin(), kin.shared.end());
    if (kin.isns != 0) verdict.score += kin.isns == 2 ? 5 : 1;
    if (protocol != Protocol::tcp) verdict.score += 2;
    verdict.score += std::min(kMostForSamples, kin.payloads + 0.5 * (kin.segments - kin.payloads));
    for (const Course *course : {&there, &back}) {
        if (course->falls || course->level) verdict.closeness += course->closeness;
        if (course->bothTs) verdict.score += course->sameTs ? 2 : -2;
        if (course->bothId) verdict.score += course->sameId ? 2 : -1;
        if (course->sameOptions) verdict.score += 1;
    }
    if (kin.isns != 0) verdict.evidence.push_back(EvidenceKind::tcpIsn);
    if (kin.segments != 0 && protocol == Protocol::tcp) verdict.evidence.push_back(EvidenceKind::tcpSequence);
    if (sameTs || (protocol == Protocol::tcp && kin.timestamps != 0))
        verdict.evidence.push_back(EvidenceKind::tcpTimestamp);
    if (sameId || (protocol != Protocol::tcp && kin.timestamps != 0)) verdict.evidence.push_back(EvidenceKind::ipId);
    if (kin.payloads != 0) verdict.evidence.push_back(EvidenceKind::payload);
    return verdict;
}

} // namespace natlens::tracer
