// Which legs are one connection: by conntrack where it spoke, else by what NAT leaves alone, else not at all.
#pragma once

#include "tracer/stitch/leg_judge.h"
#include "tracer/stitch/proxy_index.h"
#include "tracer/stitch/sample_index.h"

#include <algorithm>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace natlens::tracer {

/// Why a leg continues as the next one.
struct Link {
    std::string host;                              ///< where the translation happened; "" when no capture point saw it
    std::vector<EvidenceKind> evidence;            ///< strongest first
    double confidence = 0;                         ///< 1 only with conntrack
    std::optional<std::uint32_t> translation = {}; ///< the conntrack entry
    bool proxied = false;                          ///< not NAT: two connections that carry the same bytes
};

/// One leg of a connection, from the client's side. `leg` is kNone where conntrack knows a tuple that no packet showed
/// (a host translates its own packets before they leave).
struct Step {
    LegIndex leg = kNone;
    packet::Tuple request;         ///< client to endpoint
    std::optional<Link> next = {}; ///< to the following step; nothing at the last one
};

/// Everything that is one connection.
struct Connection {
    std::vector<Step> steps;        ///< never empty
    std::vector<LegIndex> attempts; ///< earlier translations of the same SYN that came to nothing
    /// The same packets caught between two translations of one host. With br_netfilter
    /// (net.bridge.bridge-nf-call-iptables) a bridge shows replies whose destination is translated back already and
    /// whose source is not yet.
    std::vector<LegIndex> halves;
    std::vector<std::string> notes;
};

/// Joins legs across NAT. Conntrack comes first (confidence 1). Without it two legs are linked only if LegJudge finds
/// the same packets on both and each is the other's only best match. Sessions that merely look alike are left alone.
class LinkFinder final {
public:
    LinkFinder(const LegTable &legs, const FlowTable &flows, const CapturePoints &points,
               const TranslationLog &translations);

    /// Takes note of legs that changed. To be called with every leg that did before any other function is.
    void learn(const std::vector<LegIndex> &touched, const base::ParallelFor &parallel);

    /// All connections that any of the given legs is part of. Each leg is in exactly one connection. Deterministic:
    /// depends on what was seen, not on the order in which it came. May be called on several threads at once.
    [[nodiscard]] std::vector<Connection> connect(const std::vector<LegIndex> &touched) const;

    /// The legs that may belong to the same connection as this one, or that decide whether others do.
    template<class Visit>
    void visitNeighbours(LegIndex index, Visit &&visit) const {
        (void)visitKin(index, visit);
        if (m_proxies.isNeeded()) visitAcrossProxies(index, [&](LegIndex other) { visit(other); });
        if (m_translations->empty()) return;
        for (const LegIndex other : partners(index))
            visit(other);
    }

    /// Calls `join(a, b)` so often that all that are neighbours are joined, if need be by others.
    template<class Join>
    void visitAllNeighbours(Join &&join) const {
        for (LegIndex leg = 0; leg < m_legs->size(); ++leg)
            if (const Leg &one = (*m_legs)[leg]; one.alike != kNone && m_legs->crowdOf(one) == 0) join(leg, one.alike);
        const bool all = m_streamsNeeded || !m_translations->empty();
        for (LegIndex leg = 0; leg < m_legs->size(); ++leg)
            if (all || !(*m_legs)[leg].isTcp())
                visitNeighbours(leg, [&](LegIndex other) { join(leg, other); });
            else if (m_proxies.isNeeded())
                visitAcrossProxies(leg, [&](LegIndex other) { join(leg, other); });
    }

private:
    struct Work;
    /// Comparing every pair of a larger group would be slow and could only end in "ambiguous".
    static constexpr std::size_t kMaxGroup = LegTable::kCrowd;

    /// Legs that may carry the same packets; some more than once. Returns how many began alike, where those were too
    /// many to compare, else 0.
    template<class Visit>
    std::size_t visitKin(LegIndex index, Visit &&visit) const {
        const Leg &leg = (*m_legs)[index];
        const std::size_t crowd = m_legs->visitAlike(leg, visit);
        if (leg.isTcp() && !m_streamsNeeded) return crowd;
        return std::max(crowd, visitBySamples(index, [&](LegIndex other) { visit(other); }));
    }
    std::size_t visitBySamples(LegIndex index, const std::function<void(LegIndex)> &visit) const;
    [[nodiscard]] std::vector<LegIndex> kinOf(LegIndex leg, std::size_t *crowd = nullptr) const;

    void indexSamples(SampleIndex &into, LegIndex leg);
    [[nodiscard]] std::vector<LegIndex> closure(const std::vector<LegIndex> &touched) const;
    [[nodiscard]] SmallVector<LegIndex, 4> partners(LegIndex leg) const;
    [[nodiscard]] LegIndex partner(const Translation &entry, LegIndex leg, const packet::Tuple &other) const;
    [[nodiscard]] bool entryIsOf(const Translation &entry, LegIndex leg) const;
    void findSenses(Work &work) const;
    void linkByConntrack(Work &work) const;
    void linkBySight(Work &work) const;
    void visitAcrossProxies(LegIndex index, const std::function<void(LegIndex)> &visit) const;
    void linkProxied(Work &work) const;
    [[nodiscard]] std::optional<ProxyVerdict> bestBefore(LegIndex after, Work &work) const;
    [[nodiscard]] std::optional<Verdict> bestUp(LegIndex down, Work &work) const;
    /// `leg` shows packets of the translation from `up` to `down` on `host` when only the destination was translated.
    [[nodiscard]] bool isHalf(const Work &work, LegIndex leg, LegIndex up, LegIndex down,
                              const std::string &host) const;
    void findHalves(Work &work) const;
    [[nodiscard]] Connection follow(LegIndex root, const Work &work) const;

    const LegTable *m_legs;
    const FlowTable *m_flows;
    const CapturePoints *m_points;
    const TranslationLog *m_translations;
    LegJudge m_judge;
    ProxyJudge m_proxyJudge;
    ProxyIndex m_proxies;
    SampleIndex m_datagrams; ///< of everything that is not TCP
    SampleIndex m_streams;   ///< of TCP, kept from when the first connection without a SYN is met
    bool m_streamsNeeded = false;
};

} // namespace natlens::tracer
