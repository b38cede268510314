#include "app/lab/lab.h"

#include "capture/live/interfaces.h"
#include "capture/netlink/event_socket.h"

#include <fmt/format.h>

namespace natlens::lab {
namespace {

using base::ErrorCode;

/// How long the captures must have been silent before a scenario counts as over, and how long to wait for that.
constexpr milliseconds kQuiet{25};
constexpr milliseconds kDrainPatience{1000};
/// Every packet of the lab's MTU is whole, so that the echo page can be read from it. The kernel reserves snapLength for
/// each packet of the ring: this is room for about a thousand.
const live::CaptureOptions kCapture{.snapLength = 2048, .ringBytes = 2U << 20};
/// The longest sleep of the loop; commands and packets wake it at once.
constexpr milliseconds kIdle{500};

packet::IpPrefix ipv4Range(const proxycore::Node &node) {
    for (const auto &cidr : node.podCIDRs)
        if (cidr.address.isV4()) return cidr;
    return {};
}

packet::IpAddress ipv4(const proxycore::Pod &pod) {
    for (const auto &ip : pod.ips)
        if (ip.isV4()) return ip;
    return {};
}

std::string policyName(const proxycore::Service &service) {
    return std::string(proxycore::toString(service.externalTrafficPolicy));
}

/// "client_address=10.240.0.5" in an echo page.
std::string clientAddressIn(const std::string &body) {
    constexpr std::string_view kKey = "client_address=";
    const auto at = body.find(kKey);
    if (at == std::string::npos) return {};
    const auto start = at + kKey.size();
    return body.substr(start, body.find('\n', start) - start);
}

void replaceAll(std::string &text, std::string_view from, std::string_view to) {
    for (auto at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size()))
        text.replace(at, from.size(), to);
}

proxycore::HealthProfile healthProfile(const std::string &name) {
    if (name == "document") return proxycore::HealthProfile::document;
    if (name == "today") return proxycore::HealthProfile::today;
    return proxycore::HealthProfile::picture;
}

} // namespace

Lab::Lab(Scenario scenario, base::UniqueFd stream, base::UniqueFd control, EntryServer entry)
    : m_scenario(std::move(scenario))
    , m_control(std::move(control))
    , m_entry(std::move(entry))
    , m_cluster(m_scenario.cluster)
    , m_stream(std::move(stream))
    , m_player(m_scenario.steps, *this) {}

Lab::~Lab() = default;

int Lab::run() {
    if (auto status = build(); !status) {
        m_control.error(status.error(), true);
        return base::exitStatus(status.error());
    }
    announce();
    loop();
    if (auto status = m_capture->stop(); !status) {
        m_control.error(status.error(), false);
        return base::exitStatus(status.error());
    }
    return 0;
}

// --- building ---------------------------------------------------------------------------------------------------

base::Status Lab::build() {
    if (auto status = buildHosts(); !status) return status;
    // Captures before rules and traffic, so that nothing that happens is missed.
    if (auto status = startCaptures(); !status) return status;
    return startWorkloads();
}

base::Status Lab::buildHosts() {
    std::vector<HostSpec> specs;
    for (const auto &host : m_scenario.outside) specs.push_back({host.name, HostKind::outside, host.address});
    if (m_scenario.loadBalancer)
        specs.push_back({m_scenario.loadBalancer->name, HostKind::loadBalancer, m_scenario.loadBalancer->address});
    const auto &state = m_cluster.state();
    if (state.nodes.empty())
        return base::fail(ErrorCode::invalidInput, "the cluster has no Node objects; a lab needs at least one",
                          "build lab", m_scenario.name);
    for (const auto &[name, node] : state.nodes) {
        const auto address = node->primaryAddress(packet::IpFamily::v4);
        if (address.isNone() || ipv4Range(*node).address.isNone())
            return base::fail(ErrorCode::invalidInput, "needs an IPv4 InternalIP and an IPv4 spec.podCIDR", "build node",
                              name.name);
        specs.push_back({name.name, HostKind::node, address, ipv4Range(*node)});
    }
    for (const auto &[name, pod] : state.pods) {
        if (pod->hostNetwork || ipv4(*pod).isNone()) continue; // nothing of its own to build
        specs.push_back({name.name, HostKind::pod, ipv4(*pod), {}, pod->nodeName});
    }
    auto topology = Topology::build(specs);
    if (!topology) return std::unexpected(topology.error());
    m_topology.emplace(std::move(*topology));
    return {};
}

