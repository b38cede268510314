// The lab as a process: `natlens lab-process` (docs/lab-protocol.md). Started by app/session, not by people.
#pragma once

namespace natlens::lab {

/// argv[0] is the program, argv[1] "lab-process". Returns the exit status of DESIGN section 5.
[[nodiscard]] int processMain(int argc, char **argv);

} // namespace natlens::lab
