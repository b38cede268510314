#include "app/cli/commands.h"
#include "app/cli/report.h"
#include "app/cli/watch.h"
#include "tracer/path/path_json.h"

#include <fmt/format.h>
#include <set>

namespace natlens::cli {
namespace {

/// Of files that grow: each path once nothing more is expected of it. With a picture there is nothing to show before
/// the end.
class Follower final {
public:
    Follower(Output &output, const Replay &arguments)
        : m_output(output)
        , m_arguments(arguments) {}

    void operator()(const session::View &view) { print(view, false); }
    /// Those that never settled, too.
    void rest(const session::View &view) { print(view, true); }

private:
    void print(const session::View &view, bool all) {
        if (!m_arguments.source.diagram.empty()) return;
        for (const auto &path : view.traced->paths) {
            if ((!path->settled && !all) || !m_printed.insert(path->id).second) continue;
            m_output.write((m_arguments.source.json ? tracer::toJsonLine(*path) : pathLine(m_output, *path)) + "\n");
        }
        m_output.flush();
    }

    Output &m_output;
    const Replay &m_arguments;
    std::set<std::string> m_printed;
};

} // namespace

int replay(const Replay &arguments) {
    static constexpr const char *kName = "natlens replay";
    catchSignals();
    session::FileSource source;
    for (const std::string &file : arguments.files)
        source.files.emplace_back(file);
    for (const PointName &point : arguments.points)
        source.points.push_back({point.file, point.name});
    source.follow = arguments.follow;
    auto options = sessionOptions(arguments.source);
    options.alignClocks = arguments.clock != "none";
    options.anonymize = arguments.anonymize;
    options.anonymizeKey = arguments.anonymizeKey;
    if (arguments.follow) options.keepLegs = session::Options().keepLegs; // printed one by one, so all are wanted
    auto session = session::Session::open(source, options);
    if (!session) {
        complain(fmt::format("{}: {}", kName, session.error().sentence()));
        return base::exitStatus(session.error());
    }
    Output output;
    Progress progress(!arguments.source.quiet && !arguments.follow);
    Follower follower(output, arguments);
    const auto view = arguments.follow
                          ? watch(**session, output, progress, [&](const session::View &now) { follower(now); })
                          : watch(**session, output, progress);
    if (arguments.follow && arguments.source.json) { // one line a path, also of those that the end caught unsettled
        follower.rest(*view);
        return output.finish(conclude(*view, arguments.source, kName));
    }
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
