#include "app/lab/lab.h"

#include "app/lab/addressing.h"
#include "app/lab/endpoint_pods.h"
#include "app/lab/sockets.h"
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
/// Multicast listener reports: every IPv6 interface sends some when it comes up, and means nobody.
constexpr const char *kNotForPeople = "not dst host ff02::16";
bool servesSctp(const proxycore::ClusterState &state) {
    return std::ranges::any_of(state.services, [](const auto &entry) {
        return std::ranges::any_of(entry.second->ports,
                                   [](const auto &port) { return port.protocol == packet::Protocol::sctp; });
    });
}

/// The longest sleep of the loop; commands and packets wake it at once.
constexpr milliseconds kIdle{500};
constexpr milliseconds kBetweenLooks{1000}; // at rules that someone else may have changed, one node at a time

} // namespace

Lab::Lab(Scenario scenario, base::UniqueFd stream, base::UniqueFd control, EntryServer entry)
    : Director(std::move(scenario), std::move(control))
    , m_entry(std::move(entry))
    , m_stream(std::move(stream)) {}

Lab::~Lab() = default;

int Lab::run() {
    if (auto status = build(); !status) {
        m_control.error(status.error(), true);
        return base::exitStatus(status.error());
    }
    announce();
    if (!m_hasSctp && servesSctp(m_cluster.state()))
        log("this kernel has no SCTP sockets: rules for SCTP are in place, but no pod answers");
    loop();
    if (auto status = m_capture->stop(); !status) {
        m_control.error(status.error(), false);
        return base::exitStatus(status.error());
    }
    return 0;
}

// --- building ---------------------------------------------------------------------------------------------------

base::Status Lab::build() {
    if (auto status = HostActions::checkNeeds(m_scenario); !status) return status;
    auto client = HttpClient::make();
    if (!client) return std::unexpected(client.error());
    m_client.emplace(std::move(*client));
    if (auto status = buildHosts(); !status) return status;
    if (auto status = makeDatapaths(); !status) return status;
    // Captures before rules and traffic, so that nothing that happens is missed.
    if (auto status = startCaptures(); !status) return status;
    if (auto status = startWorkloads(); !status) return status;
    if (auto status = tellOfLinks(m_topology->awaitLinks()); !status) return status;
    return setUp();
}

/// The lab goes on without links that are not up in time, but it says so: the first packets there may get lost.
base::Status Lab::tellOfLinks(const base::Result<Topology::HostNames> &missing) {
    if (!missing) return std::unexpected(missing.error());
    if (!missing->empty()) log(Topology::linksWarning(*missing));
    return {};
}

/// What the scenario does to hosts before anything is asked.
base::Status Lab::setUp() {
    auto reactor = Reactor::create();
    if (!reactor) return std::unexpected(reactor.error());
    m_reactor = std::move(*reactor);
    m_actions = std::make_unique<HostActions>(HostActions::Place{*m_topology, *m_capture, m_scenario, *m_reactor});
    if (auto status = m_actions->prepare(); !status) return status;
    for (const auto &action : m_scenario.setup)
        if (auto status = m_actions->perform(action, [] {}); !status) return status;
    return m_actions->recordFacts();
}

base::Status Lab::buildHosts() {
    const auto specs = hostSpecs(m_scenario, m_cluster.state());
    if (!specs) return std::unexpected(specs.error());
    auto topology = Topology::build(*specs);
    if (!topology) return std::unexpected(topology.error());
    m_topology.emplace(std::move(*topology));
    return {};
}

/// Before everything else that opens descriptors: libnftables waits for its socket with select(), which knows none
/// beyond 1023, and the captures of a hundred nodes take more.
base::Status Lab::makeDatapaths() {
    m_capture = std::make_unique<probe::CaptureService>(std::move(m_stream));
    for (auto &host : m_topology->hosts()) {
        if (host.kind != HostKind::node) continue;
        InNamespace inside(host.nameSpace); // where the rules will go: a datapath stays where it was made
        auto datapath = makeDatapath(m_scenario.datapath, {host, *m_capture, m_scenario.proxyConfig,
                                                           m_scenario.seed + m_datapaths.size()});
        if (!datapath) return std::unexpected(datapath.error());
        m_datapaths.emplace(host.name, std::move(*datapath));
    }
    return {};
}

