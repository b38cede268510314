// A hash table in one array: linear probing, no tombstones, at most half full. For tables that are read for every
// connection and changed now and then.
#pragma once

#include "proxycore/engine/huge_array.h"

#include <cstddef>
#include <cstdint>
#include <utility>

namespace natlens::proxycore {

/// `Key` has operator== and a function hashKey(key) of 64 bits; zeroed memory is a valid key and value. Pointers to
/// values last until the next insertion or removal. Slots whose size divides a cache line never cross one.
template<class Key, class Value>
class FlatTable final {
public:
    [[nodiscard]] std::size_t size() const { return m_size; }

    [[nodiscard]] const Value *find(const Key &key) const {
        if (m_size == 0) return nullptr;
        for (std::size_t at = home(key);; at = next(at)) {
            const Slot &slot = m_slots[at];
            if (!slot.used) return nullptr;
            if (slot.key == key) return &slot.value;
        }
    }
    [[nodiscard]] Value *find(const Key &key) { return const_cast<Value *>(std::as_const(*this).find(key)); }

    /// The value of `key`, and whether it is new (then it is `value`).
    std::pair<Value *, bool> insert(const Key &key, Value value) {
        if ((m_size + 1) * 2 > m_slots.size()) grow(m_slots.size() == 0 ? kSmallest : m_slots.size() * 2);
        std::size_t at = home(key);
        for (; m_slots[at].used; at = next(at))
            if (m_slots[at].key == key) return {&m_slots[at].value, false};
        m_slots[at] = {key, true, std::move(value)};
        ++m_size;
        return {&m_slots[at].value, true};
    }

    void erase(const Key &key) {
        if (m_size == 0) return;
        std::size_t hole = home(key);
        for (; !(m_slots[hole].key == key); hole = next(hole))
            if (!m_slots[hole].used) return;
        if (!m_slots[hole].used) return;
        // What follows moves up, so that no search ends too early at the hole.
        for (std::size_t at = next(hole); m_slots[at].used; at = next(at)) {
            const std::size_t wanted = home(m_slots[at].key);
            if (((at - wanted) & mask()) < ((at - hole) & mask())) continue;
            m_slots[hole] = std::move(m_slots[at]);
            hole = at;
        }
        m_slots[hole] = {};
        --m_size;
    }

    void reserve(std::size_t count) {
        std::size_t slots = kSmallest;
        while (slots < count * 2)
            slots *= 2;
        if (slots > m_slots.size()) grow(slots);
    }

    void prefetch(const Key &key) const {
        if (m_size != 0) __builtin_prefetch(&m_slots[home(key)]);
    }

private:
    static constexpr std::size_t kSmallest = 16;
    struct Slot {
        Key key{};
        bool used = false; // beside the key, where it often takes no room
        Value value{};
    };

    [[nodiscard]] std::size_t mask() const { return m_slots.size() - 1; }
    [[nodiscard]] std::size_t home(const Key &key) const { return hashKey(key) & mask(); }
    [[nodiscard]] std::size_t next(std::size_t at) const { return (at + 1) & mask(); }

    void grow(std::size_t slots) {
        const HugeArray<Slot> old = std::exchange(m_slots, HugeArray<Slot>(slots));
        for (std::size_t i = 0; i < old.size(); ++i) {
            const Slot &slot = old[i];
            if (!slot.used) continue;
            std::size_t at = home(slot.key);
            while (m_slots[at].used)
                at = next(at);
            m_slots[at] = slot;
        }
    }

    HugeArray<Slot> m_slots{0};
    std::size_t m_size = 0;
};

} // namespace natlens::proxycore
