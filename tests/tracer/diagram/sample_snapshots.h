// Hand-made snapshots of the document's clusters, built as the tracer would: hosts, then paths with hops and segments.
#pragma once

#include "tracer/path/snapshot.h"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace natlens::testing {

using namespace natlens::tracer;

inline SocketAddress at(std::string_view ip, std::uint16_t port) {
    const auto parsed = IpAddress::parse(ip);
    return {parsed ? *parsed : IpAddress{}, port};
}

inline Hop hopOf(const std::string &host, HostRole role, Direction direction) {
    Hop hop;
    hop.host = host;
    hop.role = role;
    hop.direction = direction;
    return hop;
}

/// Addresses before and after one host of a request.
struct Leg {
    std::string host;       ///< who sends
    SocketAddress src, dst; ///< as they leave it
};

inline constexpr std::string_view kClientIp = "104.132.1.79", kPodIp = "10.180.1.136", kVip = "104.198.149.140";
inline std::string nodeIp(const std::string &node) {
    return node == "node2" ? "10.240.0.5" : node == "node3" ? "10.240.0.3" : "10.240.0.4";
}

class SampleSnapshot {
public:
    Snapshot snapshot;

    SampleSnapshot &host(std::string name, HostRole role, std::vector<std::string> addresses,
                         std::string podNode = {}) {
        Host made{name, role, role == HostRole::unknown, {}, std::move(podNode), name};
        for (const auto &address : addresses)
            made.addresses.push_back(*IpAddress::parse(address));
        snapshot.hosts.push_back(made);
        snapshot.points.push_back({.name = name + "/eth0", .host = name, .interface = "eth0"});
        return *this;
    }
    /// The document's cluster: client, three nodes, the endpoint's pod; a load balancer where asked for.
    SampleSnapshot &cluster(bool balancer = false, const std::string &podNode = "node1") {
        host("client", HostRole::client, {std::string(kClientIp)});
        if (balancer) host("lb", HostRole::loadBalancer, {"10.240.0.254"});
        for (const std::string node : {"node1", "node2", "node3"})
            host(node, HostRole::node, {nodeIp(node)});
        return host("source-ip-app", HostRole::pod, {std::string(kPodIp)}, podNode);
    }

    /// A connection along `legs`; the last leg's addresses are what `endpoint` sees. The reply goes back the same way,
    /// leaving out `replySkips`. Translations follow from the addresses.
    Path &path(const std::vector<Leg> &legs, const std::string &endpoint, const std::string &replySkips = {}) {
        Path p;
        p.id = "p" + std::to_string(snapshot.paths.size() + 1);
        p.protocol = Protocol::tcp;
        p.kind = PathKind::service;
        p.firstSeen = p.lastSeen =
            Timestamp{1'700'000'000'000'000'000 + static_cast<std::int64_t>(snapshot.paths.size()) * 1'000'000};
        p.client = {legs.front().host, legs.front().src};
        p.requested = legs.front().dst;
        p.endpoint = EndpointEnd{"default/" + endpoint, legs.size() > 1 ? legs.back().host : endpoint, endpoint,
                                 legs.back().dst};
        p.seenByEndpoint = legs.back().src;
        p.sourcePreserved = legs.back().src.ip == legs.front().src.ip;
        p.outcome = Outcome::delivered;
        p.http = HttpExchange{"GET", "/", 200, legs.back().src.ip.toString()};
        p.packets = 10;
        p.settled = true;
        const auto end = [&](const Leg &leg, std::uint8_t ttl) {
            return HopEnd{"eth0", p.firstSeen, leg.src, leg.dst, ttl, base::PacketNumber{1}};
        };
        const auto reversed = [](const Leg &leg) { return Leg{leg.host, leg.dst, leg.src}; };
        for (std::size_t i = 0; i < legs.size(); ++i) {
            Hop hop = hopOf(legs[i].host, HostRole::node, Direction::request);
            if (i > 0) {
                hop.in = end(legs[i - 1], static_cast<std::uint8_t>(65 - i));
                if (legs[i].src != legs[i - 1].src) hop.nat.push_back(Nat::snat);
                if (legs[i].dst != legs[i - 1].dst) hop.nat.push_back(Nat::dnat);
                hop.evidence = {EvidenceKind::conntrack, EvidenceKind::tcpIsn};
                hop.confidence = 1;
            }
            hop.out = end(legs[i], static_cast<std::uint8_t>(64 - i));
            p.hops.push_back(hop);
            const auto to = i + 1 < legs.size() ? legs[i + 1].host : endpoint;
            p.segments.push_back({legs[i].host, to, Direction::request, legs[i].src, legs[i].dst, 5, p.firstSeen,
                                  p.firstSeen, false, 1});
        }
        p.hops.push_back(hopOf(endpoint, HostRole::pod, Direction::request));
        p.hops.back().in = end(legs.back(), 62);
        std::string from = endpoint;
        p.hops.push_back(hopOf(endpoint, HostRole::pod, Direction::reply));
        p.hops.back().out = end(reversed(legs.back()), 64);
        for (std::size_t i = legs.size(); i-- > 0;) {
            if (legs[i].host == replySkips) continue;
            const auto leg = reversed(legs[i]);
            p.segments.push_back(
                {from, leg.host, Direction::reply, leg.src, leg.dst, 5, p.firstSeen, p.firstSeen, false, 1});
            Hop hop = hopOf(leg.host, HostRole::node, Direction::reply);
            hop.in = end(leg, 60);
            if (i > 0) hop.out = end(reversed(legs[i - 1]), 59);
            p.hops.push_back(hop);
            from = leg.host;
        }
        return add(std::move(p));
    }

