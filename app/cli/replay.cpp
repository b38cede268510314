#include "app/cli/commands.h"
#include "app/cli/watch.h"

#include <fmt/format.h>

namespace natlens::cli {

int replay(const Replay &arguments) {
    static constexpr const char *kName = "natlens replay";
    catchSignals();
    session::FileSource source;
    for (const std::string &file : arguments.files)
        source.files.emplace_back(file);
    auto options = sessionOptions(arguments.source);
    options.alignClocks = arguments.clock != "none";
    options.anonymize = arguments.anonymize;
    options.anonymizeKey = arguments.anonymizeKey;
    auto session = session::Session::open(source, options);
    if (!session) {
        complain(fmt::format("{}: {}", kName, session.error().sentence()));
        return base::exitStatus(session.error());
    }
    Output output;
    Progress progress(!arguments.source.quiet);
    const auto view = watch(**session, output, progress);
    // A file that is no capture at all has nothing to show; one that breaks off is shown as far as it goes.
    if (view->problem.empty() || !view->traced->points.empty()) printResult(output, *view, arguments.source);
    const bool reported = writeReport(*view, arguments.source, arguments.files, kName);
    if (interrupted()) {
        complain(fmt::format("{}: interrupted; what was read until then is shown ({} packets, {:.0f} %)", kName,
                             view->traced->packets, view->progress * 100));
        return output.finish(130);
    }
    const int status = conclude(*view, arguments.source, kName);
    return output.finish(reported ? status : 2);
}

} // namespace natlens::cli
