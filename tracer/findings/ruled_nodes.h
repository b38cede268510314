// Rules that were read from nodes: what such a node does, whatever cluster state says.
#pragma once

#include "proxycore/engine/decision.h"
#include "proxycore/rules/rules_state.h"
#include "tracer/path/path.h"

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace natlens::tracer {

/// The listings by node. They hold for the whole capture: nobody knows when they were taken.
class RuledNodes final {
public:
    /// `node` may be "": then names are known from it, and no node is held to it. Several listings of a node are
    /// merged.
    void add(std::string_view node, const proxycore::NodeRules &rules);

    [[nodiscard]] bool empty() const { return m_nodes.empty(); }
    /// Null when none were read of this node, or not of this family.
    [[nodiscard]] const proxycore::FamilyRules *of(std::string_view node, packet::IpFamily family) const;
    /// The same, ready to be asked, on a node that has these addresses too. May be called from several threads.
    [[nodiscard]] std::shared_ptr<const proxycore::FrontEndIndex>
    indexFor(std::string_view node, packet::IpFamily family, std::vector<IpAddress> localAddresses) const;
    /// Services and endpoints of all of them together.
    [[nodiscard]] const proxycore::ClusterState &state() const { return m_state; }

private:
    struct Planned {
        std::vector<IpAddress> localAddresses;
        std::shared_ptr<const proxycore::FrontEndIndex> index;
    };
    std::map<std::string, std::shared_ptr<const proxycore::NodeRules>, std::less<>> m_nodes;
    proxycore::ClusterState m_state;
    mutable std::mutex m_planning;
    mutable std::map<std::pair<std::string, packet::IpFamily>, Planned> m_plans; ///< guarded by m_planning
};

/// The chains through which a packet went by the rules of its node, in words: "KUBE-NODEPORTS > KUBE-EXT-... > ...".
/// `in` is what the node met, `to` the endpoint where one was chosen, `masqueraded` whether its source was replaced.
/// "" when the rules do not have the front end.
[[nodiscard]] std::string ruleChains(const proxycore::FamilyRules &rules, const proxycore::ServicePortName &service,
                                     Via via, const SocketAddress &source, const std::optional<SocketAddress> &to,
                                     bool masqueraded);

} // namespace natlens::tracer
