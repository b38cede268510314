#include "app/cli/lab_check.h"

#include "app/session/session.h"

#include <algorithm>
#include <fmt/format.h>
#include <unistd.h>

namespace natlens::cli {

std::string labFault(const LabOptions &options) {
    const auto scenarios = session::scenarios();
    const bool known = std::any_of(scenarios.begin(), scenarios.end(),
                                   [&](const auto &scenario) { return scenario.name == options.scenario; });
    // Anything with a slash or an extension is meant as a file; what is wrong with that one the lab says best.
    const bool file = options.scenario.find_first_of("/.") != std::string::npos;
    if (known || file || scenarios.empty()) return {};
    std::string names;
    for (const auto &scenario : scenarios)
        names += (names.empty() ? "" : ", ") + scenario.name;
    return fmt::format("no scenario \"{}\"; there are {}", options.scenario, names);
}

} // namespace natlens::cli
