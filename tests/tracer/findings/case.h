// One connection with everything a finding may ask, made by hand.
#pragma once

#include "capture/packet/decode.h"
#include "tracer/findings/finding.h"

#include <fmt/format.h>
#include <string>
#include <vector>

namespace natlens::test {

using namespace natlens::tracer;
using packet::TcpFlags;

inline constexpr std::int64_t kSecond = 1'000'000'000, kBegin = 1'700'000'000 * kSecond;
inline Timestamp at(double seconds) {
    return {kBegin + static_cast<std::int64_t>(seconds * 1e9)};
}
inline SocketAddress address(std::string_view text) {
    return *SocketAddress::parse(text);
}

inline constexpr auto kClient = "104.132.1.79:50000";
inline constexpr auto kPod = "10.180.1.136:8080";

/// Three nodes; source-ip-app (10.180.1.136) and other (10.180.1.8) on node1, busybox (10.180.3.8) on node3; a Service
/// default/app with node port 32080 and cluster IP 10.0.1.2, and what `spec` adds to it.
inline std::string cluster(const std::string &spec = "", const std::string &endpointNode = "node1",
                           const std::string &status = "") {
    std::string items;
    for (const auto &[name, ip, range] : {std::tuple("node1", "10.240.0.4", "10.180.1.0/24"),
                                          {"node2", "10.240.0.5", "10.180.2.0/24"},
                                          {"node3", "10.240.0.3", "10.180.3.0/24"}})
        items += fmt::format(R"({{"kind":"Node","metadata":{{"name":"{}"}},"spec":{{"podCIDR":"{}"}},)"
                             R"("status":{{"addresses":[{{"type":"InternalIP","address":"{}"}}]}}}},)",
                             name, range, ip);
    for (const auto &[name, node, ip] : {std::tuple("source-ip-app", "node1", "10.180.1.136"),
                                         {"other", "node1", "10.180.1.8"},
                                         {"busybox", "node3", "10.180.3.8"}})
        items +=
            fmt::format(R"({{"kind":"Pod","metadata":{{"namespace":"default","name":"{}","labels":{{"app":"{}"}}}},)"
                        R"("spec":{{"nodeName":"{}"}},"status":{{"podIP":"{}","podIPs":[{{"ip":"{}"}}]}}}},)",
                        name, name, node, ip, ip);
    items +=
        R"({"kind":"Service","metadata":{"namespace":"default","name":"app"},"spec":{"type":"LoadBalancer",)" + spec +
        R"("clusterIP":"10.0.1.2","clusterIPs":["10.0.1.2"],"ports":[{"name":"http","port":80,"targetPort":8080,)"
        R"("nodePort":32080,"protocol":"TCP"},{"name":"dns","port":53,"targetPort":5353,"nodePort":32053,"protocol":"UDP"}]},)"
        R"("status":{"loadBalancer":{"ingress":[{"ip":"203.0.113.1")" +
        status + R"(}]}}})";
    if (!endpointNode.empty())
        items +=
            R"(,{"kind":"EndpointSlice","addressType":"IPv4","metadata":{"namespace":"default","name":"app-1",)"
            R"("labels":{"kubernetes.io/service-name":"app"}},"ports":[{"name":"http","port":8080,"protocol":"TCP"},)"
            R"({"name":"dns","port":5353,"protocol":"UDP"}],"endpoints":[{"addresses":["10.180.1.136"],"nodeName":")" +
            endpointNode + R"(","conditions":{"ready":true}}]})";
    return R"({"kind":"List","items":[)" + items + "]}";
}
inline const std::string kLocal = R"("externalTrafficPolicy":"Local","healthCheckNodePort":32122,)";

class FakeEvidence final : public ConnectionEvidence {
public:
    std::vector<Sight> seen;
    std::vector<TrackedConnection> entries;
    std::vector<Host> hosts;

    const std::vector<Sight> &sights() const override { return seen; }
    std::vector<TrackedConnection> tracked(const packet::Tuple &original) const override {
        std::vector<TrackedConnection> found;
        for (const auto &entry : entries)
            if (entry.original == original) found.push_back(entry);
        return found;
    }
    const Host *host(std::string_view name) const override {
        for (const auto &one : hosts)
            if (one.name == name) return &one;
        return nullptr;
    }
    Timestamp now() const override { return at(100); }
};

