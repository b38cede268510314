// Views made by hand, and a source that hands them out: what the window is tested with.
#pragma once

#include "app/gui/view_source.h"
#include "tracer/diagram/display_list.h"

#include <QStringList>

#include <memory>
#include <string>
#include <utility>

namespace natlens::gui::handmade {

using tracer::Direction;
using tracer::Hop;
using tracer::HopEnd;
using tracer::HostRole;
using tracer::Nat;
using tracer::Path;
using tracer::Segment;

inline packet::SocketAddress at(const char *address) {
    return *packet::SocketAddress::parse(address);
}

inline HopEnd end(const char *src, const char *dst, int ttl) {
    HopEnd e;
    e.interface = "eth0";
    e.src = at(src);
    e.dst = at(dst);
    e.ttl = static_cast<std::uint8_t>(ttl);
    return e;
}

inline Segment segment(const char *from, const char *to, Direction direction, const char *src, const char *dst) {
    Segment s;
    s.from = from;
    s.to = to;
    s.direction = direction;
    s.src = at(src);
    s.dst = at(dst);
    s.packets = 3;
    return s;
}

/// GET / and its answer.
inline tracer::HttpExchange get(int status) {
    tracer::HttpExchange http;
    http.method = "GET";
    http.target = "/";
    http.status = status;
    return http;
}

/// A request from the client over node2 to the pod on node1, as the document's first picture has it.
inline Path crossNodePath(const std::string &id) {
    Path p;
    p.id = id;
    p.kind = tracer::PathKind::service;
    p.service = tracer::ServiceRef{"default", "nodeport", "NodePort", 80, "http", tracer::Via::nodePort};
    p.protocol = packet::Protocol::tcp;
    p.client = {"client", at("104.132.1.79:53210")};
    p.requested = at("10.240.0.5:32080");
    p.endpoint = tracer::EndpointEnd{"default/source-ip-app", "node1", "source-ip-app", at("10.180.1.136:8080")};
    p.seenByEndpoint = at("10.240.0.5:4021");
    p.sourcePreserved = false;
    p.outcome = tracer::Outcome::delivered;
    p.http = get(200);
    p.http->clientAddress = "10.240.0.5";
    p.packets = 10;

    Hop client;
    client.host = "client";
    client.role = HostRole::client;
    client.out = end("104.132.1.79:53210", "10.240.0.5:32080", 64);
    Hop node2;
    node2.host = "node2";
    node2.role = HostRole::node;
    node2.nat = {Nat::snat, Nat::dnat};
    node2.in = end("104.132.1.79:53210", "10.240.0.5:32080", 64);
    node2.out = end("10.240.0.5:4021", "10.180.1.136:8080", 63);
    node2.rule = "default/nodeport:http node port, masquerade";
    node2.ruleField = "spec.externalTrafficPolicy: Cluster";
    node2.evidence = {tracer::EvidenceKind::conntrack, tracer::EvidenceKind::tcpIsn};
    node2.confidence = 1;
    Hop node1;
    node1.host = "node1";
    node1.role = HostRole::node;
    node1.in = end("10.240.0.5:4021", "10.180.1.136:8080", 63);
    node1.out = end("10.240.0.5:4021", "10.180.1.136:8080", 62);
    node1.evidence = {tracer::EvidenceKind::tuple};
    node1.confidence = 0.9;
    Hop pod;
    pod.host = "source-ip-app";
    pod.role = HostRole::pod;
    pod.in = end("10.240.0.5:4021", "10.180.1.136:8080", 62);
    Hop back = node2;
    back.direction = Direction::reply;
    back.in = end("10.180.1.136:8080", "10.240.0.5:4021", 63);
    back.out = end("10.240.0.5:32080", "104.132.1.79:53210", 62);
    p.hops = {client, node2, node1, pod, back};

    p.segments = {segment("client", "node2", Direction::request, "104.132.1.79:53210", "10.240.0.5:32080"),
                  segment("node2", "node1", Direction::request, "10.240.0.5:4021", "10.180.1.136:8080"),
                  segment("node1", "source-ip-app", Direction::request, "10.240.0.5:4021", "10.180.1.136:8080"),
                  segment("source-ip-app", "node1", Direction::reply, "10.180.1.136:8080", "10.240.0.5:4021"),
                  segment("node1", "node2", Direction::reply, "10.180.1.136:8080", "10.240.0.5:4021"),
                  segment("node2", "client", Direction::reply, "10.240.0.5:32080", "104.132.1.79:53210")};
    p.findings = {{"D01",
                   tracer::Severity::warning,
                   "The endpoint sees node2 instead of the client.",
                   "Set externalTrafficPolicy: Local.",
                   "spec.externalTrafficPolicy",
                   {}}};
    p.settled = true;
    return p;
}

/// A request that node3 dropped because it has no endpoint.
inline Path droppedPath(const std::string &id) {
    Path p = crossNodePath(id);
    p.requested = at("10.240.0.3:32080");
    p.endpoint.reset();
    p.seenByEndpoint.reset();
    p.sourcePreserved.reset();
    p.http.reset();
    p.outcome = tracer::Outcome::dropped;
    p.droppedAt = "node3";
    Hop client;
    client.host = "client";
    client.role = HostRole::client;
    client.out = end("104.132.1.79:53211", "10.240.0.3:32080", 64);
    Hop node3;
    node3.host = "node3";
    node3.role = HostRole::node;
    node3.in = end("104.132.1.79:53211", "10.240.0.3:32080", 64);
    p.hops = {client, node3};
    p.segments = {segment("client", "node3", Direction::request, "104.132.1.79:53211", "10.240.0.3:32080")};
    p.segments.front().lost = true;
    p.findings = {
        {"D13", tracer::Severity::error, "node3 has no endpoint.", "Ask node1.", "spec.externalTrafficPolicy", {}}};
    return p;
}

inline Path healthCheck(const std::string &id, const std::string &node, int status) {
    Path p;
    p.id = id;
    p.kind = tracer::PathKind::healthCheck;
    p.protocol = packet::Protocol::tcp;
    p.client = {"lb", at("10.240.0.2:40000")};
    p.requested = at("10.240.0.5:30000");
    p.endpoint = tracer::EndpointEnd{"", node, node, p.requested};
    p.outcome = tracer::Outcome::delivered;
    p.http = get(status);
    p.settled = true;
    return p;
}

inline std::shared_ptr<const tracer::Snapshot> snapshot(const std::vector<std::shared_ptr<const Path>> &paths,
                                                        std::uint64_t version = 1) {
    auto s = std::make_shared<tracer::Snapshot>();
    s->version = version;
    const auto host = [&](const char *name, HostRole role, const char *address) {
        tracer::Host h;
        h.name = h.label = name;
        h.role = role;
        h.addresses = {*packet::IpAddress::parse(address)};
        s->hosts.push_back(h);
    };
    host("client", HostRole::client, "104.132.1.79");
    host("node2", HostRole::node, "10.240.0.5");
    host("node1", HostRole::node, "10.240.0.4");
    host("node3", HostRole::node, "10.240.0.3");
    host("source-ip-app", HostRole::pod, "10.180.1.136");
    s->hosts.back().podNode = "node1";
    s->points = {{"node2/eth0", "node2", "eth0", 20, 0, false}, {"client/eth0", "client", "eth0", 10, 0, false}};
    s->paths = paths;
    s->packets = 30;
    return s;
}

template<class... Paths>
std::vector<std::shared_ptr<const Path>> shared(Paths... paths) {
    return {std::make_shared<const Path>(std::move(paths))...};
}

inline std::shared_ptr<session::View> view(std::shared_ptr<const tracer::Snapshot> traced, std::uint64_t version) {
    auto v = std::make_shared<session::View>();
    v->version = version;
    v->traced = std::move(traced);
    return v;
}

/// A lab that has played its steps.
inline session::LabStatus labStatus() {
    session::LabStatus lab;
    lab.running = true;
    lab.scenario = "nodeport";
    lab.enterHint = "natlens lab exec node2 -- bash";
    lab.clients = {"client", "client2"};
    lab.targets = {"http://10.240.0.5:32080/", "http://10.240.0.3:32080/"};
    lab.nodes = {"node1", "node2", "node3"};
    lab.services = {{"default/nodeport", "Cluster", 1}};
    lab.pods = {{"default/source-ip-app", "node1", "10.180.1.136", false}};
    lab.log = {"built 3 nodes", "played the steps"};
    lab.stepsDone = true;
    lab.comparisons = {{"node2: client_address=10.240.0.5", "client_address=10.240.0.5", true},
                       {"node3: client_address=10.240.0.3", "no answer", false}};
    return lab;
}

/// Two hosts, a request and a reply arrow between them, and a drop.
inline diagram::DisplayList twoHosts(std::uint64_t packets = 0) {
    using namespace diagram;
    DisplayList list;
    list.bounds = {0, 0, 400, 200};
    Box a;
    a.rect = {0, 20, 80, 60};
    a.ref.host = "client";
    Box b = a;
    b.rect = {320, 20, 80, 60};
    b.ref.host = "node2";
    Box c = a;
    c.rect = {320, 130, 80, 60};
    c.ref.host = "node3";
    list.boxes = {a, b, c};
    Arrow request;
    request.points = {{80, 40}, {320, 40}};
    request.trackId = "client>node2/request";
    request.packets = packets;
    request.ref = {"p1", "", 0, -1};
    Arrow reply;
    reply.points = {{320, 60}, {80, 60}};
    reply.stroke = Token::reply;
    reply.trackId = "node2>client/reply";
    reply.packets = packets;
    reply.ref = {"p1", "", 5, -1};
    Arrow drop;
    drop.points = {{80, 70}, {320, 160}};
    drop.head = ArrowHead::cross;
    drop.trackId = "client>node3/request";
    drop.packets = packets;
    drop.ref = {"p2", "", 0, -1};
    list.arrows = {request, reply, drop};
    Badge badge;
    badge.rect = {180, 30, 44, 18};
    badge.text = "SNAT";
    badge.fill = Token::snat;
    badge.ref = {"p1", "", 0, 1};
    list.badges = {badge};
    Text label;
    label.at = {40, 55};
    label.text = "client";
    label.align = Align::centre;
    label.ref.host = "client";
    list.texts = {label};
    return list;
}

/// Hands out what the test put in, and writes down what it was asked to do.
class FakeSource final : public ViewSource {
public:
    struct State {
        std::shared_ptr<const session::View> view;
        std::optional<base::Error> failure;
        QStringList commands;
        bool lab = true;
    };
    explicit FakeSource(std::shared_ptr<State> state)
        : m_state(std::move(state)) {}

    QString title() const override { return m_state->lab ? "lab: nodeport" : "recording: a.pcapng"; }
    bool isLab() const override { return m_state->lab; }
    std::shared_ptr<const session::View> view() const override { return m_state->view; }
    std::optional<base::Error> failure() const override { return m_state->failure; }
    void sendRequest(const std::string &from, const std::string &url) override { note("request " + from + " " + url); }
    void setExternalTrafficPolicy(const std::string &service, const std::string &policy) override {
        note("policy " + service + " " + policy);
    }
    void movePod(const std::string &pod, const std::string &node) override { note("move " + pod + " " + node); }
    void scale(unsigned replicas) override { note("scale " + std::to_string(replicas)); }
    void playSteps() override { note("play"); }
    void saveRecording(const std::filesystem::path &path, std::function<void(base::Status)> done) override {
        note("save " + path.string());
        done({});
    }

private:
    void note(const std::string &command) { m_state->commands << QString::fromStdString(command); }
    std::shared_ptr<State> m_state;
};

} // namespace natlens::gui::handmade
