#include "app/cli/commands.h"
#include "app/cli/lab_check.h"
#include "app/cli/watch.h"

#include <fmt/format.h>

namespace natlens::cli {

int labRun(const LabRun &arguments) {
    static constexpr const char *kName = "natlens lab run";
    catchSignals();
    if (const std::string fault = labFault(arguments.lab); !fault.empty()) {
        complain(fmt::format("{}: {}", kName, fault));
        return 2;
    }
    auto session = session::Session::open(session::LabSource{arguments.lab.scenario},
                                          sessionOptions(arguments.source, arguments.lab));
    if (!session) {
        complain(fmt::format("{}: {}", kName, session.error().sentence()));
        return base::exitStatus(session.error());
    }
    Output output;
    Progress progress(!arguments.source.quiet);
    const auto view = watch(**session, output, progress);
    if (interrupted()) {
        complain(fmt::format("{}: interrupted", kName));
        return 130; // 128 + SIGINT, as shells say it
    }
    // A lab that never became ready has nothing to show but its problem.
    if (view->problem.empty() || view->traced->packets > 0) printResult(output, *view, arguments.source);
    const std::vector<std::string> recorded =
        arguments.source.record.empty() ? std::vector<std::string>() : std::vector{arguments.source.record};
    const bool reported = writeReport(*view, arguments.source, recorded, kName);
    const int status = conclude(*view, arguments.source, kName);
    return output.finish(reported ? status : 2);
}

} // namespace natlens::cli
