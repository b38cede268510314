// A fixed array for random access: what is larger than a huge page asks the kernel for huge pages, because otherwise
// every access pays for a look-up of the page besides.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <sys/mman.h>
#include <type_traits>

namespace natlens::proxycore {

constexpr std::size_t kHugePage = std::size_t{2} << 20;

/// Zeroed memory for `size` trivially destructible elements. Throws std::bad_alloc.
template<class T>
class HugeArray final {
public:
    static_assert(std::is_trivially_destructible_v<T>);

    explicit HugeArray(std::size_t size)
        : m_size(size) {
        if (size == 0) return;
        const std::size_t wanted = size * sizeof(T);
        const std::size_t unit = wanted >= kHugePage ? kHugePage : 64;
        const std::size_t bytes = (wanted + unit - 1) / unit * unit;
        m_data = {static_cast<T *>(unit == kHugePage ? map(bytes) : std::aligned_alloc(unit, bytes)),
                  {unit == kHugePage ? bytes : 0}};
        if (!m_data) throw std::bad_alloc();
        if (unit != kHugePage) std::memset(static_cast<void *>(m_data.get()), 0, bytes);
    }

    [[nodiscard]] std::size_t size() const { return m_size; }
    [[nodiscard]] T *data() { return m_data.get(); }
    [[nodiscard]] const T *data() const { return m_data.get(); }
    [[nodiscard]] T &operator[](std::size_t i) { return m_data.get()[i]; }
    [[nodiscard]] const T &operator[](std::size_t i) const { return m_data.get()[i]; }

private:
    /// Pages of its own: what the heap has had before is there in small pages, and advice comes too late. Null: none
    /// left.
    static void *map(std::size_t bytes) {
        void *const found =
            ::mmap(nullptr, bytes + kHugePage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (found == MAP_FAILED) return nullptr;
        // What stands out before and behind goes back.
        auto *const first = static_cast<std::byte *>(found);
        const std::size_t before = (kHugePage - reinterpret_cast<std::uintptr_t>(first) % kHugePage) % kHugePage;
        if (before > 0) ::munmap(first, before);
        if (before < kHugePage) ::munmap(first + before + bytes, kHugePage - before);
        ::madvise(first + before, bytes, MADV_HUGEPAGE); // advice only: without it, it is slower
        return first + before;
    }

    struct Free {
        std::size_t mapped = 0; ///< bytes; 0: from the heap

        void operator()(T *data) const {
            if (mapped > 0)
                ::munmap(data, mapped);
            else
                std::free(data);
        }
    };
    std::unique_ptr<T, Free> m_data;
    std::size_t m_size;
};

} // namespace natlens::proxycore
