#include "app/cli/cli.h"

#include "app/cli/commands.h"
#include "app/cli/output.h"

#include <csignal>

namespace natlens::cli {
namespace {

struct Dispatch {
    int operator()(const Finished &finished) const {
        if (finished.status != 0) {
            complain(finished.text);
            return finished.status;
        }
        Output output;
        output.write(wrappedHelp(finished.text, output.columns()));
        return output.finish(0);
    }
    int operator()(const LabList &) const { return labList(); }
    int operator()(const LabRun &arguments) const { return labRun(arguments); }
    int operator()(const LabUp &arguments) const { return labUp(arguments); }
    int operator()(const LabExec &arguments) const { return labExec(arguments); }
    int operator()(const Replay &arguments) const { return replay(arguments); }
    int operator()(const Render &arguments) const { return render(arguments); }
    int operator()(const Explain &arguments) const { return explain(arguments); }
    int operator()(const Rules &arguments) const { return rules(arguments); }
    int operator()(const Doctor &) const { return doctor(); }
};

} // namespace

int run(int argc, char **argv) {
    std::signal(SIGPIPE, SIG_IGN); // a closed standard output is an ordinary end: see Output
    return std::visit(Dispatch{}, parseArguments(argc, argv));
}

} // namespace natlens::cli
