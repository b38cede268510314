// Conclusions about single paths. One file each; findAll() asks them all.
#pragma once

#include "tracer/findings/cluster_context.h"
#include "tracer/path/path.h"

#include <map>
#include <optional>
#include <vector>

namespace natlens::tracer {

/// What the kernel's rule trace of a host said about a request.
struct RuleFacts {
    bool external = false;  ///< it went through the Service's rules for traffic from outside
    bool localOnly = false; ///< only endpoints of the same node were considered
    bool dropped = false, rejected = false;
};

/// What a finding may look at.
struct FindingInput {
    const Path &path;
    const ClusterView *cluster = nullptr;         ///< null: no cluster state
    std::optional<FrontEndMatch> service = {};    ///< what cluster state says was asked
    std::map<std::string, RuleFacts> traced = {}; ///< by host
};

/// D01: the endpoint sees a node's address because of externalTrafficPolicy Cluster.
[[nodiscard]] std::optional<Finding> findSourceReplaced(const FindingInput &input);
/// D13: a node without a local endpoint dropped the request because of externalTrafficPolicy Local.
[[nodiscard]] std::optional<Finding> findNoLocalEndpoint(const FindingInput &input);

[[nodiscard]] std::vector<Finding> findAll(const FindingInput &input);

/// How the policy of a Service is written: the field, or the annotation of Kubernetes 1.5 if the Service carries it.
[[nodiscard]] std::string policyField(const std::optional<FrontEndMatch> &service, bool local);
/// "Service default/nodeport", or "the Service" where its name is not known.
[[nodiscard]] std::string serviceInWords(const FindingInput &input);

} // namespace natlens::tracer
