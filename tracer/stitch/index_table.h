// Hash to index, for elements that are compared by the caller.
#pragma once

#include "tracer/stitch/pool.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <utility>

namespace natlens::tracer {

/// Open addressing, linear probing, eight bytes a slot: one cache line for a usual look-up. Nothing is ever removed.
/// Elements are told apart by a full comparison that the caller supplies; 32 bits of the hash, the tag, are kept beside
/// the index, so that it is hardly ever needed in vain and growing needs no element.
///
/// Slots are in order of their tags, and a tag's place is its share of the table: so a look-up for what is not there
/// ends as soon as one that is, the table may be seven eighths full, growing copies from front to back, and it grows by
/// half, not to the double. (With two million flows that is 11 bytes each instead of 17.)
/// Chosen over std::unordered_map because every captured packet passes through one.
class IndexTable final {
public:
    /// The index stored for a key, as a reference to be filled in at once (kNone when new; valid until the next at()).
    /// `matches(index)` tells whether an element has the key that is looked for.
    template<class Matches>
    [[nodiscard]] std::uint32_t &at(std::uint64_t hash, Matches &&matches) {
        const std::uint32_t tag = tagOf(hash);
        if (m_used * 8 >= m_places * 7) grow();
        for (;;) {
            std::size_t i = skip(tag);
            for (; m_slots[i].index != kNone && m_slots[i].tag == tag; ++i)
                if (matches(m_slots[i].index)) return m_slots[i].index;
            if (makeRoom(i)) {
                m_slots[i] = {tag, kNone};
                ++m_used;
                return m_slots[i].index;
            }
            grow();
        }
    }

    /// The same for reading only: kNone when there is none.
    template<class Matches>
    [[nodiscard]] std::uint32_t find(std::uint64_t hash, Matches &&matches) const {
        if (m_places == 0) return kNone;
        const std::uint32_t tag = tagOf(hash);
        for (std::size_t i = skip(tag); m_slots[i].index != kNone && m_slots[i].tag == tag; ++i)
            if (matches(m_slots[i].index)) return m_slots[i].index;
        return kNone;
    }

    [[nodiscard]] bool empty() const { return m_used == 0; }

private:
    struct Slot {
        std::uint32_t tag, index;
    };

    [[nodiscard]] static std::uint32_t tagOf(std::uint64_t hash) {
        return static_cast<std::uint32_t>(hash ^ hash >> 32);
    }
    [[nodiscard]] std::size_t placeOf(std::uint32_t tag) const { return (std::uint64_t{tag} * m_places) >> 32; }
    /// The first slot that is empty or has this tag or a later one.
    [[nodiscard]] std::size_t skip(std::uint32_t tag) const {
        std::size_t i = placeOf(tag);
        while (m_slots[i].index != kNone && m_slots[i].tag < tag)
            ++i;
        return i;
    }
    /// Moves what stands at `at` and behind it by one, up to the next empty slot. False: there is none left.
    [[nodiscard]] bool makeRoom(std::size_t at) {
        std::size_t end = at;
        while (m_slots[end].index != kNone)
            ++end;
        if (end + 1 == m_places + m_behind) return false;
        std::memmove(m_slots + at + 1, m_slots + at, (end - at) * sizeof(Slot));
        return true;
    }

    void grow() {
        m_behind *= m_places == 0 || m_used * 8 >= m_places * 7 ? 1 : 2; // too many tags at the end of all tags
        const std::size_t places = m_places == 0 ? 1024 : m_places + m_places / 2;
        while (!copyTo(places))
            m_behind *= 2;
    }
    [[nodiscard]] bool copyTo(std::size_t places) {
        const std::size_t before = m_memory.size() / sizeof(Slot), after = places + m_behind;
        base::BigMemory memory(after * sizeof(Slot));
        std::memset(memory.data(), 0xff, memory.size()); // kNone everywhere
        auto *slots = reinterpret_cast<Slot *>(memory.data());
        std::size_t next = 0;
        for (std::size_t from = 0; from < before; ++from) {
            if (m_slots[from].index == kNone) continue;
            next = std::max<std::size_t>(next, (std::uint64_t{m_slots[from].tag} * places) >> 32);
            if (next + 1 >= after) return false;
            slots[next++] = m_slots[from];
        }
        m_memory = std::move(memory);
        m_slots = slots;
        m_places = places;
        return true;
    }

    base::BigMemory m_memory;
    Slot *m_slots = nullptr; ///< in m_memory
    std::size_t m_places = 0, m_used = 0;
    /// Slots behind the last place: for what is pushed beyond it, and an empty one at which every search ends.
    std::size_t m_behind = 256;
};

} // namespace natlens::tracer
