// Entering a running lab: `natlens lab exec NODE -- CMD`.
#pragma once

#include "capture/base/result.h"

#include <string>
#include <sys/types.h>
#include <vector>

namespace natlens::session {

/// Runs `command` inside a host of a running lab of this user, with this terminal, and waits for it.
/// The lab hands out its namespaces over an abstract socket, "\0natlens-lab-<uid>-<pid>"; both ends check that the
/// other belongs to the same user. `pid`, of the lab or of the program that started it, chooses one of several
/// labs; 0 takes the newest.
/// Returns the command's exit status, or 128 + the signal that ended it; 127 if it cannot be found, 126 if not run.
/// Must be called while the program has one thread (setns(2) into a user namespace demands it).
[[nodiscard]] base::Result<int> enterLab(const std::string &host, const std::vector<std::string> &command,
                                         pid_t pid = 0);

/// Process ids of the running labs of this user, newest first (from the kernel's list of unix sockets).
[[nodiscard]] std::vector<pid_t> runningLabs();

} // namespace natlens::session
