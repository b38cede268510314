#include "app/lab/host_actions.h"

#include "app/lab/facts.h"
#include "app/lab/sctp_server.h"
#include "capture/netlink/event_socket.h"
#include "proxycore/kernel/iptables_program.h"
#include "proxycore/kernel/nft_script.h"

#include <algorithm>
#include <fmt/format.h>
#include <unistd.h>

namespace natlens::lab {

using base::Status;

namespace {

constexpr unsigned kHoldQueue = 7;

} // namespace

/// One function for each kind of action; true when `done` must still be called.
struct HostActions::Performer {
    HostActions &self;
    LabHost &host;
    std::function<void()> &done;
    bool waits = false;

    Status operator()(const NftAction &action) const {
        InNamespace inside(host.nameSpace);
        return proxycore::loadNftText(action.text, host.name);
    }
    Status operator()(const SysctlAction &action) const {
        InNamespace inside(host.nameSpace);
        return writeSysctl(action.key, action.value);
    }
    Status operator()(const RouteAction &action) const {
        if (action.remove) return host.links.deleteRoute(action.destination);
        if (action.via) return host.links.replaceRoute(action.destination, "eth0", {&*action.via, 1});
        return host.links.replaceRoute(action.destination, "eth0");
    }
    Status operator()(const AddressAction &action) const {
        return host.links.addAddress(action.interface, action.address);
    }
    Status operator()(const LinkAction &action) const {
        return action.up ? host.links.setUp(action.interface) : host.links.setDown(action.interface);
    }
    Status operator()(const BridgePortAction &action) const {
        const LabHost *pod = self.m_place.topology.find(action.pod);
        if (pod == nullptr || pod->nodeName != host.name)
            return base::fail(base::ErrorCode::notFound, "no such pod on " + host.name, "bridge-port", action.pod);
        const auto port = portName(pod->addresses);
        if (action.isolated)
            if (auto status = host.links.setPort(port, Links::PortFlag::isolated, *action.isolated); !status)
                return status;
        if (action.hairpin) return host.links.setPort(port, Links::PortFlag::hairpin, *action.hairpin);
        return {};
    }
    Status operator()(const ForgetAction &action) const {
        InNamespace inside(host.nameSpace);
        const auto connections = netlink::dumpConntrack();
        if (!connections) return std::unexpected(connections.error());
        for (const auto &connection : *connections) {
            if (action.port != 0 && connection.original.dst.port != action.port) continue;
            if (auto gone = netlink::deleteConntrack(connection.original, connection.zone); !gone)
                return std::unexpected(gone.error());
        }
        return {};
    }
    Status operator()(const DatagramsAction &action) {
        waits = true;
        self.m_workloads.datagrams(host, action, std::move(done));
        return {};
    }
    Status operator()(const ConnectAction &action) {
        waits = true;
        self.m_workloads.connect(host, action, std::move(done));
        return {};
    }
    Status operator()(const DisconnectAction &action) const {
        self.m_workloads.disconnect(action.name);
        return {};
    }
    Status operator()(const ResendAction &action) const { return self.resend(host, action); }
    Status operator()(const ProxyAction &action) const { return self.m_workloads.startProxy(host, action); }
    Status operator()(const UdpServerAction &action) const { return self.m_workloads.startUdpServer(host, action); }
    Status operator()(const HoldAction &action) const { return self.hold(host, action); }
    Status operator()(const FactsAction &) const {
        return self.m_place.capture.writeFacts(host.name, nodeFacts(host.nameSpace, self.m_place.scenario.proxyConfig));
    }
};

base::Status HostActions::checkNeeds(const Scenario &scenario) {
    for (const auto &key : scenario.needs)
        if (::access(("/proc/sys/" + key).c_str(), W_OK) != 0)
            return base::fail(base::ErrorCode::unsupported, "this kernel does not let a network namespace set it",
                              "scenario", key);
    const auto bySctp = [](const HostAction &action) {
        const auto *connection = std::get_if<ConnectAction>(&action.what);
        return connection != nullptr && connection->isSctp();
    };
    const bool asksBySctp =
        std::ranges::any_of(scenario.setup, bySctp) ||
        std::ranges::any_of(scenario.steps, [&](const Step &step) { return step.action && bySctp(*step.action); });
    if (asksBySctp && !kernelHasSctp())
        return base::fail(base::ErrorCode::unsupported,
                          fmt::format("this kernel has no SCTP sockets; load its module (sudo modprobe sctp){}",
                                      scenario.kernelNeed().empty() ? ", or run it --simulated" : ""),
                          "scenario", scenario.name);
    if (!scenario.datapaths.empty() &&
        std::ranges::find(scenario.datapaths, scenario.datapath) == scenario.datapaths.end()) {
        std::string others;
        for (const auto kind : scenario.datapaths)
            others += (others.empty() ? "" : " or ") + std::string(toString(kind));
        return base::fail(base::ErrorCode::unsupported,
                          fmt::format("it shows what happens with {} only; run it with --datapath {}", others,
                                      toString(scenario.datapaths.front())),
                          "scenario", scenario.name);
    }
    return {};
}

base::Status HostActions::prepare() {
    for (const auto &step : m_place.scenario.steps) {
        if (!step.action || !std::holds_alternative<ResendAction>(step.action->what)) continue;
        const LabHost *host = m_place.topology.find(step.action->on);
        if (host == nullptr || m_listeners.contains(host->name)) continue;
        if (auto status = listenIn(*host); !status) return status;
    }
    return {};
}

base::Status HostActions::perform(const HostAction &action, std::function<void()> done) {
    LabHost *host = m_place.topology.find(action.on);
    if (host == nullptr) {
        done();
        return base::fail(base::ErrorCode::notFound, "no such host in this lab", "step", action.on);
    }
    Performer performer{*this, *host, done};
    auto status = std::visit(performer, action.what);
    if (!performer.waits) done();
    return status;
}

base::Status HostActions::recordFacts() {
    for (const auto &host : m_place.topology.hosts())
        if (host.kind == HostKind::node)
            if (auto status =
                    m_place.capture.writeFacts(host.name, nodeFacts(host.nameSpace, m_place.scenario.proxyConfig));
                !status)
                return status;
    return {};
}

base::Status HostActions::hold(const LabHost &host, const HoldAction &action) {
    InNamespace inside(host.nameSpace);
    auto program = proxycore::IptablesProgram::open(proxycore::IptablesBackend::nft);
    if (!program) program = proxycore::IptablesProgram::open(proxycore::IptablesBackend::installed);
    if (!program) return std::unexpected(program.error());
    const auto setRule =
        [rules = std::make_shared<proxycore::IptablesProgram>(std::move(*program))](const std::string &rule) {
            return rules->restore(packet::IpFamily::v4, "*mangle\n" + rule + "\nCOMMIT\n");
        };
    auto queue =
        PacketQueue::open(kHoldQueue, [](std::span<std::byte>, unsigned) { return PacketQueue::Verdict::accept; });
    if (!queue) return std::unexpected(queue.error());
    PacketQueue *held = m_queues.emplace_back(std::move(*queue)).get();
    // What arrives waits in the kernel until it is asked for.
    m_place.reactor.watch(held->fd(), Reactor::For::reading, [this, held, setRule, duration = action.duration] {
        m_place.reactor.forget(held->fd());
        (void)setRule("-F POSTROUTING");
        m_place.reactor.after(duration, [held] { held->serve(); });
    });
    return setRule(fmt::format("-A POSTROUTING -s {} -j NFQUEUE --queue-num {}", action.source.toString(), kHoldQueue));
}

} // namespace natlens::lab
