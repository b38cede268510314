// Snapshots that together use every part of the layout.
#pragma once

#include "sample_snapshots.h"

#include <utility>
#include <vector>

namespace natlens::testing {

inline SampleSnapshot manyHosts() {
    SampleSnapshot s;
    s.host("client", HostRole::client, {std::string(kClientIp)}).host("client2", HostRole::client, {"104.132.1.80"});
    for (int i = 1; i <= 20; ++i)
        s.host("node" + std::to_string(i), HostRole::node, {"10.240.0." + std::to_string(i)});
    for (int i = 1; i <= 6; ++i) {
        const auto n = std::to_string(i);
        s.host("app-" + n, HostRole::pod, {"10.180." + n + ".136"}, "node" + std::to_string(3 * i));
    }
    for (int i = 1; i <= 20; ++i)
        s.nodePort("node" + std::to_string(i), true, "node" + std::to_string(3 * (i % 6 + 1)),
                   i % 2 ? "client" : "client2", "app-" + std::to_string(i % 6 + 1));
    return s;
}

inline std::vector<std::pair<const char *, SampleSnapshot>> layoutSamples() {
    const auto changed = [](SampleSnapshot s, auto change) {
        change(s);
        return s;
    };
    return {
        {"empty", {}},
        {"hosts-only", SampleSnapshot().cluster(true)},
        {"nodeport", nodePortScenario()},
        {"nodeport-local", nodePortLocalScenario()},
        {"nodeport-endpoint-on-node3", nodePortScenario("node3")},
        {"loadbalancer-local", balancerLocalScenario()},
        {"loadbalancer", changed(SampleSnapshot().cluster(true),
                                 [](auto &s) {
                                     for (const std::string node : {"node1", "node2", "node3"})
                                         s.check(node, 200);
                                     s.balanced("node2", true);
                                     s.balanced("node3", true);
                                     s.balanced("node1", true);
                                 })},
        {"clusterip", changed(SampleSnapshot().cluster(),
                              [](auto &s) {
                                  s.host("busybox", HostRole::pod, {"10.244.3.8"}, "node2");
                                  s.clusterIp("node2", "node1");
                              })},
        {"no-cluster-state", balancerLocalScenario().withoutClusterState()},
        {"weak-and-inferred", changed(nodePortScenario(),
                                      [](auto &s) {
                                          s.changeAll([](Path &p) {
                                              for (auto &segment : p.segments)
                                                  segment.confidence = 0.7;
                                          });
                                          std::erase_if(s.snapshot.hosts,
                                                        [](const Host &h) { return h.name == "node1"; });
                                      })},
        {"two-pods", changed(nodePortScenario(),
                             [](auto &s) {
                                 s.host("source-ip-app-2", HostRole::pod, {"10.180.1.137"}, "node1");
                                 s.host("source-ip-app-3", HostRole::pod, {"10.180.2.5"}, "node3");
                                 s.nodePort("node2", true, "node1", "client", "source-ip-app-2");
                                 s.nodePort("node1", true, "node3", "client", "source-ip-app-3");
                             })},
        {"captures-on-nodes-only",
         changed(nodePortScenario(),
                 [](auto &s) {
                     std::erase_if(s.snapshot.hosts, [](const Host &h) { return h.role != HostRole::node; });
                     s.changeAll([](Path &p) {
                         p.client.node.clear();
                         p.endpoint->host.clear();
                         for (auto &segment : p.segments)
                             for (auto *name : {&segment.from, &segment.to})
                                 if (!name->starts_with("node")) name->clear();
                         std::erase_if(p.hops, [](const Hop &h) { return !h.host.starts_with("node"); });
                     });
                 })},
        {"client-to-pod-directly",
         changed(SampleSnapshot().cluster(true),
                 [](auto &s) {
                     s.balanced("node1");
                     auto &p = s.path({{"client", at(kClientIp, 5000), at(kPodIp, 8080)}}, "source-ip-app");
                     p.kind = PathKind::direct;
                 })},
        {"client-to-pod-only",
         changed(
             SampleSnapshot().cluster(),
             [](auto &s) {
                 s.path({{"client", at(kClientIp, 5000), at(kPodIp, 8080)}}, "source-ip-app").kind = PathKind::direct;
             })},
        {"two-clients-two-balancers", changed(balancerLocalScenario(),
                                              [](auto &s) {
                                                  s.host("client2", HostRole::client, {"104.132.1.80"})
                                                      .host("lb2", HostRole::loadBalancer, {"10.240.0.253"});
                                                  s.path({{"client2", at("104.132.1.80", 5000), at(kVip, 80)},
                                                          {"lb2", at("104.132.1.80", 5000), at(kVip, 80)},
                                                          {"node3", at("10.240.0.3", 4022), at(kPodIp, 8080)},
                                                          {"node1", at("10.240.0.3", 4022), at(kPodIp, 8080)}},
                                                         "source-ip-app");
                                              })},
        {"many", manyHosts()},
    };
}

} // namespace natlens::testing