base::Status Lab::startCaptures() {
    m_capture = std::make_unique<probe::CaptureService>(std::move(m_stream));
    std::vector<probe::CaptureService::InterfaceRequest> interfaces;
    for (auto &host : m_topology->hosts()) {
        if (host.kind == HostKind::node) {
            if (auto status = captureEvidence(host); !status) return status;
            interfaces.push_back({host.name, "lo", host.nameSpace.fd()});
        }
        for (const auto &interface : host.interfaces) interfaces.push_back({host.name, interface, host.nameSpace.fd()});
    }
    if (auto status = m_capture->addInterfaces(interfaces, kCapture); !status) return status;
    if (auto status = m_capture->addClusterState(); !status) return status;
    return m_capture->start();
}

base::Status Lab::captureEvidence(LabHost &node) {
    InNamespace inside(node.nameSpace);
    if (auto status = netlink::enableConntrackEvents(); !status) return status;
    if (auto status = m_capture->addConntrack(node.name); !status) return status;
    const auto found = live::listInterfaces();
    if (!found) return std::unexpected(found.error());
    netlink::InterfaceNames names;
    for (const auto &interface : *found) names[interface.index] = interface.name;
    return m_capture->addRuleTrace(node.name, names);
}

base::Status Lab::startWorkloads() {
    for (const auto &event : m_cluster.initialEvents())
        if (auto status = m_capture->writeClusterState(event); !status) return status;
    for (const auto &[name, pod] : m_cluster.state().pods)
        if (auto status = startServer(*pod); !status) return status;
    for (auto &host : m_topology->hosts()) {
        if (host.kind != HostKind::node) continue;
        auto agent = NodeAgent::start(host, m_scenario.datapath, healthProfile(m_scenario.profile),
                                      m_scenario.proxyConfig);
        if (!agent) return std::unexpected(agent.error());
        if (auto status = (*agent)->sync(m_cluster.state()); !status) return status;
        if (auto status = (*agent)->installTrace(); !status) return status;
        m_nodes.emplace(host.name, std::move(*agent));
    }
    if (!m_scenario.loadBalancer) return {};
    m_loadBalancer = std::make_unique<LoadBalancer>(*m_scenario.loadBalancer, m_client,
                                                    *m_topology->find(m_scenario.loadBalancer->name), [this] {
                                                        std::string nodes;
                                                        for (const auto &node : m_loadBalancer->inRotation())
                                                            nodes += (nodes.empty() ? "" : ", ") + node;
                                                        log("load balancer: in rotation: " + (nodes.empty() ? "nobody" : nodes));
                                                        sendState();
                                                    });
    if (auto status = m_loadBalancer->configure(m_cluster.state()); !status) return status;
    for (const auto &vip : m_loadBalancer->vips())
        if (auto status = m_topology->routeVip(vip, m_scenario.loadBalancer->address); !status) return status;
    return {};
}

base::Status Lab::startServer(const proxycore::Pod &pod) {
    LabHost *host = m_topology->find(pod.name.name);
    if (host == nullptr) return {};
    for (const auto port : m_cluster.serverPorts(pod)) {
        auto server = HttpServer::listen(host->nameSpace, {packet::IpAddress::v4(0), port}, echo);
        if (!server) return std::unexpected(server.error());
        m_podServers.emplace(pod.name.name, std::move(*server));
    }
    return {};
}

bool Lab::isClient(const proxycore::Pod &pod) const { return m_cluster.serverPorts(pod).empty(); }

void Lab::announce() {
    ReadyEvent event;
    event.scenario = m_scenario.name;
    event.summary = m_scenario.summary;
    event.targets = requestTargets();
    event.expectJson = expectations();
    for (const auto &host : m_scenario.outside) event.clients.push_back(host.name);
    for (const auto &[name, pod] : m_cluster.state().pods)
        if (isClient(*pod)) event.clients.push_back(name.name);
    for (const auto &[name, node] : m_cluster.state().nodes) {
        event.clients.push_back(name.name);
        event.nodes.push_back(name.name);
    }
    event.enterHint = fmt::format("natlens lab exec {} -- bash", event.nodes.front());
    m_control.ready(event);
    for (const auto &problem : m_cluster.state().problems) log(problem.toString());
    sendState();
}