base::Status Lab::startCaptures() {
    std::vector<probe::CaptureService::InterfaceRequest> interfaces;
    for (auto &host : m_topology->hosts()) {
        if (host.kind == HostKind::node) {
            if (auto status = captureEvidence(host); !status) return status;
            if (auto status = m_capture->addFacts(host.name); !status) return status;
            interfaces.push_back({host.name, "lo", host.nameSpace.fd()});
        }
        for (const auto &interface : host.interfaces) interfaces.push_back({host.name, interface, host.nameSpace.fd()});
    }
    if (auto status = m_capture->addInterfaces(interfaces, captureOptions()); !status) return status;
    if (auto status = m_capture->addClusterState(); !status) return status;
    return m_capture->start();
}

live::CaptureOptions Lab::captureOptions() const {
    auto options = kCapture;
    if (usesIpv6(m_cluster.state())) options.filter = kNotForPeople;
    return options;
}

base::Status Lab::captureEvidence(LabHost &node) {
    InNamespace inside(node.nameSpace);
    if (m_scenario.datapath == DatapathKind::engine) return m_capture->addWrittenConntrack(node.name);
    if (auto status = netlink::enableConntrackEvents(); !status) return status;
    if (auto status = m_capture->addConntrack(node.name); !status) return status;
    const auto found = live::listInterfaces();
    if (!found) return std::unexpected(found.error());
    netlink::InterfaceNames names;
    for (const auto &interface : *found) names[interface.index] = interface.name;
    return m_capture->addRuleTrace(node.name, names);
}

base::Status Lab::startWorkloads() {
    const auto listed = base::Timestamp::now();
    for (const auto &events : {m_cluster.initialEvents(), m_scenario.otherObjects})
        for (const auto &event : events)
            if (auto status = m_capture->writeClusterState(event, listed); !status) return status;
    for (const auto &[name, pod] : m_cluster.state().pods)
        if (auto status = startServer(*pod); !status) return status;
    for (const auto &address : outsideEndpoints(m_cluster.state()))
        if (const auto *host = m_topology->find(nameFor("endpoint", address)))
            if (auto status = listenOn(*host, {m_cluster.endpointPorts({&address, 1}, packet::Protocol::tcp),
                                               m_cluster.endpointPorts({&address, 1}, packet::Protocol::udp),
                                               m_cluster.endpointPorts({&address, 1}, packet::Protocol::sctp)});
                !status)
                return status;
    for (auto &host : m_topology->hosts()) {
        if (host.kind != HostKind::node) continue;
        auto agent =
            NodeAgent::start(host, std::move(m_datapaths.at(host.name)), healthProfile(), m_scenario.proxyConfig);
        if (!agent) return std::unexpected(agent.error());
        if (m_scenario.keepStaleConnections) (*agent)->keepStaleConnections();
        if (auto status = sync(host.name, **agent); !status) return status;
        if (auto status = (*agent)->installTrace(); !status) return status;
        m_nodes.emplace(host.name, std::move(*agent));
    }
    m_pace.synced(std::chrono::steady_clock::now());
    if (!m_scenario.loadBalancer) return routeServices();
    m_loadBalancer = std::make_unique<LoadBalancer>(*m_scenario.loadBalancer, *m_client,
                                                    *m_topology->find(m_scenario.loadBalancer->name),
                                                    [this] { rotationChanged(); });
    if (auto status = m_loadBalancer->configure(m_cluster.state()); !status) return status;
    for (const auto &vip : m_loadBalancer->rotation().vips())
        if (auto status = m_topology->routeVip(vip, m_scenario.loadBalancer->name); !status) return status;
    return {};
}

base::Status Lab::sync(const std::string &node, NodeAgent &agent) {
    auto status = agent.sync(m_cluster.state());
    for (const auto &warning : agent.takeWarnings())
        log(fmt::format("warning: {}: {}", node, warning));
    return status;
}

