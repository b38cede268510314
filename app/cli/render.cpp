#include "app/cli/commands.h"
#include "app/cli/path_choice.h"
#include "app/cli/watch.h"
#include "tracer/diagram/diagram.h"
#include "tracer/path/path_json.h"

#include <fmt/format.h>

namespace natlens::cli {
namespace {

constexpr const char *kName = "natlens render";

std::string drawn(const tracer::Snapshot &snapshot, const Render &arguments) {
    if (arguments.format == "document") return diagram::renderDocument(snapshot);
    if (arguments.format == "unicode" || arguments.format == "svg") {
        if (const std::string remark = remarkOnChoice(snapshot); !remark.empty()) complain(remark);
        const tracer::Snapshot chosen = withPaths(snapshot, kDrawnPaths);
        return arguments.format == "unicode" ? diagram::renderUnicode(chosen)
                                             : diagram::renderSvg(diagram::layout(chosen), arguments.theme);
    }
    std::string lines;
    for (const auto &path : snapshot.paths)
        lines += tracer::toJsonLine(*path) + "\n";
    return lines;
}

} // namespace

int render(const Render &arguments) {
    catchSignals();
    session::FileSource source;
    for (const std::string &file : arguments.files)
        source.files.emplace_back(file);
    SourceOptions options;
    options.cluster = arguments.cluster;
    options.filter = arguments.filter;
    auto sessionOptions = cli::sessionOptions(options);
    sessionOptions.alignClocks = arguments.clock != "none";
    auto session = session::Session::open(source, sessionOptions);
    if (!session) {
        complain(fmt::format("{}: {}", kName, session.error().sentence()));
        return base::exitStatus(session.error());
    }
    Output output;
    Progress progress(true);
    const auto view = watch(**session, output, progress);
    if (interrupted()) {
        complain(fmt::format("{}: interrupted", kName));
        return 130;
    }
    int status = conclude(*view, options, kName);
    if (!view->problem.empty() && view->traced->points.empty()) return status;
    const std::string text = drawn(*view->traced, arguments);
    if (arguments.output.empty())
        output.write(text);
    else if (!writeFile(arguments.output, text, kName))
        status = 2;
    return output.finish(status);
}

} // namespace natlens::cli
