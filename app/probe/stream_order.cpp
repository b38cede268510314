#include "app/probe/stream_order.h"

#include <algorithm>

namespace natlens::probe {

void StreamOrder::add(base::CapturePointId point, const Arrival &arrival) {
    m_entries.push_back({arrival.time, m_bytes.size(), static_cast<std::uint32_t>(arrival.data.size()),
                         arrival.originalLength, point, arrival.direction});
    m_bytes.insert(m_bytes.end(), arrival.data.begin(), arrival.data.end());
}

std::size_t StreamOrder::sortReady(base::Timestamp until) {
    std::ranges::stable_sort(m_entries, {}, &Entry::time);
    const auto end = std::ranges::upper_bound(m_entries, until, {}, &Entry::time);
    return static_cast<std::size_t>(end - m_entries.begin());
}

file::PacketView StreamOrder::view(const Entry &entry) const {
    file::PacketView packet;
    packet.point = entry.point;
    packet.time = entry.time;
    packet.originalLength = entry.originalLength;
    packet.data = std::span(m_bytes).subspan(entry.offset, entry.length);
    packet.direction = entry.direction;
    return packet;
}

void StreamOrder::forget(std::size_t count) {
    m_entries.erase(m_entries.begin(), m_entries.begin() + static_cast<std::ptrdiff_t>(count));
    if (m_entries.empty()) {
        m_bytes.clear();
    } else if (count != 0) {
        // The few that stay move to the front, so that a stream that never pauses does not grow the buffer.
        std::vector<std::byte> kept;
        for (Entry &entry : m_entries) {
            const auto bytes = std::span(m_bytes).subspan(entry.offset, entry.length);
            entry.offset = kept.size();
            kept.insert(kept.end(), bytes.begin(), bytes.end());
        }
        m_bytes = std::move(kept);
    }
}

} // namespace natlens::probe
