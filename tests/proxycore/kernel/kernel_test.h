// What tests of the kernel's rules share: the cluster of the recordings, its plans, and comparisons of listings.
#pragma once

#include "proxycore/kernel/namespace_child.h"
#include "proxycore/kernel/nft_encode.h"
#include "proxycore/kernel/nft_listing.h"
#include "proxycore/kernel/nft_socket.h"
#include "proxycore/kernel/nftables.h"
#include "proxycore/model/kubernetes_json.h"
#include "proxycore/read_file.h"
#include "proxycore/test_state.h"

#include <nlohmann/json.hpp>

#include <QTest>

namespace natlens::proxycore::test {

using Json = nlohmann::json;
using natlens::test::Blocks;

/// The cluster for which a running kube-proxy's rules were recorded.
inline ClusterState recordedCluster() {
    return readClusterState(natlens::test::dataFile("cluster/cluster.json"), "cluster.json").value();
}

inline ProxyConfig recordedConfig() {
    ProxyConfig config;
    config.clusterCIDRs = {*IpPrefix::parse("10.1.0.0/16"), *IpPrefix::parse("fd00:10::/32")};
    config.serviceCIDRs = {*IpPrefix::parse("172.30.0.0/16"), *IpPrefix::parse("fd00:30::/112")};
    return config;
}

inline ProxyPlan recordedPlan(const ClusterState &state, IpFamily family = IpFamily::v4,
                              const ProxyPlan *previous = nullptr) {
    return makePlan(state, recordedConfig(),
                    {.nodeName = "n1", .localAddresses = {}, .mode = Mode::nftables, .family = family}, previous);
}

/// "" when equal, else the first difference in words.
inline std::string difference(const Blocks &made, const Blocks &expected) {
    for (const auto &[name, lines] : expected) {
        const auto found = made.find(name);
        if (found == made.end()) return "missing: " + name;
        for (std::size_t i = 0; i < std::max(lines.size(), found->second.size()); ++i) {
            const std::string a = i < found->second.size() ? found->second[i] : "(nothing)";
            const std::string b = i < lines.size() ? lines[i] : "(nothing)";
            if (a != b) return name + ":\n   made:     " + a + "\n   expected: " + b;
        }
    }
    for (const auto &[name, lines] : made)
        if (!expected.contains(name)) return "not expected: " + name;
    return {};
}

inline std::string failure(const natlens::base::Status &status) {
    return status ? "" : status.error().sentence();
}

/// True when the test must stop: no namespaces here (skipped, or failed where they are required).
inline bool unavailable(const natlens::test::ChildResult &result) {
    if (result.available) return false;
    [] {
        if (qEnvironmentVariable("NATLENS_REQUIRE_LAB") == "1") QFAIL("unprivileged user namespaces are not available");
    }();
    if (!QTest::currentTestFailed()) [] { QSKIP("unprivileged user namespaces are not available"); }();
    return true;
}

} // namespace natlens::proxycore::test