base::Status Lab::startServer(const proxycore::Pod &pod) {
    // Somebody brings a server of their own (`natlens lab exec POD -- SERVER`).
    if (const auto label = pod.labels.find("natlens.io/server"); label != pod.labels.end() && label->second == "none")
        return {};
    const LabHost *host = pod.hostNetwork ? m_topology->find(pod.nodeName) : m_topology->findPod(pod.name);
    if (host == nullptr) return {};
    auto status = listenOn(*host, {m_cluster.serverPorts(pod), m_cluster.serverPorts(pod, packet::Protocol::udp),
                                   m_cluster.serverPorts(pod, packet::Protocol::sctp)});
    if (status || !pod.hostNetwork) return status;
    // On a node something else may have the port; the others can do without this one.
    log(fmt::format("nobody answers for {}: {}", pod.name.toString(), status.error().sentence()));
    return {};
}

/// Ports of TCP, UDP and SCTP, in this order.
base::Status Lab::listenOn(const LabHost &host, const std::vector<packet::Port> (&ports)[3]) {
    for (const auto family : kFamilies) {
        if (!host.addresses.has(family)) continue;
        for (const auto port : ports[0]) {
            auto server = HttpServer::listen(host.nameSpace, {anyAddress(family), port}, echo);
            if (!server) return std::unexpected(server.error());
            m_podServers.emplace(host.name, std::move(*server));
        }
        for (const auto port : ports[1]) {
            auto server = UdpServer::listen(host.nameSpace, {anyAddress(family), port});
            if (!server) return std::unexpected(server.error());
            m_udpServers.emplace(host.name, std::move(*server));
        }
        if (!m_hasSctp) continue;
        for (const auto port : ports[2]) {
            auto server = SctpServer::listen(host.nameSpace, {anyAddress(family), port});
            if (!server) return std::unexpected(server.error());
            m_sctpServers.emplace(host.name, std::move(*server));
        }
    }
    return {};
}

base::Status Lab::routeServices() {
    for (const auto &vip : vipsOf(m_cluster.state()))
        if (m_routed.insert(vip).second)
            if (auto status = m_topology->routeVip(vip, m_cluster.state().nodes.begin()->first.name); !status)
                return status;
    return {};
}

std::string Lab::hostOf(const proxycore::ObjectName &pod) {
    const auto *host = m_topology->findPod(pod);
    return host == nullptr ? std::string() : host->name;
}

