// natlens: the composition root. One program is both the front end and, started again by app/session, the lab process.
#include "app/cli/cli.h"
#include "app/lab/process.h"

#include <string_view>

int main(int argc, char **argv) {
    if (argc > 1 && std::string_view(argv[1]) == "lab-process") return natlens::lab::processMain(argc, argv);
    return natlens::cli::run(argc, argv);
}
