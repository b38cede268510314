#include "app/lab/sim/simulated_lab.h"

#include "app/lab/endpoint_pods.h"
#include "app/lab/sockets.h"

#include <fmt/format.h>
#include <poll.h>

namespace natlens::lab::sim {
namespace {

using base::ErrorCode;

/// Where every simulated run begins: 2023-11-14 22:13:20 UTC.
constexpr base::Timestamp kEpoch{1'700'000'000'000'000'000};
/// The longest sleep while nothing happens, and how far virtual time goes between two looks at commands.
constexpr int kIdleMs = 20;
constexpr nanoseconds kLook = std::chrono::milliseconds(20);
/// Before the steps begin and after they have ended, time stands still for so long, unless somebody wants something: what
/// `natlens lab run` records is then the same to the byte, however fast front end and machine are.
constexpr std::chrono::seconds kStandStill{2};
/// After the last step, so that the last connections are seen to their end.
constexpr nanoseconds kSettle = std::chrono::milliseconds(25);
/// A scenario that is not over by then never will be.
constexpr nanoseconds kLongestScenario = std::chrono::minutes(10);

} // namespace

SimulatedLab::SimulatedLab(Scenario scenario, base::UniqueFd stream, base::UniqueFd control, std::uint64_t seed)
    : Director(std::move(scenario), std::move(control)),
      m_events(kEpoch),
      m_random(seed),
      m_recorder(std::move(stream), m_events),
      m_network(m_events, m_random, m_recorder, m_scenario.proxyConfig) {}

SimulatedLab::~SimulatedLab() = default;

std::chrono::steady_clock::time_point SimulatedLab::virtualNow() const {
    return std::chrono::steady_clock::time_point(nanoseconds(m_events.now().nanoseconds));
}

int SimulatedLab::run() {
    if (auto status = build(); !status) {
        m_control.error(status.error(), true);
        return base::exitStatus(status.error());
    }
    announce();
    loop();
    m_recorder.flush();
    return 0;
}

base::Status SimulatedLab::build() {
    if (const auto need = m_scenario.kernelNeed(); !need.empty())
        return base::fail(base::ErrorCode::unsupported, need + "; run it without --simulated", "simulated lab",
                          m_scenario.name);
    const auto specs = hostSpecs(m_scenario, m_cluster.state());
    if (!specs) return std::unexpected(specs.error());
    for (const bool pods : {false, true})
        for (const auto &spec : *specs)
            if ((spec.kind == HostKind::pod) == pods)
                if (auto status = m_network.addHost(spec); !status) return status;
    m_recorder.addClusterState();
    for (const auto &event : m_cluster.initialEvents()) m_recorder.clusterState(event);
    for (const auto &[name, pod] : m_cluster.state().pods) startServers(*pod);
    for (const auto &address : outsideEndpoints(m_cluster.state()))
        if (Host *host = m_network.find(nameFor("endpoint", address)))
            for (const auto port : m_cluster.endpointPorts({&address, 1}, packet::Protocol::tcp))
                host->tcp().listen({anyAddress(address.family), port}, echo);
    for (Host *host : m_network.hosts())
        if (host->spec().kind == HostKind::node) startProxy(*host);
    m_pace.synced(virtualNow());
    if (m_scenario.loadBalancer) {
        m_rotation.emplace(*m_scenario.loadBalancer);
        (void)m_rotation->configure(m_cluster.state());
        for (Host *host : m_network.hosts())
            if (host->spec().kind == HostKind::outside)
                for (const auto &vip : m_rotation->vips())
                    if (const auto balancer = addressOf(m_scenario.loadBalancer->name, vip.family); !balancer.isNone())
                        host->route(vip, {balancer});
        checkHealth();
    }
    if (!m_scenario.loadBalancer) routeServices();
    for (const auto &action : m_scenario.setup) act(action, [] {});
    m_recorder.flush();
    return {};
}

void SimulatedLab::routeServices() {
    const auto &node = m_cluster.state().nodes.begin()->first.name;
    for (const auto &vip : vipsOf(m_cluster.state()))
        if (const auto gateway = addressOf(node, vip.family); !gateway.isNone())
            for (Host *host : m_network.hosts())
                if (host->spec().kind == HostKind::outside) host->route(vip, {gateway});
}

std::string SimulatedLab::hostOf(const proxycore::ObjectName &pod) {
    const Host *host = m_network.findPod(pod);
    return host == nullptr ? std::string() : host->spec().name;
}

void SimulatedLab::startServers(const proxycore::Pod &pod) {
    Host *host = pod.hostNetwork ? m_network.find(pod.nodeName) : m_network.findPod(pod.name);
    if (host == nullptr) return;
    for (const auto port : m_cluster.serverPorts(pod))
        for (const auto family : kFamilies) host->tcp().listen({anyAddress(family), port}, echo);
    for (const auto port : m_cluster.serverPorts(pod, packet::Protocol::udp)) host->udp().listen(port);
    for (const auto port : m_cluster.serverPorts(pod, packet::Protocol::sctp)) host->sctp().listen(port);
}

void SimulatedLab::startProxy(Host &node) {
    Proxy proxy;
    proxy.answers =
        std::make_unique<NodeAnswers>(m_scenario.proxyConfig, healthProfile(), [this] { return m_events.now(); });
    proxy.answers->countPackets([&node] {
        proxycore::ProxyMetrics::Packets packets{.invalidDropped = 0, .localhostNodePorts = 0};
        for (const auto family : kFamilies)
            if (const auto *engine = node.engine(family)) {
                *packets.invalidDropped += engine->counters().invalidDropped;
                *packets.localhostNodePorts += engine->counters().localhostNodePorts;
            }
        return packets;
    });
    for (const auto family : kFamilies) {
        node.tcp().listen({anyAddress(family), kProxyHealthPort}, proxy.answers->healthHandler());
        if (node.engine(family) != nullptr) proxy.families.push_back(family);
    }
    node.tcp().listen({packet::IpAddress::v4(127, 0, 0, 1), kMetricsPort}, proxy.answers->metricsHandler());
    m_proxies[node.spec().name] = std::move(proxy);
    sync(node.spec().name);
}

void SimulatedLab::sync(const std::string &nodeName) {
    Host &host = *m_network.find(nodeName);
    Proxy &proxy = m_proxies[nodeName];
    if (!proxy.answers->isWaiting()) proxy.answers->queued(m_cluster.state(), proxy.families);
    for (const auto family : proxy.families) {
        auto &plan = proxy.plans[family];
        const proxycore::PlanTarget target{nodeName, nodeAddresses(host.spec().addresses), m_scenario.proxyConfig.mode,
                                           family};
        plan = std::make_shared<const proxycore::ProxyPlan>(
            proxycore::makePlan(m_cluster.state(), m_scenario.proxyConfig, target, plan.get()));
        host.engine(family)->setPlan(*plan);
        proxy.answers->synced(plan, m_cluster.state().node(nodeName), {}); // in virtual time it takes none
    }
    for (const auto &address : proxy.healthChecks) host.tcp().stopListening(address);
    proxy.healthChecks.clear();
    for (const auto &port : proxy.answers->healthCheckPorts()) {
        host.tcp().listen(port.address, proxy.answers->healthCheckHandler(port));
        proxy.healthChecks.push_back(port.address);
    }
}

void SimulatedLab::syncAll() {
    for (const auto &[node, proxy] : m_proxies) sync(node);
    m_pace.synced(virtualNow());
}

packet::IpAddress SimulatedLab::addressOf(const std::string &name, packet::IpFamily family) {
    const Host *host = m_network.find(name);
    return host == nullptr ? packet::IpAddress{} : host->spec().addresses.primary(family);
}

// --- living -----------------------------------------------------------------------------------------------------

void SimulatedLab::loop() {
    using Clock = std::chrono::steady_clock;
    auto still = Clock::now();
    while (!m_stop && !m_recorder.failed()) {
        if (m_player.playing()) {
            playFast();
            still = Clock::now();
            continue;
        }
        const auto before = Clock::now();
        const bool commanded = receiveCommands(kIdleMs);
        if (commanded) still = {};
        if (before - still < kStandStill || m_player.playing()) continue;
        m_events.runUntil(m_events.now() + (Clock::now() - before));
        m_recorder.flush();
    }
}

void SimulatedLab::playFast() {
    const auto end = m_events.now() + kLongestScenario;
    auto look = m_events.now() + kLook;
    while (m_player.playing() && !m_stop && !m_recorder.failed() && m_events.now() < end) {
        m_player.advance(virtualNow());
        if (!m_player.playing()) break;
        const auto next = m_events.next();
        if (next && *next < look) {
            m_events.runNext();
            continue;
        }
        m_events.runUntil(look);
        look = m_events.now() + kLook;
        (void)receiveCommands(0);
        m_recorder.flush();
    }
}

bool SimulatedLab::receiveCommands(int patienceMs) {
    pollfd watch{m_control.fd(), POLLIN, 0};
    if (::poll(&watch, 1, patienceMs) <= 0) return false;
    bool closed = false;
    for (const auto &command : m_control.receive(closed)) handle(command);
    if (closed) m_stop = true;
    return true;
}

void SimulatedLab::checkHealth() {
    Host *balancer = m_network.find(m_scenario.loadBalancer->name);
    for (const auto &check : m_rotation->due(virtualNow())) {
        const auto url = parseUrl("http://" + packet::SocketAddress{check.address, check.port}.toString() + "/healthz");
        const nanoseconds patience = m_scenario.loadBalancer->timeout;
        balancer->tcp().get(balancer->sourceFor(check.address), *url, {patience, patience},
                            [this, check](const HttpResult &result) {
                                if (!m_rotation->result(check, result.status)) return;
                                for (const auto &target : m_rotation->targets(check.service))
                                    programRotation(target);
                                rotationChanged();
                            });
    }
    const auto next = m_rotation->next(virtualNow());
    m_events.after(std::max<nanoseconds>(next - virtualNow(), std::chrono::milliseconds(1)), [this] { checkHealth(); });
}

void SimulatedLab::programRotation(const Rotation::Target &target) {
    m_network.find(m_scenario.loadBalancer->name)->route(target.vip, target.nodes);
}

base::Status SimulatedLab::apply(const ClusterChange &change) {
    for (const auto &event : change.events) m_recorder.clusterState(event);
    for (const auto &pod : change.podsRemoved) m_network.removePod(pod.name);
    for (const auto &pod : change.podsAdded) {
        const auto spec = hostSpec(pod, m_cluster.state());
        if (!spec) continue;
        if (auto status = m_network.addHost(*spec); !status) return status;
        startServers(pod);
    }
    for (auto &[node, proxy] : m_proxies)
        proxy.answers->queued(m_cluster.state(), proxy.families);
    if (const bool waited = m_pace.due().has_value(); m_pace.changed(virtualNow()))
        syncAll();
    else if (!waited)
        m_events.after(*m_pace.due() - virtualNow(), [this] { syncAll(); });
    if (m_rotation) {
        for (const auto &vip : m_rotation->configure(m_cluster.state()))
            m_network.find(m_scenario.loadBalancer->name)->route(vip, {});
        for (const auto &target : m_rotation->targets()) programRotation(target);
    } else {
        routeServices();
    }
    return {};
}

void SimulatedLab::request(const std::string &from, const std::string &url, milliseconds connectTimeout,
                           std::function<void()> done) {
    Host *host = m_network.find(from);
    const auto parsed = parseUrl(url);
    if (host == nullptr || !parsed) {
        m_control.error({ErrorCode::notFound,
                         host == nullptr ? "no such host in this lab" : "not a URL with an IP address: " + url,
                         "request from", from},
                        false);
        return done();
    }
    host->tcp().get(host->sourceFor(parsed->server.ip), *parsed, {connectTimeout, connectTimeout + milliseconds(3000)},
                    [this, from, url, done = std::move(done)](const HttpResult &result) {
                        answer(from, url, {result.status, result.body, result.error});
                        done();
                    });
}

void SimulatedLab::act(const HostAction &action, std::function<void()> done) {
    Host *host = m_network.find(action.on);
    const auto *datagrams = std::get_if<DatagramsAction>(&action.what);
    const auto *server = std::get_if<UdpServerAction>(&action.what);
    const auto *connection = std::get_if<ConnectAction>(&action.what);
    const bool asksBySctp = connection != nullptr && connection->isSctp();
    if (host == nullptr || (datagrams == nullptr && server == nullptr && !asksBySctp))
        return Director::act(action, std::move(done));
    if (asksBySctp) return host->sctp().ask(host->sourceFor(connection->to.ip), *connection, std::move(done));
    if (datagrams != nullptr) return host->udp().send(host->sourceFor(datagrams->to.ip), *datagrams, std::move(done));
    host->udp().listen(*server);
    done();
}

void SimulatedLab::stepsDone() {
    m_events.runUntil(m_events.now() + kSettle);
    m_recorder.flush();
    m_control.stepsDone();
}

} // namespace natlens::lab::sim