std::vector<std::string> Lab::requestTargets() const {
    std::vector<std::string> vips, nodePorts, clusterIps;
    for (const auto &[name, service] : m_cluster.state().services) {
        for (const auto &port : service->ports) {
            if (port.protocol != packet::Protocol::tcp) continue;
            const std::string suffix = port.port == 80 ? "/" : fmt::format(":{}/", port.port);
            for (const auto &ingress : service->ingress)
                if (ingress.ip.isV4()) vips.push_back("http://" + ingress.ip.toString() + suffix);
            for (const auto &[nodeName, node] : m_cluster.state().nodes)
                if (port.nodePort != 0)
                    nodePorts.push_back(fmt::format("http://{}:{}/",
                                                    node->primaryAddress(packet::IpFamily::v4).toString(), port.nodePort));
            for (const auto &ip : service->clusterIPs)
                if (ip.isV4()) clusterIps.push_back("http://" + ip.toString() + suffix);
        }
    }
    vips.insert(vips.end(), nodePorts.begin(), nodePorts.end());
    vips.insert(vips.end(), clusterIps.begin(), clusterIps.end());
    return vips;
}

std::string Lab::expectations() const {
    std::string text = m_scenario.expectJson;
    replaceAll(text, "\"$failStatus\"", m_scenario.profile == "picture" ? "500" : "503");
    replaceAll(text, "$mode", proxycore::toString(m_scenario.proxyConfig.mode));
    return text;
}

// --- living -----------------------------------------------------------------------------------------------------

void Lab::loop() {
    std::vector<HttpServer *> servers;
    std::vector<HttpClient::Watch> watches;
    while (!m_stop) {
        const auto now = std::chrono::steady_clock::now();
        auto wake = now + (m_player.playing() ? milliseconds(20) : kIdle);
        if (m_loadBalancer) wake = std::min(wake, m_loadBalancer->tick(now));
        m_player.advance(now);

        servers.clear();
        for (const auto &[name, server] : m_podServers) servers.push_back(server.get());
        for (const auto &[name, agent] : m_nodes) agent->addServers(servers);
        watches.assign(1, {m_control.fd()});
        watches.push_back({m_entry.fd()});
        for (const auto *server : servers) watches.push_back({server->fd()});

        const auto sleep = std::chrono::duration_cast<milliseconds>(wake - now);
        m_client.wait(watches, std::clamp(sleep, milliseconds(0), kIdle));

        for (std::size_t i = 0; i < servers.size(); ++i)
            if (watches[i + 2].readable) servers[i]->serve();
        if (watches[1].readable) {
            std::vector<std::string> names;
            for (const auto &host : m_topology->hosts()) names.push_back(host.name);
            m_entry.serve(
                [this](const std::string &name) {
                    const LabHost *host = m_topology->find(name);
                    return host == nullptr ? -1 : host->nameSpace.fd();
                },
                names);
        }
        if (watches[0].readable) {
            bool closed = false;
            for (const auto &command : m_control.receive(closed)) handle(command);
            if (closed) m_stop = true;
        }
    }
}

void Lab::handle(const Command &command) {
    struct Visitor {
        Lab &lab;
        void operator()(const PlayCommand &) const { lab.m_player.play(); }
        void operator()(const StopCommand &) const { lab.m_stop = true; }
        void operator()(const RequestCommand &c) const {
            lab.request(c.from, c.url, milliseconds(2000), [] {});
        }
        void operator()(const SetPolicyCommand &c) const {
            lab.report(lab.m_cluster.setPolicy(c.service, c.policy),
                       fmt::format("{}: externalTrafficPolicy is {}", c.service, c.policy));
        }
        void operator()(const MovePodCommand &c) const {
            lab.report(lab.m_cluster.movePod(c.pod, c.node), fmt::format("pod {} goes to {}", c.pod, c.node));
        }
        void operator()(const ScaleCommand &c) const {
            lab.report(lab.m_cluster.scale(c.replicas), fmt::format("scaled to {}", c.replicas));
        }
        void operator()(const UnknownCommand &c) const {
            lab.m_control.error({ErrorCode::invalidInput, c.reason, "lab command"}, false);
        }
    };
    std::visit(Visitor{*this}, command);
}

void Lab::report(const base::Result<ClusterChange> &change, const std::string &what) {
    if (!change) {
        m_control.error(change.error(), false);
        return;
    }
    if (auto status = apply(*change); !status) {
        m_control.error(status.error(), false);
        return;
    }
    log(what);
    sendState();
}

