// Hash to index, for elements that are compared by the caller.
#pragma once

#include "tracer/stitch/pool.h"

#include <cstdint>
#include <vector>

namespace natlens::tracer {

/// Open addressing, linear probing, at most three quarters full, eight bytes a slot: one cache line for a usual
/// look-up. Nothing is ever removed. Elements are told apart by a full comparison that the caller supplies; 32 bits of
/// the hash are kept beside the index, so that it is hardly ever needed in vain and growing needs no element.
/// Chosen over std::unordered_map because every captured packet passes through one.
class IndexTable final {
public:
    /// The index stored for a key, as a reference to be filled in at once (kNone when new; valid until the next at()).
    /// `matches(index)` tells whether an element has the key that is looked for.
    template<class Matches>
    [[nodiscard]] std::uint32_t &at(std::uint64_t hash, Matches &&matches) {
        if (m_used * 4 >= m_slots.size() * 3) grow();
        const std::uint32_t tag = tagOf(hash);
        for (std::size_t i = tag & m_mask;; i = (i + 1) & m_mask) {
            Slot &slot = m_slots[i];
            if (slot.index == kNone) {
                slot.tag = tag;
                ++m_used;
                return slot.index;
            }
            if (slot.tag == tag && matches(slot.index)) return slot.index;
        }
    }

    /// The same for reading only: kNone when there is none.
    template<class Matches>
    [[nodiscard]] std::uint32_t find(std::uint64_t hash, Matches &&matches) const {
        if (m_slots.empty()) return kNone;
        const std::uint32_t tag = tagOf(hash);
        for (std::size_t i = tag & m_mask;; i = (i + 1) & m_mask) {
            const Slot &slot = m_slots[i];
            if (slot.index == kNone) return kNone;
            if (slot.tag == tag && matches(slot.index)) return slot.index;
        }
    }

    /// Fetches the slot's cache line ahead of at() or find().
    void prefetch(std::uint64_t hash) const {
        if (!m_slots.empty()) __builtin_prefetch(&m_slots[tagOf(hash) & m_mask]);
    }
    /// The index that at() will probably find, without comparing; kNone if there is certainly none.
    [[nodiscard]] std::uint32_t likely(std::uint64_t hash) const {
        if (m_slots.empty()) return kNone;
        const std::uint32_t tag = tagOf(hash);
        for (std::size_t i = tag & m_mask;; i = (i + 1) & m_mask)
            if (m_slots[i].index == kNone || m_slots[i].tag == tag) return m_slots[i].index;
    }

private:
    struct Slot {
        std::uint32_t tag = 0, index = kNone;
    };
    [[nodiscard]] static std::uint32_t tagOf(std::uint64_t hash) {
        return static_cast<std::uint32_t>(hash ^ hash >> 32);
    }

    void grow() {
        std::vector<Slot> old(m_slots.empty() ? 1024 : m_slots.size() * 2);
        old.swap(m_slots);
        m_mask = m_slots.size() - 1;
        for (const Slot &slot : old) {
            if (slot.index == kNone) continue;
            std::size_t i = slot.tag & m_mask;
            while (m_slots[i].index != kNone)
                i = (i + 1) & m_mask;
            m_slots[i] = slot;
        }
    }

    std::vector<Slot> m_slots;
    std::size_t m_mask = 0, m_used = 0;
};

} // namespace natlens::tracer
