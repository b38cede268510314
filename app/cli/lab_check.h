// What can be said about a lab's arguments before anything is started.
#pragma once

#include "app/cli/arguments.h"

#include <string>

namespace natlens::cli {

/// "" when they will do, else what is wrong and what exists instead.
[[nodiscard]] std::string labFault(const LabOptions &options);

} // namespace natlens::cli
