// Everything that --cluster names, read and put together: Kubernetes objects and rules of nodes, several of each.
#pragma once

#include "capture/base/result.h"
#include "proxycore/model/kubernetes_json.h"
#include "proxycore/rules/rules_state.h"
#include "tracer/tracer.h"

#include <string>
#include <vector>

namespace natlens::session {

struct ClusterInput {
    struct Listing {
        std::string node; ///< "" when nobody said it
        std::string file;
        proxycore::NodeRules rules;
    };
    std::vector<std::string> objects; ///< texts of the files with Kubernetes objects, in order
    proxycore::ClusterState state;    ///< what they hold together; the last file wins
    std::vector<Listing> listings;
    std::vector<std::string> remarks; ///< what was not understood, and contradictions, a line each

    /// Everything into a tracer that has seen nothing yet.
    void tell(tracer::Tracer &tracer) const;
};

/// How much of Kubernetes objects is wanted.
enum class ObjectsFor : std::uint8_t {
    tracer, ///< `objects`, as many as can be used; `state` only where files are compared
    lab,    ///< the same, but without faults
    plan,   ///< `state`
};

/// Reads all of them; what kind a file is says its content. Errors (invalidInput, one line with file and place): a file
/// that cannot be read or is of no kind. `ends`: see readClusterState(); only one file of objects alone makes use of
/// it.
[[nodiscard]] base::Result<ClusterInput> readClusterInput(const std::vector<std::string> &arguments, ObjectsFor purpose,
                                                          const proxycore::FlowEnds *ends = nullptr);

} // namespace natlens::session
