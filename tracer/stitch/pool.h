// A growing array whose elements never move: chunks of a fixed size, so that millions of flows cost no copying and no
// single huge allocation.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace natlens::tracer {

/// "No element" for every index type of this folder.
inline constexpr std::uint32_t kNone = 0xffffffff;

template<class T>
class Pool final {
public:
    [[nodiscard]] T &operator[](std::uint32_t index) { return m_chunks[index >> kShift][index & kMask]; }
    [[nodiscard]] const T &operator[](std::uint32_t index) const { return m_chunks[index >> kShift][index & kMask]; }
    [[nodiscard]] std::uint32_t size() const { return m_size; }

    /// Adds a default-constructed element and returns its index.
    [[nodiscard]] std::uint32_t add() {
        if ((m_size & kMask) == 0) m_chunks.push_back(std::make_unique<T[]>(kMask + 1));
        return m_size++;
    }

    /// Fetches the cache lines of an element ahead of its use.
    void prefetch(std::uint32_t index) const {
        const T *element = &m_chunks[index >> kShift][index & kMask];
        for (std::size_t offset = 0; offset < sizeof(T); offset += 64)
            __builtin_prefetch(reinterpret_cast<const char *>(element) + offset);
    }

private:
    static constexpr std::uint32_t kShift = 8, kMask = (1u << kShift) - 1;
    std::vector<std::unique_ptr<T[]>> m_chunks;
    std::uint32_t m_size = 0;
};

} // namespace natlens::tracer
