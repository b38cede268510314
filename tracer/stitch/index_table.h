// Hash to index, for chains of elements that are compared by the caller.
#pragma once

#include "tracer/stitch/pool.h"

#include <cstdint>
#include <vector>

namespace natlens::tracer {

/// Open addressing, linear probing, at most half full: one cache line for a usual look-up. Nothing is ever removed.
/// Elements are told apart by a full comparison that the caller supplies; half of the hash is kept beside the index so
/// that it is hardly ever needed. Chosen over std::unordered_map because every captured packet passes through one.
class IndexTable final {
public:
    /// The index stored for a key, as a reference to be filled in (kNone when new).
    /// `matches(index)` tells whether an element has the key that is looked for.
    template<class Matches>
    [[nodiscard]] std::uint32_t &at(std::uint64_t hash, Matches &&matches) {
        if (m_used * 2 >= m_slots.size()) grow();
        const auto tag = static_cast<std::uint32_t>(hash >> 32);
        for (std::size_t i = hash & m_mask;; i = (i + 1) & m_mask) {
            Slot &slot = m_slots[i];
            if (slot.index == kNone && !slot.used) {
                slot = Slot{tag, kNone, static_cast<std::uint32_t>(hash), true};
                ++m_used;
                return slot.index;
            }
            if (slot.tag == tag && slot.low == static_cast<std::uint32_t>(hash) &&
                (slot.index == kNone || matches(slot.index)))
                return slot.index;
        }
    }

    /// The same for reading only: kNone when there is none.
    template<class Matches>
    [[nodiscard]] std::uint32_t find(std::uint64_t hash, Matches &&matches) const {
        if (m_slots.empty()) return kNone;
        const auto tag = static_cast<std::uint32_t>(hash >> 32);
        for (std::size_t i = hash & m_mask;; i = (i + 1) & m_mask) {
            const Slot &slot = m_slots[i];
            if (!slot.used) return kNone;
            if (slot.tag == tag && slot.low == static_cast<std::uint32_t>(hash) && slot.index != kNone &&
                matches(slot.index))
                return slot.index;
        }
    }

private:
    struct Slot {
        std::uint32_t tag = 0, index = kNone, low = 0;
        bool used = false;
    };

    void grow() {
        std::vector<Slot> old(m_slots.empty() ? 1024 : m_slots.size() * 2);
        old.swap(m_slots);
        m_mask = m_slots.size() - 1;
        for (const Slot &slot : old) {
            if (!slot.used) continue;
            const std::uint64_t hash = (std::uint64_t{slot.tag} << 32) | slot.low;
            std::size_t i = hash & m_mask;
            while (m_slots[i].used)
                i = (i + 1) & m_mask;
            m_slots[i] = slot;
        }
    }

    std::vector<Slot> m_slots;
    std::size_t m_mask = 0, m_used = 0;
};

} // namespace natlens::tracer
