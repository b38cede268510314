// Private to app/probe: packets of several capture points put in the order of time.
#pragma once

#include "app/probe/capture_source.h"

#include <vector>

namespace natlens::probe {

/// Keeps arrivals until everything older has arrived, too. Packets that a capture point shows later than another one's
/// younger packets come out in order, if they come within the time that the caller keeps the newest back.
class StreamOrder final {
public:
    void add(base::CapturePointId point, const Arrival &arrival);
    [[nodiscard]] bool empty() const { return m_entries.empty(); }

    /// Hands over everything up to `until`, by time, equal times in the order of arrival, and forgets it.
    template<class Each>
    void release(base::Timestamp until, Each each) {
        const std::size_t ready = sortReady(until);
        for (std::size_t i = 0; i < ready; ++i)
            each(view(m_entries[i]));
        forget(ready);
    }

private:
    struct Entry {
        base::Timestamp time;
        std::size_t offset = 0;
        std::uint32_t length = 0, originalLength = 0;
        base::CapturePointId point;
        file::PacketDirection direction = file::PacketDirection::unknown;
    };
    [[nodiscard]] std::size_t sortReady(base::Timestamp until);
    [[nodiscard]] file::PacketView view(const Entry &entry) const;
    void forget(std::size_t count);

    std::vector<Entry> m_entries;
    std::vector<std::byte> m_bytes; ///< of all entries; emptied when none is left
};

} // namespace natlens::probe
