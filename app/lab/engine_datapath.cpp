#include "app/lab/engine_datapath.h"

#include "app/lab/connection_events.h"
#include "proxycore/kernel/iptables_program.h"

#include <algorithm>
#include <cstring>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>

namespace natlens::lab {
namespace {

constexpr unsigned kQueue = 1;
/// On packets that the engine made: they have been through it.
constexpr int kOwnMark = 0x6e6c;

packet::IpFamily familyOf(std::span<const std::byte> packet) {
    const bool v6 = !packet.empty() && (std::to_integer<unsigned>(packet.front()) >> 4) == 6;
    return v6 ? packet::IpFamily::v6 : packet::IpFamily::v4;
}

} // namespace

EngineDatapath::EngineDatapath(const DatapathPlace &place)
    : m_node(place.node), m_capture(place.capture), m_random(place.seed),
      m_engine4(*this, m_random, proxycore::PacketEngine::Options::of(place.config)),
      m_engine6(*this, m_random, proxycore::PacketEngine::Options::of(place.config)) {
    for (auto *engine : {&m_engine4, &m_engine6})
        engine->listen([this](proxycore::ConnectionChange change, const proxycore::ConnectionView &connection) {
            // A stream that has ended ends the lab elsewhere.
            (void)m_capture.writeConntrack(m_node.name, conntrackPacket(change, connection));
        });
}

base::Result<std::unique_ptr<Datapath>> EngineDatapath::open(const DatapathPlace &place) {
    std::unique_ptr<EngineDatapath> datapath(new EngineDatapath(place));
    auto queue = PacketQueue::open(kQueue, [self = datapath.get()](std::span<std::byte> packet, unsigned interface) {
        return self->handle(packet, interface);
    });
    if (!queue) return std::unexpected(queue.error());
    datapath->m_queue = std::move(*queue);
    if (auto status = datapath->openRawSockets(); !status) return std::unexpected(status.error());
    if (auto status = datapath->divert(); !status) return std::unexpected(status.error());
    return datapath;
}

base::Status EngineDatapath::openRawSockets() {
    for (const auto family : kFamilies) {
        if (!m_node.addresses.has(family)) continue;
        const bool v6 = family == packet::IpFamily::v6;
        auto &raw = v6 ? m_raw6 : m_raw4;
        raw.reset(::socket(v6 ? AF_INET6 : AF_INET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_RAW));
        if (!raw) return base::failErrno("socket", "raw");
        if (::setsockopt(raw.get(), SOL_SOCKET, SO_MARK, &kOwnMark, sizeof kOwnMark) != 0)
            return base::failErrno("setsockopt", "SO_MARK");
    }
    return {};
}

base::Status EngineDatapath::divert() {
    // A masqueraded packet goes back into routing with an address of the node as its source, as if it came from outside.
    // IPv6 does not mind.
    for (const auto *key : {"net/ipv4/conf/all/accept_local", "net/ipv4/conf/all/route_localnet"})
        if (auto status = writeSysctl(key, "1"); !status) return status;
    auto iptables = proxycore::IptablesProgram::open(proxycore::IptablesBackend::nft);
    if (!iptables) iptables = proxycore::IptablesProgram::open(proxycore::IptablesBackend::installed);
    if (!iptables) return std::unexpected(iptables.error());
    // What the node sends to itself has been through the queue on its way out already.
    const auto rules = fmt::format("*raw\n"
                                   "-A PREROUTING ! -i lo -j NFQUEUE --queue-num {0}\n"
                                   "-A OUTPUT -m mark ! --mark {1:#x} -j NFQUEUE --queue-num {0}\n"
                                   "COMMIT\n",
                                   kQueue, kOwnMark);
    for (const auto family : kFamilies)
        if (m_node.addresses.has(family))
            if (auto status = iptables->restore(family, rules); !status) return status;
    return {};
}

proxycore::PacketEngine &EngineDatapath::engineFor(packet::IpFamily family) {
    return family == packet::IpFamily::v6 ? m_engine6 : m_engine4;
}

base::Status EngineDatapath::apply(const proxycore::ProxyPlan &plan) {
    engineFor(plan.family).setPlan(plan);
    return {};
}

proxycore::ProxyMetrics::Packets EngineDatapath::packets() {
    const auto four = m_engine4.counters(), six = m_engine6.counters();
    return {.invalidDropped = four.invalidDropped + six.invalidDropped,
            .localhostNodePorts = four.localhostNodePorts + six.localhostNodePorts};
}

PacketQueue::Verdict EngineDatapath::handle(std::span<std::byte> packet, unsigned inputInterface) {
    const bool own = inputInterface == 0;
    auto &engine = engineFor(familyOf(packet));
    const auto action = engine.process(
        packet, {own ? std::string_view() : std::string_view(interfaceName(inputInterface)), own}, base::Timestamp::now());
    for (const auto &made : engine.generated()) send(made);
    return action == proxycore::PacketAction::forward ? PacketQueue::Verdict::accept : PacketQueue::Verdict::drop;
}

/// Best effort, as everything that a router says.
void EngineDatapath::send(std::span<const std::byte> packet) const {
    if (familyOf(packet) == packet::IpFamily::v6) {
        if (packet.size() < 40) return;
        sockaddr_in6 to{};
        to.sin6_family = AF_INET6;
        std::memcpy(&to.sin6_addr, packet.data() + 24, 16);
        (void)::sendto(m_raw6.get(), packet.data(), packet.size(), 0, reinterpret_cast<const sockaddr *>(&to),
                       sizeof to);
        return;
    }
    if (packet.size() < 20) return;
    sockaddr_in to{};
    to.sin_family = AF_INET;
    std::memcpy(&to.sin_addr, packet.data() + 16, 4);
    (void)::sendto(m_raw4.get(), packet.data(), packet.size(), 0, reinterpret_cast<const sockaddr *>(&to), sizeof to);
}

const std::string &EngineDatapath::interfaceName(unsigned index) {
    const auto found = m_interfaceNames.find(index);
    if (found != m_interfaceNames.end()) return found->second;
    InNamespace inside(m_node.nameSpace);
    char name[IF_NAMESIZE] = "";
    (void)::if_indextoname(index, name);
    return m_interfaceNames[index] = name;
}

proxycore::NodeRoute EngineDatapath::route(const packet::IpAddress &destination) const {
    const auto own = nodeAddresses(m_node.addresses);
    const bool local = destination.isLoopback() || std::ranges::find(own, destination) != own.end();
    return {.reachable = true,
            .local = local,
            .source = local ? destination : sourceTowards(destination, m_node.addresses)};
}

} // namespace natlens::lab
