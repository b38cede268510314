// The command line of natlens.
#pragma once

namespace natlens::cli {

/// Runs one command; the exit status of DESIGN section 5.
[[nodiscard]] int run(int argc, char **argv);

} // namespace natlens::cli
