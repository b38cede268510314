// What a finding looks at, and what every diagnosis is made of. One diagnosis a file (dNN_*.cpp), one line each in
// diagnoses.inc.
#pragma once

#include "tracer/findings/cluster_context.h"
#include "tracer/findings/evidence.h"
#include "tracer/findings/node_facts.h"
#include "tracer/path/path.h"

#include <map>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace natlens::tracer {

/// What the kernel's rule trace of a host said about a request.
struct RuleFacts {
    bool external = false;  ///< it went through the Service's rules for traffic from outside
    bool localOnly = false; ///< only endpoints of the same node were considered
    bool dropped = false, rejected = false;
    std::vector<std::string> otherRules = {}; ///< "table chain" of rules that are not kube-proxy's, in order
};

/// What a finding may look at. Everything but the path may be missing; a finding says less then, or nothing.
struct FindingInput {
    const Path &path;
    const ClusterView *cluster = nullptr;         ///< at the path's first packet; null: no cluster state
    std::optional<FrontEndMatch> service = {};    ///< what cluster state says was asked
    std::map<std::string, RuleFacts> traced = {}; ///< by host
    const ClusterContext *history = nullptr;      ///< cluster state in time
    const ConnectionEvidence *evidence = nullptr; ///< flows of the connection
    const FactsLog *facts = nullptr;              ///< what nodes told of themselves
};

/// Paths that share a key are judged together: connections that belong to each other without being one.
struct GroupKey {
    std::uint64_t value = 0;
    enum class Side : std::uint8_t { first, second } side = Side::first;
};
/// Members by key and side, by time of their first packet; at most kMostMembers a side, the newest.
struct RelatedPaths {
    std::vector<const Path *> first, second;
};
struct GroupFinding {
    const Path *path; ///< a member of the group
    Finding finding;
};

/// One thing natlens knows about. The texts are those of docs/findings.md (tested), and what a finding says where it
/// has nothing more particular to say.
struct Diagnosis {
    std::string_view code, title;
    Severity severity = Severity::warning;
    std::string_view what;      ///< what is seen
    std::string_view why;       ///< what causes it
    std::string_view field;     ///< the Kubernetes field, kube-proxy option or kernel setting behind it
    std::string_view fix;       ///< the smallest change
    std::string_view cost;      ///< what the change costs
    std::string_view evidence;  ///< what must be there before it is said
    std::string_view reference; ///< URL

    /// Judges one path.
    std::optional<Finding> (*find)(const FindingInput &) = nullptr;
    /// Judges one path through a proxy. The connections that it consists of have been judged each by itself.
    std::optional<Finding> (*findProxied)(const FindingInput &) = nullptr;
    /// For those that need several paths: under which keys this one is filed, and what is found among them.
    std::vector<GroupKey> (*keys)(const FindingInput &) = nullptr;
    std::vector<GroupFinding> (*judge)(const RelatedPaths &) = nullptr;
};

// Declared and listed from one list: a further diagnosis is one file and one line there.
#define NATLENS_DIAGNOSIS(code) extern const Diagnosis k##code;
#include "tracer/findings/diagnoses.inc"
#undef NATLENS_DIAGNOSIS

/// All of them, by code.
[[nodiscard]] std::span<const Diagnosis *const> diagnoses();

/// Asks all that judge single paths. The comparison with the prediction comes last and only says what no other
/// explains.
[[nodiscard]] std::vector<Finding> findAll(const FindingInput &input);
/// Asks those that judge paths through proxies.
[[nodiscard]] std::vector<Finding> findProxied(const FindingInput &input);

/// How the policy of a Service is written: the field, or the annotation of Kubernetes 1.5 if the Service carries it.
[[nodiscard]] std::string policyField(const std::optional<FrontEndMatch> &service, bool local);
/// A finding of this diagnosis with its general texts; `text` says what happened here.
[[nodiscard]] Finding finding(const Diagnosis &diagnosis, std::string text);
/// docs/findings.md.
[[nodiscard]] std::string findingsManual();

} // namespace natlens::tracer