    /// client -> node's port -> the pod on `podNode`, masqueraded unless the policy is Local.
    Path &nodePort(const std::string &node, bool masquerade = true, const std::string &podNode = "node1",
                   const std::string &client = "client", const std::string &pod = "source-ip-app") {
        const auto asked = at(nodeIp(node), 32080),
                   from = at(kClientIp, static_cast<std::uint16_t>(53210 + snapshot.paths.size()));
        const auto podAt = at(kPodIp, 8080);
        const bool across = node != podNode;
        const auto seen = !masquerade ? from : across ? at(nodeIp(node), 4021) : at("10.180.1.1", 4021);
        std::vector<Leg> legs{{client, from, asked}, {node, seen, podAt}};
        if (across) legs.push_back({podNode, seen, podAt});
        auto &p = path(legs, pod);
        p.service = ServiceRef{"default", "nodeport", "NodePort", 80, "", Via::nodePort};
        for (auto &hop : p.hops)
            if (!hop.nat.empty()) {
                hop.rule = "default/nodeport node port, masquerade";
                hop.ruleField = "spec.externalTrafficPolicy: Cluster";
            }
        return p;
    }

    /// client -> node's port, dropped there.
    Path &dropped(const std::string &node, bool knownService = true, const std::string &client = "client") {
        auto &p = path({{client, at(kClientIp, static_cast<std::uint16_t>(53210 + snapshot.paths.size())),
                         at(nodeIp(node), 32080)}},
                       node);
        if (knownService)
            p.service = ServiceRef{"default", "nodeport", "NodePort", 80, "", Via::nodePort};
        else
            p.kind = PathKind::direct;
        p.endpoint.reset();
        p.seenByEndpoint.reset();
        p.sourcePreserved.reset();
        p.http.reset();
        p.outcome = Outcome::dropped;
        p.droppedAt = node;
        withoutReplies(p);
        p.segments.front().lost = true;
        return p;
    }

