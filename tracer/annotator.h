// Puts names to a path: its kind, its Service, pods, nodes, the rules in words, the findings.
#pragma once

#include "tracer/findings/finding.h"
#include "tracer/stitch/host_roles.h"
#include "tracer/stitch/path_builder.h"

#include <set>
#include <utility>

namespace natlens::tracer {

/// Uses cluster state where there is some (as it stood at the path's first packet), the kernel's rule traces where
/// there are some, and what other connections have shown otherwise.
class Annotator final {
public:
    Annotator(const CapturePoints &points, const ClusterContext &cluster)
        : m_points(&points)
        , m_cluster(&cluster) {}

    /// `builder` made the path and finds the rule traces that belong to it.
    void annotate(Path &path, const PathBuilder &builder);

    /// Names and roles that cluster state gives to hosts.
    static void nameHosts(CapturePoints &points, HostRoles &roles, const ClusterContext &cluster);

private:
    void nameEnds(Path &path, const ClusterView *cluster) const;
    void classify(Path &path, const ClusterView *cluster, const std::optional<FrontEndMatch> &match);
    void inferService(Path &path) const;
    void nameRules(Path &path, const PathBuilder &builder, FindingInput &input) const;
    [[nodiscard]] bool looksLikeCheck(const Path &path) const;

    const CapturePoints *m_points;
    const ClusterContext *m_cluster;
    /// Who was seen to check which port: an unanswered check shows no request line.
    std::set<std::pair<IpAddress, packet::Port>> m_checks;
    std::set<std::pair<Protocol, packet::Port>> m_servicePorts; ///< requested ports that some node translated
};

} // namespace natlens::tracer
