// The tracer's name for work that may be spread over threads.
#pragma once

#include "capture/base/parallel.h"

namespace natlens::tracer {

using base::oneByOne;
using base::ParallelFor;

} // namespace natlens::tracer
