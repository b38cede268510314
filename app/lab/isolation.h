// The lab's own world: user, mount, PID and network namespaces that die with the process that made them.
#pragma once

#include "capture/base/result.h"

#include <functional>
#include <string>

namespace natlens::lab {

/// Makes a new user, mount, PID and network namespace and runs `body` in it as PID 1 and root of the new user
/// namespace. Needs no privileges (kernel: user_namespaces(7)); where they are forbidden the error says what to do.
///
/// Nothing can be left behind: the namespaces have no name anywhere, PID 1's death kills every process inside, and
/// PID 1 dies with its parent (PR_SET_PDEATHSIG, and a pipe against the moment before that is set).
/// Returns the exit status of `body`, or 128 + the signal that ended it.
[[nodiscard]] base::Result<int> runIsolated(const std::function<int()> &body);

/// Why runIsolated() fails on this machine and how to change it, in one line ("" if nothing is known to forbid it).
[[nodiscard]] std::string isolationHint();

} // namespace natlens::lab
