#include "app/cli/commands.h"
#include "app/cli/machine.h"
#include "app/cli/output.h"
#include "app/session/session.h"

#include <algorithm>
#include <fmt/format.h>

namespace natlens::cli {

int doctor() {
    const std::vector<Ability> abilities = tryAbilities();
    const bool labRuns = std::all_of(abilities.begin(), abilities.end(),
                                     [](const Ability &ability) { return ability.available || !ability.needed; });
    Output output;
    for (const Ability &ability : abilities) {
        const std::string mark = ability.available ? output.styled(Style::good, "yes")
                                 : ability.needed  ? output.styled(Style::bad, "no ")
                                                   : output.styled(Style::warning, "no ");
        output.write(
            fmt::format("{}  {}{}\n", mark, ability.name, ability.detail.empty() ? "" : " (" + ability.detail + ")"));
        if (!ability.remedy.empty()) output.write(fmt::format("       to get it: {}\n", ability.remedy));
    }
    const std::size_t scenarios = session::scenarios().size();
    output.write(fmt::format("{}  scenarios ({} found)\n",
                             scenarios ? output.styled(Style::good, "yes") : output.styled(Style::bad, "no "),
                             scenarios));
    output.write(labRuns ? "\nThe lab can run here: natlens lab run nodeport\n"
                         : "\nThe lab cannot run here. Recordings can be read all the same: natlens replay FILE\n");
    return output.finish(labRuns ? 0 : 3);
}

} // namespace natlens::cli
