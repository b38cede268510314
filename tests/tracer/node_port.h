// The document's NodePort Service: requests to it, and its cluster state.
#pragma once

#include "tests/tracer/scenario.h"

#include <fmt/format.h>

namespace natlens::test {

inline const Tuple kAsked = tcp(kOutside, "10.240.0.5:32080");

inline Talk toNode2() {
    Talk talk;
    talk.request = {{"client/eth0", kOut, 64, kAsked}, {"node2/eth0", kIn, 64, kAsked}};
    return talk;
}

/// A point that works: it sees something, though nothing of any connection.
inline void addArp(Scenario &scenario, const std::string &point) {
    std::vector<std::byte> frame(42);
    frame[12] = std::byte{0x08};
    frame[13] = std::byte{0x06};
    scenario.packets.push_back({point, 0, kIn, frame, 0});
}

/// The document's NodePort Service with its endpoint on node1.
inline std::string nodePortState(const std::string &policy, const std::string &annotations = "") {
    const std::string policyField = policy.empty() ? "" : R"("externalTrafficPolicy":")" + policy + R"(",)";
    std::string nodes;
    for (const auto &[name, ip] : {std::pair("node1", "10.240.0.4"), {"node2", "10.240.0.5"}, {"node3", "10.240.0.3"}})
        nodes += fmt::format(R"({{"kind":"Node","apiVersion":"v1","metadata":{{"name":"{}"}},)"
                             R"("status":{{"addresses":[{{"type":"InternalIP","address":"{}"}}]}}}},)",
                             name, ip);
    return R"({"kind":"List","apiVersion":"v1","items":[)" + nodes +
           R"({"kind":"Pod","apiVersion":"v1","metadata":{"namespace":"default","name":"source-ip-app"},
               "spec":{"nodeName":"node1"},"status":{"podIP":"10.180.1.136","podIPs":[{"ip":"10.180.1.136"}]}},
              {"kind":"Service","apiVersion":"v1","metadata":{"namespace":"default","name":"nodeport")" +
           annotations + R"(},"spec":{"type":"NodePort",)" + policyField +
           R"("clusterIP":"10.0.1.2","clusterIPs":["10.0.1.2"],
                "ports":[{"name":"http","port":80,"targetPort":8080,"nodePort":32080,"protocol":"TCP"}]}},
              {"kind":"EndpointSlice","apiVersion":"discovery.k8s.io/v1","addressType":"IPv4",
               "metadata":{"namespace":"default","name":"nodeport-1","labels":{"kubernetes.io/service-name":"nodeport"}},
               "ports":[{"name":"http","port":8080,"protocol":"TCP"}],
               "endpoints":[{"addresses":["10.180.1.136"],"nodeName":"node1","conditions":{"ready":true},
                             "targetRef":{"kind":"Pod","namespace":"default","name":"source-ip-app"}}]}]})";
}

} // namespace natlens::test
