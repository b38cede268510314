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
    Output output;
    for (const auto &scenario : scenarios)
        output.write(fmt::format("{:<{}}  {}\n", scenario.name, width, scenario.summary));
    return output.finish(0);
}

} // namespace natlens::cli
