#include "app/lab/sim/network.h"

#include <algorithm>
#include <fmt/format.h>

namespace natlens::lab::sim {
namespace {

using std::chrono::microseconds;
using std::chrono::seconds;
using file::PacketDirection;

constexpr nanoseconds kStep = microseconds(1);      // between two interfaces of one host
constexpr nanoseconds kArpPatience = seconds(3);    // three requests, a second apart

} // namespace

packet::IpFamily familyOf(std::span<const std::byte> ipPacket) {
    const bool v6 = !ipPacket.empty() && (std::to_integer<unsigned>(ipPacket.front()) >> 4) == 6;
    return v6 ? packet::IpFamily::v6 : packet::IpFamily::v4;
}

std::vector<std::byte> frameOf(const packet::MacAddress &from, const packet::MacAddress &to,
                               std::span<const std::byte> ipPacket) {
    std::vector<std::byte> frame;
    frame.reserve(14 + ipPacket.size());
    for (const auto &mac : {to, from})
        for (const auto byte : mac) frame.push_back(std::byte{byte});
    const bool v6 = familyOf(ipPacket) == packet::IpFamily::v6;
    frame.push_back(std::byte{static_cast<unsigned char>(v6 ? 0x86 : 0x08)});
    frame.push_back(std::byte{static_cast<unsigned char>(v6 ? 0xdd : 0x00)});
    frame.insert(frame.end(), ipPacket.begin(), ipPacket.end());
    return frame;
}

base::Status Network::addHost(const HostSpec &wanted) {
    using base::ErrorCode;
    auto spec = wanted;
    spec.name = freeName(spec, [&](const auto &name) { return find(name) != nullptr; });
    if (find(spec.name) != nullptr)
        return base::fail(ErrorCode::invalidInput, "two hosts have this name", "build host", spec.name);
    if (spec.kind == HostKind::pod) {
        Host *node = find(spec.nodeName);
        if (node == nullptr || node->spec().kind != HostKind::node)
            return base::fail(ErrorCode::invalidInput,
                              fmt::format("spec.nodeName \"{}\" is not a node of this cluster", spec.nodeName),
                              "build pod", spec.name);
        auto &addresses = node->m_spec.addresses;
        for (const auto &address : spec.addresses.own)
            if (!addresses.hasPod(address)) addresses.strayPods.push_back(address);
        node->add(portName(spec.addresses), node->spec().addresses.bridgeMac());
    }
    m_hosts.emplace(spec.name, std::make_shared<Host>(*this, spec));
    return {};
}

void Network::removePod(const proxycore::ObjectName &name) {
    const Host *pod = findPod(name);
    if (pod == nullptr) return;
    const auto found = m_hosts.find(pod->spec().name);
    if (Host *node = find(found->second->spec().nodeName)) {
        for (const auto &address : pod->spec().addresses.own) std::erase(node->m_spec.addresses.strayPods, address);
        std::erase_if(node->m_interfaces, [port = portName(found->second->spec().addresses)](const auto &one) {
            return one->name == port;
        });
    }
    // Events that still belong to it (a retransmission) hold nothing of it but find it silent: it is kept until then.
    m_events.after(seconds(600), [host = found->second] {});
    m_hosts.erase(found);
}

Host *Network::find(const std::string &name) {
    if (const auto found = m_hosts.find(name); found != m_hosts.end()) return found->second.get();
    for (const auto &[other, host] : m_hosts)
        if (host->spec().kind == HostKind::pod && host->spec().pod.toString() == name) return host.get();
    return nullptr;
}

Host *Network::findPod(const proxycore::ObjectName &pod) {
    for (const auto &[name, host] : m_hosts)
        if (host->spec().kind == HostKind::pod && host->spec().pod == pod) return host.get();
    return nullptr;
}

std::vector<Host *> Network::hosts() {
    std::vector<Host *> all;
    for (const auto &[name, host] : m_hosts) all.push_back(host.get());
    return all;
}

Host *Network::withAddress(const packet::IpAddress &address) {
    for (const auto &[name, host] : m_hosts)
        if (std::ranges::find(host->spec().addresses.own, address) != host->spec().addresses.own.end())
            return host.get();
    return nullptr;
}

nanoseconds Network::latency() { return microseconds(20) + nanoseconds(m_random.below(20'000)); }

void Network::record(const Host::Interface &interface, const std::vector<std::byte> &frame,
                     PacketDirection direction) {
    m_recorder.frame(interface.point, frame, direction);
}

void Network::overSegment(Host &from, const packet::IpAddress &nextHop, std::vector<std::byte> ipPacket) {
    Host *to = withAddress(nextHop);
    if (to == nullptr || to->spec().kind == HostKind::pod) {
        m_events.after(kArpPatience, [&from, bytes = std::move(ipPacket)] {
            from.answerWithError(bytes, Host::Trouble::unreachable);
        });
        return;
    }
    const auto frame = frameOf(from.interface("eth0").mac, to->interface("eth0").mac, ipPacket);
    record(from.interface("eth0"), frame, PacketDirection::outbound);
    m_events.after(latency(), [this, to, frame, bytes = std::move(ipPacket)]() mutable {
        record(to->interface("eth0"), frame, PacketDirection::inbound);
        m_events.after(kStep, [to, moved = std::move(bytes)]() mutable { to->handle(std::move(moved), "eth0"); });
    });
}

void Network::toPod(Host &node, const packet::IpAddress &address, std::vector<std::byte> ipPacket) {
    Host *pod = withAddress(address);
    if (pod == nullptr || pod->spec().kind != HostKind::pod) {
        m_events.after(kArpPatience, [&node, bytes = std::move(ipPacket)] {
            node.answerWithError(bytes, Host::Trouble::unreachable);
        });
        return;
    }
    const auto frame = frameOf(node.interface(kBridge).mac, pod->interface("eth0").mac, ipPacket);
    record(node.interface(kBridge), frame, PacketDirection::outbound);
    record(node.interface(portName(pod->spec().addresses)), frame, PacketDirection::outbound);
    m_events.after(latency() / 4, [this, name = pod->spec().name, frame, bytes = std::move(ipPacket)]() mutable {
        Host *here = find(name);
        if (here == nullptr) return; // gone meanwhile
        record(here->interface("eth0"), frame, PacketDirection::inbound);
        here->handle(std::move(bytes), "eth0");
    });
}

void Network::fromPod(Host &pod, std::vector<std::byte> ipPacket) {
    Host *node = find(pod.spec().nodeName);
    if (node == nullptr || find(pod.spec().name) != &pod) return; // deleted: its wire is cut
    const auto frame = frameOf(pod.interface("eth0").mac, node->interface(kBridge).mac, ipPacket);
    record(pod.interface("eth0"), frame, PacketDirection::outbound);
    m_events.after(latency() / 4, [this, node, port = portName(pod.spec().addresses), name = pod.spec().name, frame,
                                   bytes = std::move(ipPacket)]() mutable {
        if (find(name) == nullptr) return;
        record(node->interface(port), frame, PacketDirection::inbound);
        record(node->interface(kBridge), frame, PacketDirection::inbound);
        m_events.after(kStep, [node, moved = std::move(bytes)]() mutable { node->handle(std::move(moved), kBridge); });
    });
}

} // namespace natlens::lab::sim
