// Which legs are one connection: by conntrack where it spoke, else by what NAT leaves alone, else not at all.
#pragma once

#include "tracer/stitch/capture_points.h"
#include "tracer/stitch/flow_table.h"
#include "tracer/stitch/translation_log.h"

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

/// Joins legs across NAT. Conntrack comes first (confidence 1). Without it two legs are linked only if they have the
/// same initial sequence number (or the same first datagram), do not contradict each other, one host shows the packet
/// coming in with one and leaving with the other and its time to live one less (or, with that host not captured, a
/// lower time to live), and each is the other's only best match. Sessions that merely look alike are left alone.
class LinkFinder final {
public:
    LinkFinder(const LegTable &legs, const FlowTable &flows, const CapturePoints &points,
               const TranslationLog &translations);

    /// All connections that any of the given legs is part of. Each leg is in exactly one connection. Deterministic:
    /// depends on what was seen, not on the order in which it came.
    [[nodiscard]] std::vector<Connection> connect(const std::vector<LegIndex> &touched) const;

    /// The legs that may belong to the same connection as this one, or that decide whether others do.
    template<class Visit>
    void visitNeighbours(LegIndex index, Visit &&visit) const {
        for (const std::uint64_t key : (*m_legs)[index].keys) {
            // Of a large group one member knows the rest; all of them knowing each other would be too many.
            const auto &members = *m_legs->withKey(key);
            if (members.size() > kMaxGroup && members.front() != index)
                visit(members.front());
            else
                for (const LegIndex member : members)
                    visit(member);
        }
        if (m_translations->empty()) return;
        for (const LegIndex other : partners(index))
            visit(other);
    }

    /// Client-to-endpoint direction of a leg: by SYN, conntrack, HTTP, port numbers or time.
    [[nodiscard]] packet::Tuple requestTuple(LegIndex leg) const;

private:
    /// Comparing every pair of a larger group would be slow and could only end in "ambiguous".
    static constexpr std::size_t kMaxGroup = 64;

    /// One sight of an opening packet of a leg.
    struct Sight {
        HostIndex host;
        Mark mark;
    };
    struct Candidate {
        LegIndex up = kNone, down = kNone;
        double score = 0;
        Link link = {};
        std::vector<std::uint64_t> shared = {}; ///< identities of opening packets seen on both
    };
    struct Work;

    [[nodiscard]] std::vector<LegIndex> closure(const std::vector<LegIndex> &touched) const;
    [[nodiscard]] SmallVector<LegIndex, 4> partners(LegIndex leg) const;
    [[nodiscard]] LegIndex partner(const Translation &entry, LegIndex leg, const packet::Tuple &other) const;
    [[nodiscard]] bool entryIsOf(const Translation &entry, LegIndex leg) const;
    [[nodiscard]] std::vector<Sight> sights(LegIndex leg, bool reply) const;
    [[nodiscard]] std::optional<Candidate> compare(LegIndex up, LegIndex down) const;
    [[nodiscard]] bool compareSights(Candidate &candidate, bool reply) const;
    void linkByConntrack(Work &work) const;
    void linkBySight(Work &work) const;
    /// `leg` shows packets of the translation from `up` to `down` on `host` when only the destination was translated.
    [[nodiscard]] bool isHalf(LegIndex leg, LegIndex up, LegIndex down, const std::string &host) const;
    void findHalves(Work &work) const;
    [[nodiscard]] Connection follow(LegIndex root, const Work &work) const;

    const LegTable *m_legs;
    const FlowTable *m_flows;
    const CapturePoints *m_points;
    const TranslationLog *m_translations;
};

} // namespace natlens::tracer
