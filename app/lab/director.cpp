#include "app/lab/director.h"

#include "app/lab/addressing.h"

#include <fmt/format.h>

namespace natlens::lab {
namespace {

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

/// "[fd00::1]": as a URL's host.
std::string inUrl(const packet::IpAddress &ip) { return ip.isV6() ? "[" + ip.toString() + "]" : ip.toString(); }

void replaceAll(std::string &text, std::string_view from, std::string_view to) {
    for (auto at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size()))
        text.replace(at, from.size(), to);
}

} // namespace

Director::Director(Scenario scenario, base::UniqueFd control)
    : m_scenario(std::move(scenario)),
      m_control(std::move(control)),
      m_cluster(m_scenario.cluster),
      m_player(m_scenario.steps, *this) {}

proxycore::HealthProfile Director::healthProfile() const {
    if (m_scenario.profile == "document") return proxycore::HealthProfile::document;
    if (m_scenario.profile == "today") return proxycore::HealthProfile::today;
    return proxycore::HealthProfile::picture;
}

void Director::announce() {
    ReadyEvent event;
    event.scenario = m_scenario.name;
    event.summary = m_scenario.summary;
    event.targets = requestTargets();
    event.expectJson = expectations();
    for (const auto &host : m_scenario.outside) event.clients.push_back(host.name);
    for (const auto &[name, pod] : m_cluster.state().pods)
        if (const auto host = hostOf(name); !host.empty() && isClient(*pod)) event.clients.push_back(host);
    for (const auto &[name, node] : m_cluster.state().nodes) {
        event.clients.push_back(name.name);
        event.nodes.push_back(name.name);
    }
    event.enterHint = enterHint();
    m_control.ready(event);
    for (const auto &problem : m_cluster.state().problems) log(problem.toString());
    if (usesIpv6(m_cluster.state()))
        for (const auto &host : m_scenario.outside)
            if (host.address.isV4()) log(fmt::format("{} is also {}", host.name, madeUpIpv6(host.address).toString()));
    sendState();
}

std::vector<std::string> Director::requestTargets() const {
    std::vector<std::string> vips, nodePorts, clusterIps;
    std::vector<HostAddresses> nodes;
    for (const auto &[name, node] : m_cluster.state().nodes) nodes.push_back(nodeNetwork(*node, m_cluster.state()));
    for (const auto &[name, service] : m_cluster.state().services) {
        for (const auto &port : service->ports) {
            if (port.protocol != packet::Protocol::tcp) continue;
            const std::string suffix = port.port == 80 ? "/" : fmt::format(":{}/", port.port);
            for (const auto &ingress : service->ingress)
                if (!ingress.ip.isNone()) vips.push_back("http://" + inUrl(ingress.ip) + suffix);
            for (const auto &network : nodes) {
                if (port.nodePort == 0) continue;
                for (const auto &ip : service->clusterIPs) // node ports are of the families of the Service
                    if (const auto own = network.primary(ip.family); !own.isNone())
                        nodePorts.push_back(fmt::format("http://{}:{}/", inUrl(own), port.nodePort));
            }
            for (const auto &ip : service->clusterIPs) clusterIps.push_back("http://" + inUrl(ip) + suffix);
        }
    }
    vips.insert(vips.end(), nodePorts.begin(), nodePorts.end());
    vips.insert(vips.end(), clusterIps.begin(), clusterIps.end());
    return vips;
}

std::string Director::expectations() const {
    std::string text = m_scenario.expectJson;
    replaceAll(text, "\"$failStatus\"", m_scenario.profile == "picture" ? "500" : "503");
    replaceAll(text, "$mode", proxycore::toString(m_scenario.proxyConfig.mode));
    return text;
}

void Director::handle(const Command &command) {
    struct Visitor {
        Director &lab;
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
        void operator()(const ResyncCommand &) const { lab.resync(); }
        void operator()(const UnknownCommand &c) const {
            lab.m_control.error({base::ErrorCode::invalidInput, c.reason, "lab command"}, false);
        }
    };
    std::visit(Visitor{*this}, command);
}

void Director::report(const base::Result<ClusterChange> &change, const std::string &what) {
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

LabState Director::currentState() const {
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
        state.pods.push_back(
            {name.toString(), pod->nodeName, pod->ips.empty() ? "" : pod->ips.front().toString(), isClient(*pod)});
    if (const auto *nodes = rotation()) state.inRotation = nodes->inRotation();
    return state;
}

void Director::sendState() {
    LabState state = currentState();
    if (state == m_lastState) return;
    m_control.state(state);
    m_lastState = std::move(state);
}

void Director::answer(const std::string &from, const std::string &url, const Reply &reply) {
    m_control.answer({from, url, reply.status, clientAddressIn(reply.body), reply.error, reply.body});
}

void Director::rotationChanged() {
    std::string nodes;
    for (const auto &node : rotation()->inRotation()) nodes += (nodes.empty() ? "" : ", ") + node;
    log("load balancer: in rotation: " + (nodes.empty() ? "nobody" : nodes));
    sendState();
}

void Director::change(const Step &step) {
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
    case Step::Kind::clusterEvent: report(m_cluster.applyEvent(step.event), "the cluster has changed"); break;
    default: break;
    }
}

void Director::act(const HostAction &action, std::function<void()> done) {
    m_control.error({base::ErrorCode::unsupported, "this kind of lab has no kernel to change", "step", action.on}, false);
    done();
}

std::optional<std::vector<std::string>> Director::settledRotation() const {
    const auto *nodes = rotation();
    if (nodes == nullptr || !nodes->settled()) return std::nullopt;
    return nodes->inRotation();
}

milliseconds Director::rotationPatience() const {
    const auto least = StepActions::rotationPatience();
    return m_scenario.loadBalancer ? std::max(least, 2 * m_scenario.loadBalancer->longestJudgement()) : least;
}

} // namespace natlens::lab
