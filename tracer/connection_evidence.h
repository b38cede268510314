// The flows of one connection, as findings see them.
#pragma once

#include "tracer/findings/evidence.h"
#include "tracer/stitch/path_builder.h"

#include <optional>

namespace natlens::tracer {

/// Reads the tracer's tables when asked for the first time. Lives for the length of one judgement.
class StitchedEvidence final : public ConnectionEvidence {
public:
    StitchedEvidence(const Connection &connection, const PathSources &sources, const Moment &moment)
        : m_connection(connection)
        , m_sources(sources)
        , m_moment(moment) {}

    [[nodiscard]] const std::vector<Sight> &sights() const override;
    [[nodiscard]] std::vector<TrackedConnection> tracked(const packet::Tuple &original) const override;
    [[nodiscard]] const Host *host(std::string_view name) const override { return m_sources.points.findHost(name); }
    [[nodiscard]] Timestamp now() const override { return m_moment.now; }

private:
    void add(const Leg &of, const Flow &flow, unsigned leg, Direction direction, bool attempt) const;

    const Connection &m_connection;
    const PathSources &m_sources;
    const Moment &m_moment;
    mutable std::optional<std::vector<Sight>> m_sights;
};

} // namespace natlens::tracer
