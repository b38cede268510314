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
    Annotator(const CapturePoints &points, const ClusterContext &cluster, const FactsLog &facts)
        : m_points(&points)
        , m_cluster(&cluster)
        , m_facts(&facts) {}

    /// One that knows what `other` has learned, with other capture points.
    Annotator(const CapturePoints &points, const Annotator &other)
        : m_points(&points)
        , m_cluster(other.m_cluster)
        , m_facts(other.m_facts)
        , m_checks(other.m_checks)
        , m_servicePorts(other.m_servicePorts)
        , m_servedPorts(other.m_servedPorts) {}

    /// Takes over what another one has learned. True if there was news.
    bool learnFrom(const Annotator &other);
    /// How much has been learned: grows with every news.
    [[nodiscard]] std::size_t known() const { return m_checks.size() + m_servicePorts.size() + m_servedPorts.size(); }

    /// `builder` made the path and finds the rule traces that belong to it. Returns what was looked at, for findings
    /// about several paths; it refers to `path` and `evidence`.
    FindingInput annotate(Path &path, const PathBuilder &builder, const ConnectionEvidence &evidence);

    /// "/healthz", "/some/healthz?full=1": what health checks ask for by convention.
    [[nodiscard]] static bool isHealthTarget(std::string_view target);

    /// The same for a path through proxies whose connections, each annotated by itself, are `parts`.
    FindingInput annotateProxied(Path &path, const std::vector<Path> &parts, const ConnectionEvidence &evidence) const;

    /// Names and roles that cluster state gives to hosts.
    static void nameHosts(CapturePoints &points, HostRoles &roles, const ClusterContext &cluster);

private:
    void nameEnds(Path &path, const ClusterView *cluster) const;
    void classify(Path &path, const ClusterView *cluster, const std::optional<FrontEndMatch> &match);
    void inferService(Path &path) const;
    /// Any program may listen at a port between 30000 and 32767. A node that lost the request makes a node port likely;
    /// when nothing became of it that could be seen, nothing does.
    [[nodiscard]] bool isServiceByPortAlone(const Path &path, const ClusterView *cluster) const;
    void nameRules(Path &path, const PathBuilder &builder, FindingInput &input) const;
    [[nodiscard]] bool looksLikeCheck(const Path &path) const;

    const CapturePoints *m_points;
    const ClusterContext *m_cluster;
    const FactsLog *m_facts;
    /// Who was seen to check which port: an unanswered check shows no request line.
    std::set<std::pair<IpAddress, packet::Port>> m_checks;
    std::set<std::pair<Protocol, packet::Port>> m_servicePorts; ///< requested ports that some node translated
    /// Of these, the ones whose requests were seen to arrive at an endpoint.
    std::set<std::pair<Protocol, packet::Port>> m_servedPorts;
};

} // namespace natlens::tracer
