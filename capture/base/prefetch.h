// Asking for memory before it is needed.
#pragma once

namespace natlens::base {

/// Fetches the cache line at an address, which need not be valid. The empty asm statement makes this something that
/// happens: g++ 12 takes a function that only calls __builtin_prefetch for one without any effect, and drops its calls.
inline void prefetch(const void *address) {
    __builtin_prefetch(address);
    asm volatile("" : : "r"(address));
}

} // namespace natlens::base
