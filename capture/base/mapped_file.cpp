#include "capture/base/mapped_file.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <mutex>
#include <sys/mman.h>
#include <unistd.h>

namespace natlens::base {

namespace {

/// What the signal handler knows of a mapping. It takes no locks: a place is used by one mapping from the setting of
/// `begin` to its clearing, and nobody reads a mapping that has gone.
struct Place {
    std::atomic<std::uintptr_t> begin = 0, end = 0;
    std::atomic<bool> taken = false, damaged = false;
};
std::array<Place, 64> places;
static_assert(std::atomic<std::uintptr_t>::is_always_lock_free && std::atomic<bool>::is_always_lock_free);

struct sigaction previousAction {};
std::uintptr_t pageSize = 4096;

/// Puts zeros in the place of what is not there any more, from the page that was looked at to the end. mmap() is a
/// system call and no more on Linux, so it may be called here.
void whenNotThere(int signal, siginfo_t *about, void *context) {
    const int before = errno;
    const auto address = reinterpret_cast<std::uintptr_t>(about->si_addr);
    for (auto &place : places) {
        const auto begin = place.begin.load(), end = place.end.load();
        if (begin == 0 || address < begin || address >= end) continue;
        const auto page = address & ~(pageSize - 1);
        place.damaged = true;
        const void *zeros = ::mmap(reinterpret_cast<void *>(page), end - page, PROT_READ,
                                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
        if (zeros == MAP_FAILED) break;
        errno = before;
        return;
    }
    if ((previousAction.sa_flags & SA_SIGINFO) != 0 && previousAction.sa_sigaction != nullptr)
        return previousAction.sa_sigaction(signal, about, context);
    // It is raised again at once, and then does what it did before there were mappings.
    ::sigaction(SIGBUS, &previousAction, nullptr);
}

void installHandler() {
    pageSize = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
    struct sigaction action {};
    action.sa_sigaction = whenNotThere;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigemptyset(&action.sa_mask);
    ::sigaction(SIGBUS, &action, &previousAction);
}

Place *takePlace() {
    for (auto &place : places)
        if (!place.taken.exchange(true)) return &place;
    return nullptr;
}

} // namespace

class MappedFile::Mapping final {
public:
    Mapping(void *memory, std::size_t size, Place &place)
        : m_memory(memory)
        , m_size(size)
        , m_place(place) {
        place.damaged = false;
        place.end = reinterpret_cast<std::uintptr_t>(memory) + size;
        place.begin = reinterpret_cast<std::uintptr_t>(memory);
    }
    Mapping(const Mapping &) = delete;
    Mapping &operator=(const Mapping &) = delete;
    ~Mapping() {
        m_place.begin = 0;
        ::munmap(m_memory, m_size);
        m_place.taken = false;
    }

    void *const m_memory;
    const std::size_t m_size;
    Place &m_place;
};

std::optional<MappedFile> MappedFile::map(int descriptor, std::size_t size) {
    static std::once_flag once;
    std::call_once(once, installHandler);
    if (size == 0) return std::nullopt;
    auto *const place = takePlace();
    if (place == nullptr) return std::nullopt;
    void *const memory = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, descriptor, 0);
    if (memory == MAP_FAILED) {
        place->taken = false;
        return std::nullopt;
    }
    return MappedFile(std::make_shared<Mapping>(memory, size, *place));
}

std::string_view MappedFile::text() const {
    return {static_cast<const char *>(m_mapping->m_memory), m_mapping->m_size};
}

bool MappedFile::damaged() const {
    return m_mapping->m_place.damaged;
}

void MappedFile::prepare(std::size_t offset, std::size_t size) const {
#ifdef MADV_POPULATE_READ
    auto *const memory = static_cast<char *>(m_mapping->m_memory);
    offset &= ~(pageSize - 1);
    if (offset < m_mapping->m_size)
        ::madvise(memory + offset, std::min(size, m_mapping->m_size - offset), MADV_POPULATE_READ); // may fail
#endif
}

} // namespace natlens::base
