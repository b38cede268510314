#include "proxycore/plan/endpoint_selection.h"

#include <algorithm>

namespace natlens::proxycore {

std::string_view toString(TopologyMode value) {
    switch (value) {
    case TopologyMode::none: return "none";
    case TopologyMode::preferSameNode: return "PreferSameNode";
    case TopologyMode::preferSameZone: return "PreferSameZone";
    }
    return "none";
}

std::string_view toString(Exclusion value) {
    switch (value) {
    case Exclusion::notReady: return "not ready";
    case Exclusion::terminating: return "terminating";
    case Exclusion::otherZone: return "hinted to another zone";
    case Exclusion::otherNode: return "hinted to another node";
    }
    return "not ready";
}

namespace {

bool contains(const std::vector<std::string> &names, std::string_view name) {
    return std::find(names.begin(), names.end(), name) != names.end();
}

/// Hints count only when every ready endpoint has one and at least one points here.
TopologyMode topologyMode(const std::vector<PlannedEndpoint> &endpoints, const SelectionInput &input) {
    bool anyReady = false, allNodes = true, hereNode = false, allZones = true, hereZone = false;
    for (const auto &endpoint : endpoints) {
        if (!endpoint.ready) continue;
        anyReady = true;
        allNodes = allNodes && !endpoint.nodeHints.empty();
        hereNode = hereNode || (!input.nodeName.empty() && contains(endpoint.nodeHints, input.nodeName));
        allZones = allZones && !endpoint.zoneHints.empty();
        hereZone = hereZone || (!input.zone.empty() && contains(endpoint.zoneHints, input.zone));
    }
    if (!anyReady) return TopologyMode::none;
    if (input.nodeHints && allNodes && hereNode) return TopologyMode::preferSameNode;
    if (allZones && hereZone) return TopologyMode::preferSameZone;
    return TopologyMode::none;
}

void selectCluster(const std::vector<PlannedEndpoint> &endpoints, const SelectionInput &input, Selection &selection) {
    selection.topology = topologyMode(endpoints, input);
    for (std::size_t i = 0; i < endpoints.size(); ++i) {
        const auto &endpoint = endpoints[i];
        if (!endpoint.ready) {
            selection.excluded.push_back(
                {endpoint.address, endpoint.terminating ? Exclusion::terminating : Exclusion::notReady});
        } else if (selection.topology == TopologyMode::preferSameNode &&
                   !contains(endpoint.nodeHints, input.nodeName)) {
            selection.excluded.push_back({endpoint.address, Exclusion::otherNode});
        } else if (selection.topology == TopologyMode::preferSameZone && !contains(endpoint.zoneHints, input.zone)) {
            selection.excluded.push_back({endpoint.address, Exclusion::otherZone});
        } else {
            selection.cluster.push_back(i);
        }
    }
    if (selection.cluster.empty()) {
        for (std::size_t i = 0; i < endpoints.size(); ++i)
            if (endpoints[i].isFallback()) selection.cluster.push_back(i);
        std::erase_if(selection.excluded, [&](const ExcludedEndpoint &excluded) {
            return std::any_of(selection.cluster.begin(), selection.cluster.end(),
                               [&](std::size_t i) { return endpoints[i].address == excluded.address; });
        });
    }
    if (!selection.cluster.empty()) selection.hasAny = true;
}

void selectLocal(const std::vector<PlannedEndpoint> &endpoints, Selection &selection) {
    std::vector<std::size_t> fallback;
    for (std::size_t i = 0; i < endpoints.size(); ++i) {
        const auto &endpoint = endpoints[i];
        if (endpoint.ready || endpoint.isFallback()) selection.hasAny = true;
        if (!endpoint.local) continue;
        if (endpoint.ready)
            selection.local.push_back(i);
        else if (endpoint.isFallback())
            fallback.push_back(i);
    }
    if (selection.local.empty()) selection.local = std::move(fallback);
}

} // namespace

Selection selectEndpoints(const std::vector<PlannedEndpoint> &endpoints, const SelectionInput &input) {
    Selection selection;
    if (input.usesCluster) selectCluster(endpoints, input, selection);
    if (input.usesLocal) selectLocal(endpoints, selection);
    std::set_union(selection.cluster.begin(), selection.cluster.end(), selection.local.begin(), selection.local.end(),
                   std::back_inserter(selection.reachable));
    return selection;
}

} // namespace natlens::proxycore
