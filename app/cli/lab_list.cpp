#include "app/cli/commands.h"
#include "app/cli/output.h"
#include "app/session/session.h"

#include <algorithm>
#include <fmt/format.h>

namespace natlens::cli {

int labList() {
    const auto scenarios = session::scenarios();
    if (scenarios.empty()) {
        complain("natlens lab list: no scenarios were found; the installation is incomplete");
        return 2;
    }
    std::size_t width = 0;
    for (const auto &scenario : scenarios)
        width = std::max(width, scenario.name.size());
    // "findings/D13" belongs to the group "findings"; the document's scenarios have none and come first.
    const auto groupOf = [](const std::string &name) {
        const auto slash = name.find('/');
        return slash == std::string::npos ? std::string() : name.substr(0, slash);
    };
    Output output;
    std::string group;
    for (const auto &scenario : scenarios) {
        if (const auto own = groupOf(scenario.name); own != group) {
            group = own;
            output.write(fmt::format("\n{}: each brings about what natlens finds, the healthy twin does not\n", group));
        }
        output.write(fmt::format("{:<{}}  {}\n", scenario.name, width, scenario.summary));
    }
    return output.finish(0);
}

} // namespace natlens::cli
