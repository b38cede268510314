#include "app/probe/capture_source.h"

#include "capture/netlink/message.h"

#include <algorithm>

namespace natlens::probe {
namespace {

class InterfaceSource final : public CaptureSource {
public:
    InterfaceSource(live::LiveCapture capture, std::optional<packet::MacAddress> mac)
        : m_capture(std::move(capture))
        , m_mac(mac) {}

    int fd() const override { return m_capture.fd(); }

    base::Status collect(const Deliver &deliver, std::size_t limit) override {
        const auto count = m_capture.dispatch(
            [&](const live::CapturedPacket &packet) {
                const auto direction = m_mac ? directionOf(packet.data, *m_mac) : file::PacketDirection::unknown;
                deliver(Arrival{packet.time, packet.originalLength, packet.data, direction});
            },
            limit);
        if (!count) return std::unexpected(count.error());
        return {};
    }

    SourceCounters counters() override {
        const live::CaptureStatistics statistics = m_capture.statistics();
        return {statistics.received, statistics.dropped};
    }

private:
    live::LiveCapture m_capture;
    std::optional<packet::MacAddress> m_mac;
};

class EventSource final : public CaptureSource {
public:
    explicit EventSource(netlink::EventSocket socket)
        : m_socket(std::move(socket)) {}

    int fd() const override { return m_socket.fd(); }

    base::Status collect(const Deliver &deliver, std::size_t limit) override {
        const auto count = m_socket.receive(
            [&](std::span<const std::byte> message) {
                ++m_received;
                const std::vector<std::byte> packet = netlink::wrap(netlink::Family::netfilter, message);
                deliver(Arrival{base::Timestamp::now(), static_cast<std::uint32_t>(packet.size()), packet,
                                file::PacketDirection::unknown});
            },
            limit);
        if (!count) return std::unexpected(count.error());
        return {};
    }

    SourceCounters counters() override { return {m_received, m_socket.gaps()}; }

private:
    netlink::EventSocket m_socket;
    std::uint64_t m_received = 0;
};

} // namespace

std::unique_ptr<CaptureSource> makeInterfaceSource(live::LiveCapture capture, std::optional<packet::MacAddress> mac) {
    return std::make_unique<InterfaceSource>(std::move(capture), mac);
}

std::unique_ptr<CaptureSource> makeEventSource(netlink::EventSocket socket) {
    return std::make_unique<EventSource>(std::move(socket));
}

file::PacketDirection directionOf(std::span<const std::byte> frame, const packet::MacAddress &own) {
    if (frame.size() < 2 * own.size()) return file::PacketDirection::unknown;
    const auto isOwn = [&](std::span<const std::byte> address) {
        return std::ranges::equal(address, std::as_bytes(std::span(own)));
    };
    if (isOwn(frame.subspan(own.size(), own.size()))) return file::PacketDirection::outbound;
    constexpr std::byte kGroup{1}; // IEEE 802: the first bit on the wire
    if ((frame[0] & kGroup) != std::byte{0} || isOwn(frame.first(own.size()))) return file::PacketDirection::inbound;
    return file::PacketDirection::unknown;
}

} // namespace natlens::probe
