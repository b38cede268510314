// Memory for tables of millions of elements.
#pragma once

#include <cstddef>
#include <mutex>
#include <utility>
#include <vector>

namespace natlens::base {

/// Zeroed pages of the kernel. Aborts without memory.
[[nodiscard]] std::byte *mapPages(std::size_t bytes);
void unmapPages(std::byte *data, std::size_t bytes);

/// Zeroed memory straight from the kernel, given back when this goes. Pages come as they are touched: what is never
/// written to costs nothing. From kHuge bytes on the kernel is asked for pages of two megabytes, of which a table that
/// fills needs a five-hundredth of the page faults and of the address translation's cache. (Measured with two million
/// flows: a quarter of all time went into page faults of four kilobytes.)
class BigMemory final {
public:
    static constexpr std::size_t kHuge = std::size_t{4} << 20;

    BigMemory() = default;
    /// Aborts without memory, as operator new without a handler does.
    explicit BigMemory(std::size_t bytes);
    ~BigMemory();
    BigMemory(BigMemory &&other) noexcept
        : m_data(std::exchange(other.m_data, nullptr))
        , m_size(std::exchange(other.m_size, 0)) {}
    BigMemory &operator=(BigMemory &&other) noexcept {
        std::swap(m_data, other.m_data);
        std::swap(m_size, other.m_size);
        return *this;
    }

    [[nodiscard]] std::byte *data() const { return m_data; }
    [[nodiscard]] std::size_t size() const { return m_size; }

private:
    std::byte *m_data = nullptr;
    std::size_t m_size = 0;
};

/// For vectors that are large, or that shall be given back to the kernel at once, which malloc() does not promise.
template<class T>
struct MappedAllocator {
    using value_type = T;

    MappedAllocator() = default;
    template<class Other>
    MappedAllocator(const MappedAllocator<Other> &) {}
    /// Aborts without memory, as BigMemory does.
    [[nodiscard]] T *allocate(std::size_t count) { return reinterpret_cast<T *>(mapPages(count * sizeof(T))); }
    void deallocate(T *data, std::size_t count) { unmapPages(reinterpret_cast<std::byte *>(data), count * sizeof(T)); }
    bool operator==(const MappedAllocator &) const = default;
};

/// Pieces of big memory that are given back all at once: chunks of several growing arrays lie side by side, so that
/// they fill large pages together. Lives on one thread, but for prepare().
class Arena final {
public:
    /// At least `bytes` zeroed bytes (a megabyte at most), aligned for every type.
    [[nodiscard]] std::byte *take(std::size_t bytes);
    /// To be called by a thread that has nothing to do, while another one may take(): has the kernel clear the next
    /// large page if it is not ready yet, which is some hundred microseconds that its first use does not wait. Does
    /// nothing for a small arena.
    void prepare();

private:
    [[nodiscard]] bool isSmall() const { return m_reserved < BigMemory::kHuge; }

    std::mutex m_mutex; ///< of all that follows
    std::vector<BigMemory> m_regions;
    BigMemory m_next;           ///< the region after the last, once it has been prepared
    std::size_t m_used = 0;     ///< of the last region
    std::size_t m_ready = 0;    ///< of the last region: up to here large pages are there, or somebody sees to it
    std::size_t m_reserved = 0; ///< all regions together, without m_next
};

} // namespace natlens::base
