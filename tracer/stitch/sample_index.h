// Which legs have a sample in common.
#pragma once

#include "tracer/stitch/flow.h"

#include <cstdint>
#include <vector>

namespace natlens::tracer {

/// From the key of a sample to the legs that have it: pairs in open addressing, eight bytes each and at most half full.
/// Nothing is removed: what a leg no longer keeps costs a comparison, no more.
class SampleIndex final {
public:
    /// Adding a pair twice changes nothing.
    void add(std::uint32_t key, LegIndex leg) {
        if (m_used * 2 >= m_slots.size()) grow();
        for (std::size_t i = start(key);; i = (i + 1) & (m_slots.size() - 1)) {
            if (m_slots[i].leg == leg && m_slots[i].key == key) return;
            if (m_slots[i].leg != kNone) continue;
            m_slots[i] = {key, leg};
            ++m_used;
            return;
        }
    }

    /// Calls `visit(leg)` for every leg with this key, in no particular order.
    template<class Visit>
    void each(std::uint32_t key, Visit &&visit) const {
        if (m_slots.empty()) return;
        for (std::size_t i = start(key); m_slots[i].leg != kNone; i = (i + 1) & (m_slots.size() - 1))
            if (m_slots[i].key == key) visit(m_slots[i].leg);
    }

private:
    struct Slot {
        std::uint32_t key = 0;
        LegIndex leg = kNone;
    };

    [[nodiscard]] std::size_t start(std::uint32_t key) const {
        return ((key * 0x9e3779b97f4a7c15ULL) >> 32) & (m_slots.size() - 1);
    }
    void grow() {
        std::vector<Slot> old(m_slots.empty() ? 1024 : m_slots.size() * 2);
        old.swap(m_slots);
        m_used = 0;
        for (const Slot &slot : old)
            if (slot.leg != kNone) add(slot.key, slot.leg);
    }

    std::vector<Slot> m_slots;
    std::size_t m_used = 0;
};

} // namespace natlens::tracer