    /// client -> lb -> node -> pod; the node answers the client directly.
    Path &balanced(const std::string &node, bool masquerade = false, const std::string &podNode = "node1") {
        const auto from = at(kClientIp, static_cast<std::uint16_t>(53210 + snapshot.paths.size())), vip = at(kVip, 80),
                   podAt = at(kPodIp, 8080);
        const bool across = node != podNode;
        const auto seen = !masquerade ? from : across ? at(nodeIp(node), 4021) : at("10.180.1.1", 4021);
        std::vector<Leg> legs{{"client", from, vip}, {"lb", from, vip}, {node, seen, podAt}};
        if (across) legs.push_back({podNode, seen, podAt});
        auto &p = path(legs, "source-ip-app", "lb");
        p.service = ServiceRef{"default", "loadbalancer", "LoadBalancer", 80, "", Via::loadBalancerIP};
        return p;
    }

    /// The load balancer asks a node; status 0: no answer.
    Path &check(const std::string &node, int status) {
        auto &p = path({{"lb", at("10.240.0.254", static_cast<std::uint16_t>(40000 + snapshot.paths.size())),
                         at(nodeIp(node), 32122)}},
                       node);
        p.kind = PathKind::healthCheck;
        p.endpoint->pod.clear();
        p.http = HttpExchange{"GET", "/healthz", status, ""};
        if (status == 0) {
            withoutReplies(p);
            p.http.reset();
            p.outcome = Outcome::unanswered;
        }
        return p;
    }

    /// A pod asks the cluster IP.
    Path &clusterIp(const std::string &clientNode, const std::string &podNode) {
        const auto from = at("10.244.3.8", 41000), vip = at("10.0.170.92", 80), podAt = at(kPodIp, 8080);
        std::vector<Leg> legs{{"busybox", from, vip}, {clientNode, from, podAt}};
        if (clientNode != podNode) legs.push_back({podNode, from, podAt});
        auto &p = path(legs, "source-ip-app");
        p.service = ServiceRef{"default", "clusterip", "ClusterIP", 80, "", Via::clusterIP};
        return p;
    }

    static void withoutReplies(Path &p) {
        std::erase_if(p.segments, [](const Segment &s) { return s.direction == Direction::reply; });
        std::erase_if(p.hops, [](const Hop &h) { return h.direction == Direction::reply; });
    }
    template<class Change>
    SampleSnapshot &changeAll(Change change) {
        for (const auto &p : snapshot.paths)
            change(const_cast<Path &>(*p));
        return *this;
    }
    /// As from a recording without cluster state: roles and services unknown.
    SampleSnapshot &withoutClusterState() {
        for (auto &h : snapshot.hosts) {
            h.role = HostRole::unknown;
            h.roleInferred = true;
            h.podNode.clear();
        }
        return changeAll([](Path &p) {
            if (p.kind == PathKind::service && p.outcome == Outcome::dropped) p.kind = PathKind::direct;
            p.service.reset();
            if (p.endpoint) p.endpoint->pod.clear();
            for (auto &hop : p.hops) {
                hop.role = HostRole::unknown;
                hop.rule.clear();
                hop.ruleField.clear();
            }
        });
    }

private:
    Path &add(Path p) {
        auto made = std::make_shared<Path>(std::move(p));
        snapshot.paths.push_back(made);
        return *made;
    }
};

/// The document's three scenarios as they are traced.
inline SampleSnapshot nodePortScenario(const std::string &podNode = "node1") {
    SampleSnapshot s;
    s.cluster(false, podNode);
    for (const std::string node : {"node1", "node2", "node3"})
        s.nodePort(node, true, podNode);
    return s;
}
inline SampleSnapshot nodePortLocalScenario(const std::string &podNode = "node1") {
    SampleSnapshot s;
    s.cluster(false, podNode);
    for (const std::string node : {"node1", "node2", "node3"})
        if (node == podNode)
            s.nodePort(node, false, podNode);
        else
            s.dropped(node);
    return s;
}
inline SampleSnapshot balancerLocalScenario(int failing = 500) {
    SampleSnapshot s;
    s.cluster(true);
    s.check("node1", 200);
    s.check("node2", failing);
    s.check("node3", failing);
    s.balanced("node1");
    return s;
}

} // namespace natlens::testing