struct Case {
    Path path;
    ClusterContext history;
    FactsLog facts;
    FakeEvidence evidence;
    bool known = true; ///< there is cluster state

    Case &state(const std::string &json, double seconds = -60) {
        history.apply(at(seconds), json);
        return *this;
    }
    Case &outcome(Outcome value, const std::string &where = "") {
        path.outcome = value;
        path.droppedAt = value == Outcome::dropped ? where : "";
        if (value == Outcome::dropped) path.endpoint.reset();
        return *this;
    }
    Case &told(const std::string &host, double seconds, const std::string &json) {
        facts.add(host, at(seconds), json);
        return *this;
    }
    Sight &sight(const std::string &host, Direction direction, unsigned leg, Sight::Facing facing, const char *src,
                 const char *dst, double seconds = 0) {
        Sight added;
        added.host = host;
        added.interface = "eth0";
        added.direction = direction;
        added.leg = leg;
        added.facing = facing;
        added.src = address(src);
        added.dst = address(dst);
        added.packets = 1;
        added.first = added.last = at(seconds);
        added.firstPacket.value = evidence.seen.size() + 100;
        added.tcpFlags = TcpFlags::ack;
        evidence.seen.push_back(added);
        return evidence.seen.back();
    }
    FindingInput input() {
        FindingInput result{.path = path};
        if (known) {
            result.cluster = history.at(path.firstSeen);
            result.history = &history;
        }
        if (result.cluster) {
            result.service = result.cluster->service(path.protocol, path.requested);
            if (result.service && path.kind != PathKind::healthCheck) {
                path.kind = PathKind::service;
                path.service = result.service->reference();
            }
        }
        result.evidence = &evidence;
        result.facts = &facts;
        return result;
    }
    /// "D01 P01": what is found, in order.
    std::string codes() {
        std::string text;
        for (const auto &finding : findAll(input()))
            text += (text.empty() ? "" : " ") + finding.code;
        return text;
    }
};

/// A hop of the request: what came in and what went out; "" for nothing.
inline Hop hop(const std::string &host, const char *inSrc, const char *inDst, const char *outSrc, const char *outDst) {
    Hop hop;
    hop.host = host;
    static std::uint64_t number = 0;
    if (*inSrc)
        hop.in = HopEnd{.interface = "eth0",
                        .time = at(0),
                        .src = address(inSrc),
                        .dst = address(inDst),
                        .ttl = 64,
                        .packet = {++number}};
    if (*outSrc)
        hop.out = HopEnd{.interface = "eth0",
                         .time = at(0),
                         .src = address(outSrc),
                         .dst = address(outDst),
                         .ttl = 63,
                         .packet = {++number}};
    if (hop.in && hop.out) {
        if (hop.in->src != hop.out->src) hop.nat.push_back(Nat::snat);
        if (hop.in->dst != hop.out->dst) hop.nat.push_back(Nat::dnat);
    }
    return hop;
}

/// A TCP connection from `from` on host `client` to `to`, translated at `node` into `seen` to `end`, and delivered.
/// With
/// "" for `seen` nothing leaves the node.
inline Case connection(const std::string &client, const char *from, const char *to, const std::string &node,
                       const char *seen, const char *end = kPod) {
    Case made;
    Path &path = made.path;
    path.id = "p1";
    path.protocol = Protocol::tcp;
    path.client = {client, address(from)};
    path.requested = address(to);
    path.firstSeen = at(0);
    path.lastSeen = at(1);
    path.outcome = Outcome::delivered;
    path.hops.push_back(hop(client, "", "", from, to));
    path.hops.push_back(hop(node, from, to, seen, *seen ? end : ""));
    if (*seen) {
        path.hops.push_back(hop("endpoint", seen, end, "", ""));
        path.endpoint =
            EndpointEnd{.pod = "default/source-ip-app", .node = "node1", .host = "endpoint", .address = address(end)};
        path.seenByEndpoint = address(seen);
        path.sourcePreserved = path.seenByEndpoint->ip == path.client.address.ip;
    }
    auto &syn = made.sight(node, Direction::request, 0, Sight::Facing::in, from, to);
    syn.syn = true;
    syn.openings = {{at(0), 0x1000}};
    return made;
}

} // namespace natlens::test
