#include "app/cli/commands.h"
#include "app/cli/watch.h"
#include "tracer/diagram/diagram.h"
#include "tracer/path/path_json.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fmt/format.h>

namespace natlens::cli {
namespace {

constexpr const char *kName = "natlens render";

std::string drawn(const tracer::Snapshot &snapshot, const Render &arguments) {
    if (arguments.format == "document") return diagram::renderDocument(snapshot);
    if (arguments.format == "unicode") return diagram::renderUnicode(snapshot);
    if (arguments.format == "svg") return diagram::renderSvg(diagram::layout(snapshot), arguments.theme);
    std::string lines;
    for (const auto &path : snapshot.paths)
        lines += tracer::toJsonLine(*path) + "\n";
    return lines;
}

int writeFile(const std::string &path, const std::string &text) {
    std::FILE *file = std::fopen(path.c_str(), "we");
    bool good = file && std::fwrite(text.data(), 1, text.size(), file) == text.size();
    const int error = errno;
    if (file) good = std::fclose(file) == 0 && good;
    if (good) return 0;
    complain(fmt::format("{}: write {}: {}", kName, path, std::strerror(error)));
    return 2;
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
    else if (const int written = writeFile(arguments.output, text); written != 0)
        status = written;
    return output.finish(status);
}

} // namespace natlens::cli
