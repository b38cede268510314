// From one connection to its path: hops, segments, outcome.
#pragma once

#include "tracer/stitch/host_roles.h"
#include "tracer/stitch/link_finder.h"
#include "tracer/stitch/rule_trace_log.h"
#include "tracer/stitch/way.h"

#include <map>

namespace natlens::tracer {

/// Everything a path is made from. Refers to the tracer's own state.
struct PathSources {
    const LegTable &legs;
    const FlowTable &flows;
    CapturePoints &points;
    const TranslationLog &translations;
    const RuleTraceLog &rules;
    const HostRoles &roles;
};

/// The capture's clock.
struct Moment {
    Timestamp now;      ///< newest time seen anywhere
    bool ended = false; ///< nothing more will come
};

/// A path without names: no Service, no pods, no findings, no id. Those come from cluster state.
class PathBuilder final {
public:
    PathBuilder(const PathSources &sources, Moment moment)
        : m_sources(sources)
        , m_moment(moment) {}

    [[nodiscard]] Path build(const Connection &connection) const;

    /// The decision of a host's rules about a path's request, if they were traced there.
    [[nodiscard]] const RuleTrace *traceAt(const Path &path, const Hop &hop) const;

private:
    struct Draft;
    /// What one host's captures do not show of one direction.
    struct Unseen {
        std::uint64_t bytes = 0; ///< missing before others that came, or acknowledged all the same
        bool cut = false;        ///< by the snap length
    };
    /// What is asked of one direction for each of its hosts, of which there may be thousands.
    struct Shown {
        std::map<HostIndex, Unseen> unseen;
        std::map<int, std::uint64_t> mostBytes; ///< that any host saw, by Sighting::epoch
    };

    [[nodiscard]] static bool isDoneBy(const Draft &draft, const Visit &before, const Visit &after,
                                       Direction direction);
    void addHops(Draft &draft, Direction direction) const;
    [[nodiscard]] static bool completes(Hop &hop, const Hop &hidden);
    [[nodiscard]] Hop hopOf(const Draft &draft, const Visit &visit, Direction direction) const;
    void addDoubts(Hop &hop, const Draft &draft, const Visit &visit, Direction direction) const;
    [[nodiscard]] Shown shown(const Draft &draft, Direction direction) const;
    [[nodiscard]] std::optional<Hop> hiddenTranslation(const Draft &draft, const Visit &before, const Visit &after,
                                                       Direction direction) const;
    [[nodiscard]] std::string placeOf(const Draft &draft, unsigned step) const;
    [[nodiscard]] bool isHalfOfRouter(const std::vector<Visit> &request) const;
    void addSegments(Draft &draft, Direction direction) const;
    void addCounts(Draft &draft) const;
    void addHttp(Draft &draft) const;
    void decide(Draft &draft) const;
    void decideUnanswered(Draft &draft) const;
    void decideLostReply(Draft &draft) const;
    [[nodiscard]] static bool isUnheardAtClient(const Draft &draft);
    std::uint64_t noteDrops(Path &path,
                                          std::initializer_list<const std::vector<Visit> *> ways) const;
    void setEndpoint(Draft &draft) const;
    void setSource(Draft &draft) const;
    void learnAddresses(const Draft &draft) const;
    [[nodiscard]] bool closed(const Connection &connection) const;

    PathSources m_sources;
    Moment m_moment;
};

} // namespace natlens::tracer
