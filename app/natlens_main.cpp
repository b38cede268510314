// natlens: the composition root. One program is both the front end and, started again by app/session, the lab process.
#include "app/cli/cli.h"
#include "app/lab/process.h"
#include "app/lab/sim/simulated_lab.h"

#include <string_view>

namespace {

int runSimulated(natlens::lab::Scenario scenario, natlens::base::UniqueFd stream, natlens::base::UniqueFd control,
                 std::uint64_t seed) {
    return natlens::lab::sim::SimulatedLab(std::move(scenario), std::move(stream), std::move(control), seed).run();
}

} // namespace

int main(int argc, char **argv) {
    if (argc > 1 && std::string_view(argv[1]) == "lab-process") return natlens::lab::processMain(argc, argv, runSimulated);
    return natlens::cli::run(argc, argv);
}
