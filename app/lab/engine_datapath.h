// The datapath `engine` of a real node: its packets pass through our NAT instead of the kernel's.
#pragma once

#include "app/lab/datapath.h"
#include "app/lab/packet_queue.h"
#include "app/lab/seeded_random.h"
#include "app/probe/capture_service.h"
#include "capture/base/unique_fd.h"
#include "proxycore/engine/packet_engine.h"

#include <map>

namespace natlens::lab {

/// Packets are taken where the kernel would first look at them (table raw, PREROUTING and OUTPUT), go through the engine
/// and come back translated in both directions; then the kernel routes them. The kernel tracks and translates nothing
/// here. Lives on the lab's thread.
class EngineDatapath final : public Datapath, private proxycore::NodeRouting {
public:
    /// In the node's namespace. unsupported without NFQUEUE, or without iptables to send packets there.
    [[nodiscard]] static base::Result<std::unique_ptr<Datapath>> open(const DatapathPlace &place);

    [[nodiscard]] base::Status apply(const proxycore::ProxyPlan &plan) override;
    [[nodiscard]] base::Status installTrace() override { return {}; } ///< no rules of the kernel have a say
    [[nodiscard]] bool kernelTracks() const override { return false; } ///< the engine sees to its own
    [[nodiscard]] proxycore::ProxyMetrics::Packets packets() override;
    [[nodiscard]] int fd() const override { return m_queue->fd(); }
    void serve() override { m_queue->serve(); }

private:
    explicit EngineDatapath(const DatapathPlace &place);
    [[nodiscard]] base::Status divert();
    [[nodiscard]] base::Status openRawSockets();
    [[nodiscard]] proxycore::PacketEngine &engineFor(packet::IpFamily family);
    [[nodiscard]] PacketQueue::Verdict handle(std::span<std::byte> packet, unsigned inputInterface);
    void send(std::span<const std::byte> packet) const;
    [[nodiscard]] const std::string &interfaceName(unsigned index);
    [[nodiscard]] proxycore::NodeRoute route(const packet::IpAddress &destination) const override;

    LabHost &m_node;
    probe::CaptureService &m_capture;
    SeededRandom m_random;
    proxycore::PacketEngine m_engine4, m_engine6;
    std::unique_ptr<PacketQueue> m_queue;
    base::UniqueFd m_raw4, m_raw6; ///< for packets that the engines make
    std::map<unsigned, std::string> m_interfaceNames;
};

} // namespace natlens::lab
