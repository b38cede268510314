#include "app/cli/commands.h"
#include "app/cli/report.h"
#include "app/cli/watch.h"
#include "tracer/path/path_json.h"

#include <algorithm>
#include <chrono>
#include <fmt/format.h>
#include <set>
#include <unistd.h>

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

/// Somebody who waits for a large recording at a terminal sees the first paths of it meanwhile.
class FirstPaths final {
public:
    FirstPaths(Output &output, Progress &progress, const SourceOptions &options)
        : m_output(output)
        , m_progress(progress)
        , m_wanted(::isatty(STDOUT_FILENO) == 1 && !options.quiet && !options.json && options.diagram.empty()) {}

    void show(const session::View &view) {
        constexpr std::chrono::milliseconds kPatience{700}; // what takes no longer is shown whole
        constexpr std::size_t kPaths = 10;
        const auto &paths = view.traced->paths;
        if (!m_wanted || view.ended || paths.empty() || std::chrono::steady_clock::now() - m_start < kPatience) return;
        m_wanted = false;
        m_progress.clear();
        m_output.write(m_output.styled(Style::bold, "The first paths, while the rest is read") + "\n");
        for (std::size_t i = 0; i < std::min(kPaths, paths.size()); ++i)
            m_output.write(pathLine(m_output, *paths[i]) + "\n");
        m_output.write("\n");
        m_output.flush();
    }

private:
    Output &m_output;
    Progress &m_progress;
    bool m_wanted;
    std::chrono::steady_clock::time_point m_start = std::chrono::steady_clock::now();
};

/// When FirstPaths, or the progress shown, wants to know something: not before the shortest recordings have ended.
std::chrono::milliseconds firstLook(bool quiet) {
    const bool watched = !quiet && (::isatty(STDOUT_FILENO) == 1 || ::isatty(STDERR_FILENO) == 1);
    return watched ? std::chrono::milliseconds(500) : std::chrono::hours(24 * 365);
}

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
    if (arguments.follow)
        options.keepLegs = session::Options().keepLegs; // printed one by one, so all are wanted
    else
        options.firstLook = firstLook(arguments.source.quiet);
    auto session = session::Session::open(source, options);
    if (!session) {
        complain(fmt::format("{}: {}", kName, session.error().sentence()));
        return base::exitStatus(session.error());
    }
    Output output;
    Progress progress(!arguments.source.quiet && !arguments.follow);
    Follower follower(output, arguments);
    FirstPaths first(output, progress, arguments.source);
    const auto view = arguments.follow
                          ? watch(**session, output, progress, [&](const session::View &now) { follower(now); })
                          : watch(**session, output, progress, {}, [&](const session::View &now) { first.show(now); });
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
