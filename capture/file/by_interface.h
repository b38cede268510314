// Private to capture/file: a capture of all interfaces at once, taken apart.
#pragma once

#include "capture/file/capture_stream.h"

#include <functional>
#include <map>
#include <utility>

namespace natlens::file::detail {

/// `tcpdump -i any` writes the index of the interface into each packet's header (LINKTYPE_LINUX_SLL2; the older
/// LINKTYPE_LINUX_SLL has none). Each index is a capture point of its own, "host/if3", made when its first packet
/// comes; which way a packet crossed it stands in the same header.
class ByInterface final {
public:
    [[nodiscard]] bool empty() const { return m_captures.empty(); }
    void add(base::CapturePointId id, const CapturePoint &point) { m_captures.emplace(id, point); }

    using AddPoint = std::function<base::CapturePointId(const CapturePoint &)>;
    /// Moves a packet to the point of its interface and gives it its direction; packets of other points stay.
    void place(PacketView &view, const AddPoint &addPoint);

private:
    std::map<base::CapturePointId, CapturePoint> m_captures;
    std::map<std::pair<base::CapturePointId, std::uint32_t>, base::CapturePointId> m_points;
};

} // namespace natlens::file::detail
