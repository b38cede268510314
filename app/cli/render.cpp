#include "app/cli/commands.h"
#include "app/cli/path_choice.h"
#include "app/cli/watch.h"
#include "tracer/diagram/diagram.h"
#include "tracer/path/path_json.h"

#include <fmt/format.h>

namespace natlens::cli {
namespace {

constexpr const char *kName = "natlens render";

std::string drawn(const tracer::Snapshot &snapshot, const Render &arguments, int columns) {
    const tracer::Snapshot chosen = withPaths(snapshot, kDrawnPaths);
    if (const std::string remark = remarkOnChoice(snapshot, chosen); !remark.empty()) complain(remark);
    if (arguments.format == "document") return diagram::renderDocument(chosen);
    const diagram::SceneOptions options{.columns = columns, .kinds = diagram::kindsOf(snapshot, chosen)};
    if (arguments.format == "unicode") return diagram::renderUnicode(chosen, options);
    return diagram::renderSvg(diagram::layout(chosen, options), arguments.theme);
}

std::string jsonLines(const tracer::Snapshot &snapshot) {
    const auto line = [](const tracer::Path &path) { return tracer::toJsonLine(path) + "\n"; };
    std::string lines;
    if (snapshot.all) {
        snapshot.all->forEach(line, [&](std::string_view some) {
            lines += some;
            return !interrupted();
        });
    } else {
        for (const auto &path : snapshot.paths)
            lines += line(*path);
    }
    return lines;
}

} // namespace

int render(const Render &arguments) {
    catchSignals();
    session::FileSource source;
    for (const std::string &file : arguments.files)
        source.files.emplace_back(file);
    for (const PointName &point : arguments.points)
        source.points.push_back({point.file, point.name});
    SourceOptions options;
    options.clusters = arguments.clusters;
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
    const int columns = arguments.output.empty() ? output.pictureColumns() : diagram::SceneOptions().columns;
    const std::string text =
        arguments.format == "json" ? jsonLines(*view->traced) : drawn(*view->traced, arguments, columns);
    if (arguments.output.empty())
        output.write(text);
    else if (!writeFile(arguments.output, text, kName))
        status = 2;
    return output.finish(status);
}

} // namespace natlens::cli
