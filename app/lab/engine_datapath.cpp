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

} // namespace

EngineDatapath::EngineDatapath(const DatapathPlace &place)
    : m_node(place.node), m_capture(place.capture), m_random(place.seed), m_engine(*this, m_random) {
    m_engine.listen([this](proxycore::ConnectionChange change, const proxycore::ConnectionView &connection) {
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
    datapath->m_raw.reset(::socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_RAW));
    if (!datapath->m_raw) return base::failErrno("socket", "raw");
    if (::setsockopt(datapath->m_raw.get(), SOL_SOCKET, SO_MARK, &kOwnMark, sizeof kOwnMark) != 0)
        return base::failErrno("setsockopt", "SO_MARK");
    if (auto status = datapath->divert(); !status) return std::unexpected(status.error());
    return datapath;
}

base::Status EngineDatapath::divert() {
    // A masqueraded packet goes back into routing with an address of the node as its source, as if it came from outside.
    for (const auto *key : {"net/ipv4/conf/all/accept_local", "net/ipv4/conf/all/route_localnet"})
        if (auto status = writeSysctl(key, "1"); !status) return status;
    auto iptables = proxycore::IptablesProgram::open(proxycore::IptablesBackend::nft);
    if (!iptables) iptables = proxycore::IptablesProgram::open(proxycore::IptablesBackend::installed);
    if (!iptables) return std::unexpected(iptables.error());
    // What the node sends to itself has been through the queue on its way out already.
    return iptables->restore(packet::IpFamily::v4,
                             fmt::format("*raw\n"
                                         "-A PREROUTING ! -i lo -j NFQUEUE --queue-num {0}\n"
                                         "-A OUTPUT -m mark ! --mark {1:#x} -j NFQUEUE --queue-num {0}\n"
                                         "COMMIT\n",
                                         kQueue, kOwnMark));
}

base::Status EngineDatapath::apply(const proxycore::ProxyPlan &plan) {
    m_engine.setPlan(plan);
    return {};
}

PacketQueue::Verdict EngineDatapath::handle(std::span<std::byte> packet, unsigned inputInterface) {
    const bool own = inputInterface == 0;
    const auto action = m_engine.process(
        packet, {own ? std::string_view() : std::string_view(interfaceName(inputInterface)), own}, base::Timestamp::now());
    for (const auto &made : m_engine.generated()) send(made);
    return action == proxycore::PacketAction::forward ? PacketQueue::Verdict::accept : PacketQueue::Verdict::drop;
}

/// Best effort, as everything that a router says.
void EngineDatapath::send(std::span<const std::byte> packet) const {
    if (packet.size() < 20) return;
    sockaddr_in to{};
    to.sin_family = AF_INET;
    std::memcpy(&to.sin_addr, packet.data() + 16, 4);
    (void)::sendto(m_raw.get(), packet.data(), packet.size(), 0, reinterpret_cast<const sockaddr *>(&to), sizeof to);
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
    const auto own = nodeAddresses(m_node.address, m_node.podRange);
    const bool local = destination.isLoopback() || std::ranges::find(own, destination) != own.end();
    return {.reachable = true,
            .local = local,
            .source = local ? destination : sourceTowards(destination, m_node.address, m_node.podRange)};
}

} // namespace natlens::lab
