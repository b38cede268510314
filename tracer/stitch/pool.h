// A growing array whose elements never move: chunks of a fixed size, so that millions of flows cost no copying and no
// single huge allocation.
#pragma once

#include "capture/base/big_memory.h"

#include <bit>
#include <cstddef>
#include <cstdint>
#include <new>
#include <type_traits>
#include <vector>

namespace natlens::tracer {

/// "No element" for every index type of this folder.
inline constexpr std::uint32_t kNone = 0xffffffff;

/// Chunks are pieces of an arena, which must outlive the pool. An element is touched when it is added, not before.
template<class T>
class Pool final {
    static_assert(std::is_trivially_destructible_v<T>);

public:
    explicit Pool(base::Arena &arena)
        : m_arena(&arena) {}

    [[nodiscard]] T &operator[](std::uint32_t index) { return m_chunks[index >> kShift][index & kMask]; }
    [[nodiscard]] const T &operator[](std::uint32_t index) const { return m_chunks[index >> kShift][index & kMask]; }
    [[nodiscard]] std::uint32_t size() const { return m_size; }

    /// Adds a default-constructed element and returns its index.
    [[nodiscard]] std::uint32_t add() {
        if ((m_size & kMask) == 0)
            m_chunks.push_back(reinterpret_cast<T *>(m_arena->take((std::size_t{kMask} + 1) * sizeof(T))));
        new (m_chunks.back() + (m_size & kMask)) T();
        return m_size++;
    }

private:
    /// Some 32 to 64 kilobytes.
    static constexpr std::uint32_t kShift = std::bit_width(0x10000 / sizeof(T)) - 1, kMask = (1U << kShift) - 1;

    base::Arena *m_arena;
    std::vector<T *> m_chunks;
    std::uint32_t m_size = 0;
};

} // namespace natlens::tracer
