#include "capture/file/by_interface.h"

#include "capture/base/byte_order.h"
#include "capture/file/point_names.h"

namespace natlens::file::detail {

void ByInterface::place(PacketView &view, const AddPoint &addPoint) {
    constexpr std::size_t kHeader = 20, kIndexAt = 4, kHardwareAt = 8, kPacketTypeAt = 10;
    constexpr std::uint16_t kLoopback = 772; // ARPHRD_LOOPBACK
    constexpr std::uint8_t kOutgoing = 4;    // PACKET_OUTGOING
    const auto capture = m_captures.find(view.point);
    if (capture == m_captures.end() || view.data.size() < kHeader) return;

    const std::byte *header = view.data.data();
    const std::uint32_t index = base::loadBig32(header + kIndexAt);
    if (view.direction == PacketDirection::unknown)
        view.direction =
            base::loadByte(header + kPacketTypeAt) == kOutgoing ? PacketDirection::outbound : PacketDirection::inbound;
    if (index == 0) return;
    constexpr std::size_t kMostInterfaces = 4096; // more only a damaged file has: they share the capture's own point
    if (m_points.size() >= kMostInterfaces && !m_points.contains({view.point, index})) return;
    const auto [place, isNew] = m_points.try_emplace({view.point, index}, view.point);
    if (isNew) {
        CapturePoint point = capture->second;
        point.name = PointNames::ofIndex(point.name, index, base::loadBig16(header + kHardwareAt) == kLoopback);
        point.mac.reset();
        place->second = addPoint(point);
    }
    view.point = place->second;
}

} // namespace natlens::file::detail
