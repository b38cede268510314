// The lab as a process: `natlens lab-process` (docs/lab-protocol.md). Started by app/session, not by people.
#pragma once

#include "app/lab/scenario.h"
#include "capture/base/unique_fd.h"

#include <cstdint>

namespace natlens::lab {

/// argv[0] is the program, argv[1] "lab-process". Returns the exit status of DESIGN section 5.
/// `simulated` runs a lab without a kernel (--simulated); it comes from outside because it builds on this folder.
using SimulatedRunner = int (*)(Scenario scenario, base::UniqueFd stream, base::UniqueFd control, std::uint64_t seed);
[[nodiscard]] int processMain(int argc, char **argv, SimulatedRunner simulated);

} // namespace natlens::lab
