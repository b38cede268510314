// What this machine allows, found out by trying.
#pragma once

#include <string>
#include <vector>

namespace natlens::cli {

struct Ability {
    std::string name; ///< "user namespaces"
    bool available = false;
    bool needed = true; ///< for the lab
    std::string detail; ///< what was tried, and how it failed
    std::string remedy; ///< how to get it, "" when available
};

/// Tries everything the lab needs in a child process inside namespaces of its own; nothing stays. Takes some
/// milliseconds. Must be called while the program has one thread (it forks).
[[nodiscard]] std::vector<Ability> tryAbilities();

} // namespace natlens::cli
