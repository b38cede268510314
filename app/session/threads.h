// Work spread over the machine's processors.
#pragma once

#include <cstddef>
#include <functional>

namespace natlens::session {

/// Calls work(0) ... work(count - 1), each once, in as many threads as there are processors (this one included), and
/// returns when all are done. base::ParallelFor.
void inThreads(std::size_t count, const std::function<void(std::size_t)> &work);

} // namespace natlens::session
