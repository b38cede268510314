// Whether one leg continues as another: what their packets have in common, and where they were seen.
#pragma once

#include "tracer/stitch/capture_points.h"
#include "tracer/stitch/flow_table.h"
#include "tracer/stitch/kinship.h"
#include "tracer/stitch/translation_log.h"

#include <optional>
#include <string>
#include <vector>

namespace natlens::tracer {

/// Which way a leg's connection runs, and how sure that is.
struct Sense {
    packet::Tuple request; ///< client to endpoint
    /// `time`: who was seen first, which means little where a capture began in the middle.
    enum Strength { guess, time, ports, shown, certain } strength = guess;
};

/// What speaks for `up` continuing as `down`.
struct Verdict {
    LegIndex up = kNone, down = kNone;
    double score = 0;                        ///< how much of the packets agrees
    double closeness = 0;                    ///< how directly the one follows the other
    std::string host = {};                   ///< that showed the packet coming in and going out; "" when none did
    std::vector<EvidenceKind> evidence = {}; ///< strongest first
    bool byOpening = false;                  ///< the client's opening packet is all that agrees
    bool byOneDatagram = false;              ///< one datagram is all that agrees: may be chance
    std::vector<std::uint64_t> shared = {};  ///< identities of packets seen on both
    [[nodiscard]] double confidence() const;
};

/// Judges pairs of legs by packets alone. A routed link needs packets that are the same in everything NAT leaves alone
/// (Kinship), a time to live that falls in the direction of travel, and no sight that contradicts it. One that a bridge
/// has translated keeps its time to live: then the order in time must show it.
class LegJudge final {
public:
    LegJudge(const LegTable &legs, const FlowTable &flows, const CapturePoints &points,
             const TranslationLog &translations)
        : m_legs(&legs)
        , m_flows(&flows)
        , m_points(&points)
        , m_translations(&translations) {}

    /// By SYN, conntrack, HTTP, kind of echo, port numbers or time.
    [[nodiscard]] Sense sense(LegIndex leg) const;

    /// Nothing if something contradicts or too little speaks for it. The tuples are those of the requests.
    [[nodiscard]] std::optional<Verdict> compare(LegIndex up, const packet::Tuple &upRequest, LegIndex down,
                                                 const packet::Tuple &downRequest) const;

private:
    /// One sight of a leg's packets on their way in one direction.
    struct Sight {
        HostIndex host;
        base::CapturePointId point;
        std::uint8_t ttl;
        Facing facing;
        base::Timestamp time;
        std::uint16_t ipId;
        std::optional<Mark> mark; ///< nothing where only later packets were seen
    };
    /// What the sights of one direction say.
    struct Course;
    struct Level;

    [[nodiscard]] std::vector<Sight> sights(LegIndex leg, const packet::Tuple &tuple) const;
    [[nodiscard]] Course follow(const std::vector<Sight> &before, const std::vector<Sight> &after) const;
    [[nodiscard]] static bool fits(packet::Protocol protocol, const Kinship &kin, const Course &there,
                                   const Course &back);

    const LegTable *m_legs;
    const FlowTable *m_flows;
    const CapturePoints *m_points;
    const TranslationLog *m_translations;
};

} // namespace natlens::tracer
