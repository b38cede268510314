// All paths of a source that has ended, made when they are asked for.
#pragma once

#include "capture/base/big_memory.h"
#include "tracer/annotator.h"
#include "tracer/parallel.h"
#include "tracer/path/summary.h"
#include "tracer/path/telling.h"
#include "tracer/stitch/components.h"

#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace natlens::tracer {

/// What connections have shown of hosts. Copied to every piece of work, so that pieces do not wait for each other.
struct Facts {
    CapturePoints points;
    HostRoles roles;
    Annotator annotator;

    Facts(const CapturePoints &p, const HostRoles &r, const Annotator &a)
        : points(p)
        , roles(r)
        , annotator(points, a) {}
    Facts(const Facts &other)
        : Facts(other.points, other.roles, other.annotator) {}
    Facts &operator=(const Facts &) = delete;
};

/// A path with all it is made of is some five kilobytes, a connection's flows are a few hundred bytes. So with many
/// connections the flows are kept and paths are made, used and thrown away. Sets of legs that have nothing to do with
/// each other are taken in pieces of a fixed size; a piece starts from the facts that earlier rounds have shown, and is
/// made anew when the answer to a question it asked of them has changed. So results do not depend on who works on what.
///
/// The tables it refers to must not change any more.
class PathArchive final {
public:
    struct Sources {
        LegTable &legs; ///< only Leg::pathId is changed, and only by make()
        const FlowTable &flows;
        const TranslationLog &translations;
        const RuleTraceLog &rules;
        const LinkFinder &finder;
        const ClusterContext &cluster;
        const FactsLog &facts;
    };

    /// `facts`: what is known already.
    PathArchive(const Sources &sources, const Facts &facts, const Moment &moment, ParallelFor parallel);

    /// Goes through all connections. Paths keep the ids of their legs; others get the next ones after `lastId`.
    void make(std::uint32_t lastId);

    [[nodiscard]] const Summary &summary() const { return m_summary; }
    [[nodiscard]] const Facts &facts() const { return m_facts; }
    /// At most `most` paths worth looking at, the most telling first: up to three for each group, then the earliest; in
    /// order of the first packet.
    [[nodiscard]] std::vector<std::shared_ptr<const Path>> examples(std::size_t most) const;
    /// See AllPaths.
    void forEach(const std::function<std::string(const Path &)> &write,
                 const std::function<bool(std::string_view)> &out) const;

private:
    /// One connection: enough to make its path again, and to put it in order.
    struct Record {
        Timestamp firstSeen;
        LegIndex leg = kNone; ///< its first one
        Telling telling = Telling::other;
        bool exemplary = false; ///< among the first of its group or of those with a finding
    };
    /// Those of pieces that are thrown away make room for those that are kept.
    using Records = std::vector<Record, base::MappedAllocator<Record>>;
    struct Piece;
    class Known;

    [[nodiscard]] Piece work(LegIndex from, LegIndex to) const;
    [[nodiscard]] bool mayRecognise() const;
    void makePieces(std::vector<Piece> &pieces, std::size_t begin);
    [[nodiscard]] bool learn(Piece &piece, std::vector<std::uint32_t> &newAddresses);
    void collect(std::vector<Piece> &pieces, std::uint32_t lastId);
    void giveIds(std::uint32_t lastId);
    template<class Use>
    void withPaths(std::span<const Record> records, Use &&use) const;

    Sources m_sources;
    Facts m_facts;
    Moment m_moment;
    ParallelFor m_parallel;
    Components m_components;
    Records m_records; ///< in order of the first packet
    Summary m_summary;
};

} // namespace natlens::tracer
