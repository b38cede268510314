// Work that may be spread over threads, by whoever has some.
#pragma once

#include <cstddef>
#include <functional>

namespace natlens::base {

/// Calls work(0) ... work(count - 1), each once, in any order and in any threads, and returns when all are done.
/// Libraries that take one have no threads of their own; what they compute does not depend on how this is done.
using ParallelFor = std::function<void(std::size_t count, const std::function<void(std::size_t)> &work)>;

/// One after the other, on the calling thread.
inline void oneByOne(std::size_t count, const std::function<void(std::size_t)> &work) {
    for (std::size_t i = 0; i < count; ++i)
        work(i);
}

} // namespace natlens::base
