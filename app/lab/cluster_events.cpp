// Changes that a scenario makes object by object.
#include "app/lab/cluster.h"

#include "proxycore/model/kubernetes_json.h"

namespace natlens::lab {

base::Result<ClusterChange> LabCluster::applyEvent(const std::string &watchEventJson) {
    ClusterState next = m_state;
    next.problems.clear();
    if (auto status = proxycore::applyWatchEvent(next, watchEventJson); !status) return std::unexpected(status.error());
    if (!next.problems.empty())
        return base::fail(base::ErrorCode::invalidInput, next.problems.front().toString(), "apply", "object");
    ClusterChange change;
    for (const auto &[name, pod] : m_state.pods)
        if (const auto found = next.pods.find(name); found == next.pods.end() || found->second->ips != pod->ips)
            change.podsRemoved.push_back(*pod);
    for (const auto &[name, pod] : next.pods)
        if (const auto found = m_state.pods.find(name); found == m_state.pods.end() || found->second->ips != pod->ips)
            change.podsAdded.push_back(*pod);
    change.events.push_back(watchEventJson);
    next.problems = m_state.problems;
    m_state = std::move(next);
    updateSlices(&change.events);
    return change;
}

} // namespace natlens::lab
