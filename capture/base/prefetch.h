// Hints to the processor.
#pragma once

namespace natlens::base {

/// The cache line with this address will be written: if another processor has it, it is asked for now, while there is
/// something else to do. Changes nothing; the address need not be valid.
inline void prefetchToWrite(const void *address) {
#ifdef __x86_64__
    // __builtin_prefetch() would only ask for a copy to read: this instruction is newer than the oldest processors that
    // are compiled for. Those do nothing.
    asm volatile("prefetchw %0" : : "m"(*static_cast<const char *>(address)));
#else
    __builtin_prefetch(address, 1);
#endif
}

} // namespace natlens::base
