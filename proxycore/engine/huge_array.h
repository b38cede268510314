// A fixed array for random access: what is larger than a huge page asks the kernel for huge pages, because otherwise
// every access pays for a look-up of the page besides.
#pragma once

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
        m_data.reset(static_cast<T *>(std::aligned_alloc(unit, bytes)));
        if (!m_data) throw std::bad_alloc();
        if (unit == kHugePage) ::madvise(m_data.get(), bytes, MADV_HUGEPAGE); // advice only: without it, it is slower
        std::memset(static_cast<void *>(m_data.get()), 0, bytes);
    }

    [[nodiscard]] std::size_t size() const { return m_size; }
    [[nodiscard]] T *data() { return m_data.get(); }
    [[nodiscard]] T &operator[](std::size_t i) { return m_data.get()[i]; }
    [[nodiscard]] const T &operator[](std::size_t i) const { return m_data.get()[i]; }

private:
    struct Free {
        void operator()(T *data) const { std::free(data); }
    };
    std::unique_ptr<T, Free> m_data;
    std::size_t m_size;
};

} // namespace natlens::proxycore