base::Status Lab::apply(const ClusterChange &change) {
    // Told before it is done: a packet in the recording never meets rules that the recording has not heard of.
    for (const auto &event : change.events)
        if (auto status = m_capture->writeClusterState(event); !status) return status;
    for (const auto &pod : change.podsRemoved) {
        LabHost *host = m_topology->find(pod.name.name);
        if (host == nullptr) continue;
        m_podServers.erase(pod.name.name);
        m_client.cancel(host->nameSpace);
        if (auto status = m_capture->removeInterface(host->name, "eth0"); !status) return status;
        auto status = m_capture->removeInterface(host->nodeName, Topology::portName(host->address));
        if (!status) return status;
        if (status = m_topology->removePod(pod.name.name); !status) return status;
    }
    for (const auto &pod : change.podsAdded) {
        auto host = m_topology->addPod({pod.name.name, HostKind::pod, ipv4(pod), {}, pod.nodeName});
        if (!host) return std::unexpected(host.error());
        const LabHost *node = m_topology->find(pod.nodeName);
        const probe::CaptureService::InterfaceRequest interfaces[] = {
            {pod.name.name, "eth0", (*host)->nameSpace.fd()},
            {node->name, Topology::portName(ipv4(pod)), node->nameSpace.fd()}};
        if (auto status = m_capture->addInterfaces(interfaces, kCapture); !status) return status;
        if (auto status = startServer(pod); !status) return status;
    }
    for (const auto &[name, agent] : m_nodes)
        if (auto status = agent->sync(m_cluster.state()); !status) return status;
    return m_loadBalancer ? m_loadBalancer->configure(m_cluster.state()) : base::Status{};
}

LabState Lab::currentState() const {
    LabState state;
    const auto &cluster = m_cluster.state();
    for (const auto &[name, service] : cluster.services) {
        std::size_t endpoints = 0;
        for (const auto &[sliceName, slice] : cluster.endpointSlices)
            if (slice->serviceName == name.name && sliceName.nameSpace == name.nameSpace)
                endpoints += slice->endpoints.size();
        state.services.push_back({name.toString(), policyName(*service), endpoints});
    }
    for (const auto &[name, pod] : cluster.pods)
        state.pods.push_back({name.toString(), pod->nodeName, ipv4(*pod).toString(), isClient(*pod)});
    if (m_loadBalancer) state.inRotation = m_loadBalancer->inRotation();
    return state;
}

void Lab::sendState() {
    LabState state = currentState();
    if (state == m_lastState) return;
    m_control.state(state);
    m_lastState = std::move(state);
}

// --- StepActions ------------------------------------------------------------------------------------------------

void Lab::log(const std::string &text) { m_control.log(text); }

void Lab::request(const std::string &from, const std::string &url, milliseconds connectTimeout,
                  std::function<void()> done) {
    LabHost *host = m_topology->find(from);
    if (host == nullptr) {
        m_control.error({ErrorCode::notFound, "no such host in this lab", "request from", from}, false);
        return done();
    }
    const HttpLimits limits{connectTimeout, connectTimeout + milliseconds(3000)};
    m_client.get(host->nameSpace, url, limits, [this, from, url, done = std::move(done)](const HttpOutcome &outcome) {
        m_control.answer({from, url, outcome.status, clientAddressIn(outcome.body), outcome.error, outcome.body});
        done();
    });
}

void Lab::change(const Step &step) {
    switch (step.kind) {
    case Step::Kind::annotate:
        report(m_cluster.annotate(step.service, step.key, step.value),
               fmt::format("service \"{}\" annotated", LabCluster::parseName(step.service).name));
        break;
    case Step::Kind::setPolicy:
        report(m_cluster.setPolicy(step.service, step.value),
               fmt::format("{}: externalTrafficPolicy is {}", step.service, step.value));
        break;
    case Step::Kind::movePod:
        report(m_cluster.movePod(step.pod, step.node), fmt::format("pod {} goes to {}", step.pod, step.node));
        break;
    case Step::Kind::scale:
        report(m_cluster.scale(step.replicas), fmt::format("scaled to {}", step.replicas));
        break;
    default: break;
    }
}

std::optional<std::vector<std::string>> Lab::settledRotation() const {
    if (!m_loadBalancer || !m_loadBalancer->settled()) return std::nullopt;
    return m_loadBalancer->inRotation();
}

void Lab::stepsDone() {
    m_capture->drain(kQuiet, kDrainPatience);
    m_control.stepsDone();
}

} // namespace natlens::lab
