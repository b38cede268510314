#include "capture/base/big_memory.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <sys/mman.h>

namespace natlens::base {
namespace {

constexpr std::size_t kHugePage = std::size_t{2} << 20;
/// Regions of an arena: the first ones small, so that small sources stay small; later ones are only address space until
/// they are used.
constexpr std::size_t kFirstRegion = std::size_t{1} << 20, kRegion = std::size_t{16} << 20;

/// MADV_POPULATE_WRITE (Linux 5.14), for headers that are older: the pages are there as if they had been written to.
constexpr int kPopulate = 23;

std::size_t roundedUp(std::size_t bytes, std::size_t to) {
    return (bytes + to - 1) / to * to;
}

} // namespace

std::byte *mapPages(std::size_t bytes) {
    void *data = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (data == MAP_FAILED) {
        std::fputs("natlens: out of memory\n", stderr);
        std::abort();
    }
    return static_cast<std::byte *>(data);
}

void unmapPages(std::byte *data, std::size_t bytes) {
    ::munmap(data, bytes);
}

BigMemory::BigMemory(std::size_t bytes) {
    if (bytes < kHuge) {
        m_size = bytes;
        m_data = mapPages(bytes);
        return;
    }
    // Large pages begin at multiples of their size: map some more, and give back what lies around.
    m_size = roundedUp(bytes, kHugePage);
    std::byte *all = mapPages(m_size + kHugePage);
    const std::size_t before =
        roundedUp(reinterpret_cast<std::size_t>(all), kHugePage) - reinterpret_cast<std::size_t>(all);
    m_data = all + before;
    if (before != 0) ::munmap(all, before);
    if (before != kHugePage) ::munmap(m_data + m_size, kHugePage - before);
    ::madvise(m_data, m_size, MADV_HUGEPAGE); // a wish: where it cannot be had nothing is lost
}

BigMemory::~BigMemory() {
    if (m_data) unmapPages(m_data, m_size);
}

std::byte *Arena::take(std::size_t bytes) {
    bytes = roundedUp(bytes, 64);
    const std::lock_guard lock(m_mutex);
    if (m_regions.empty() || m_regions.back().size() - m_used < bytes) {
        const bool prepared = m_next.size() != 0;
        if (prepared)
            m_regions.push_back(std::exchange(m_next, {}));
        else
            m_regions.emplace_back(isSmall() ? std::max(kFirstRegion, bytes) : kRegion);
        m_reserved += m_regions.back().size();
        m_used = 0;
        m_ready = prepared ? kHugePage : 0;
    }
    std::byte *piece = m_regions.back().data() + m_used;
    m_used += bytes;
    return piece;
}

void Arena::prepare() {
    std::byte *page = nullptr;
    {
        const std::lock_guard lock(m_mutex);
        if (isSmall()) return;
        const BigMemory &last = m_regions.back();
        const bool isLarge = last.size() == kRegion;
        if (isLarge) m_ready = std::max(m_ready, roundedUp(m_used, kHugePage));
        if (isLarge && m_ready < last.size()) {
            if (m_ready - m_used >= kHugePage) return;
            page = last.data() + m_ready;
            m_ready += kHugePage;
        } else {
            if (m_next.size() != 0 || last.size() - m_used >= kHugePage) return;
            m_next = BigMemory(kRegion);
            page = m_next.data();
        }
    }
    ::madvise(page, kHugePage, kPopulate); // a wish, too: what is not ready comes when it is used
}

} // namespace natlens::base