std::string Lab::enterHint() const {
    return fmt::format("natlens lab exec {} -- bash", m_cluster.state().nodes.begin()->first.name);
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
        if (const auto due = m_pace.due(); due && *due <= now) {
            if (auto status = syncAll(); !status) m_control.error(status.error(), false);
        } else if (due) {
            wake = std::min(wake, *due);
        }
        lookForDrift(now);

        servers.clear();
        for (const auto &[name, server] : m_podServers) servers.push_back(server.get());
        for (const auto &[name, agent] : m_nodes) agent->addServers(servers);
        watches.assign(1, {m_control.fd()});
        watches.push_back({m_entry.fd()});
        watches.push_back({m_reactor->fd()});
        for (const auto &[name, agent] : m_nodes) watches.push_back({agent->datapath().fd()});
        const std::size_t firstServer = watches.size();
        for (const auto *server : servers) watches.push_back({server->fd()});
        const std::size_t firstUdp = watches.size();
        for (const auto &[name, server] : m_udpServers) watches.push_back({server->fd()});
        for (const auto &[name, server] : m_sctpServers) watches.push_back({server->fd()});

        const auto sleep = std::chrono::duration_cast<milliseconds>(wake - now);
        m_client->wait(watches, std::clamp(sleep, milliseconds(0), kIdle));

        if (watches[2].readable) m_reactor->serve();
        std::size_t watch = 3;
        for (const auto &[name, agent] : m_nodes)
            if (watches[watch++].readable) agent->datapath().serve();
        for (std::size_t i = 0; i < servers.size(); ++i)
            if (watches[firstServer + i].readable) servers[i]->serve();
        watch = firstUdp;
        for (const auto &[name, server] : m_udpServers)
            if (watches[watch++].readable) server->serve();
        for (const auto &[name, server] : m_sctpServers)
            if (watches[watch++].readable) server->serve();
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

void Lab::lookForDrift(std::chrono::steady_clock::time_point now) {
    if (m_player.playing() || now < m_nextLook || m_nodes.empty()) return;
    m_nextLook = now + kBetweenLooks;
    auto node = m_nodes.upper_bound(m_lastLooked);
    if (node == m_nodes.end()) node = m_nodes.begin();
    m_lastLooked = node->first;
    for (const auto &sentence : node->second->newDrift())
        log(fmt::format("warning: someone else changed the rules of {}: {}", node->first, sentence));
}

base::Status Lab::syncAll() {
    base::Status first; // what went wrong at one node keeps no other from its rules
    for (const auto &[name, agent] : m_nodes)
        if (auto status = sync(name, *agent); !status && first) first = status;
    const auto now = std::chrono::steady_clock::now();
    if (first)
        m_pace.synced(now);
    else
        m_pace.failed(now);
    return first;
}

void Lab::resync() {
    for (const auto &[name, agent] : m_nodes) {
        const auto mended = agent->resync();
        if (!mended) {
            m_control.error(mended.error(), false);
            continue;
        }
        for (const auto &sentence : *mended) log(fmt::format("{}: put right: {}", name, sentence));
    }
}

base::Status Lab::apply(const ClusterChange &change) {
    // Told before it is done: a packet in the recording never meets rules that the recording has not heard of.
    for (const auto &event : change.events)
        if (auto status = m_capture->writeClusterState(event); !status) return status;
    for (const auto &pod : change.podsRemoved) {
        LabHost *host = m_topology->findPod(pod.name);
        if (host == nullptr) continue;
        m_podServers.erase(host->name);
        m_udpServers.erase(host->name);
        m_sctpServers.erase(host->name);
        m_client->cancel(host->nameSpace);
        if (auto status = m_capture->removeInterface(host->name, "eth0"); !status) return status;
        auto status = m_capture->removeInterface(host->nodeName, portName(host->addresses));
        if (!status) return status;
        if (status = m_topology->removePod(host->name); !status) return status;
    }
    for (const auto &pod : change.podsAdded) {
        const auto spec = hostSpec(pod, m_cluster.state());
        if (!spec) continue;
        auto host = m_topology->addPod(*spec);
        if (!host) return std::unexpected(host.error());
        const LabHost *node = m_topology->find(pod.nodeName);
        const probe::CaptureService::InterfaceRequest interfaces[] = {
            {(*host)->name, "eth0", (*host)->nameSpace.fd()},
            {node->name, portName(spec->addresses), node->nameSpace.fd()}};
        if (auto status = m_capture->addInterfaces(interfaces, captureOptions()); !status) return status;
        if (auto status = startServer(pod); !status) return status;
        if (auto status = tellOfLinks(Topology::awaitLinks(**host)); !status) return status;
    }
    for (const auto &[name, agent] : m_nodes)
        agent->queued(m_cluster.state());
    if (m_pace.changed(std::chrono::steady_clock::now()))
        if (auto status = syncAll(); !status) return status;
    if (m_loadBalancer) return m_loadBalancer->configure(m_cluster.state());
    // A scenario that changes hosts itself has its own ways to Services that are new.
    return !m_scenario.kernelNeed().empty() ? base::Status{} : routeServices();
}

// --- StepActions ------------------------------------------------------------------------------------------------

void Lab::request(const std::string &from, const std::string &url, milliseconds connectTimeout,
                  std::function<void()> done) {
    LabHost *host = m_topology->find(from);
    if (host == nullptr) {
        m_control.error({ErrorCode::notFound, "no such host in this lab", "request from", from}, false);
        return done();
    }
    const HttpLimits limits{connectTimeout, connectTimeout + milliseconds(3000)};
    m_client->get(host->nameSpace, url, limits, [this, from, url, done = std::move(done)](const HttpOutcome &outcome) {
        answer(from, url, {outcome.status, outcome.body, outcome.error});
        done();
    });
}

void Lab::act(const HostAction &action, std::function<void()> done) {
    if (auto status = m_actions->perform(action, std::move(done)); !status) m_control.error(status.error(), false);
}

void Lab::stepsDone() {
    if (auto status = m_actions->recordFacts(); !status) m_control.error(status.error(), false);
    m_capture->drain(kQuiet, kDrainPatience);
    m_control.stepsDone();
}

} // namespace natlens::lab
