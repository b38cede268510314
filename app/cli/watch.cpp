#include "app/cli/watch.h"

#include "app/cli/path_choice.h"
#include "app/cli/report.h"
#include "app/cli/report_markdown.h"
#include "tracer/diagram/diagram.h"
#include "tracer/path/path_json.h"

#include <algorithm>
#include <csignal>
#include <fmt/format.h>

namespace natlens::cli {
namespace {

volatile std::sig_atomic_t g_interrupted = 0;

void onSignal(int) {
    g_interrupted = 1;
}

/// How often signals and progress are looked at while nothing changes.
constexpr std::chrono::milliseconds kGlance{100};

std::string stage(const session::View &view, bool stopping) {
    if (stopping) return "ending";
    if (view.progress < 1) return fmt::format("reading: {:.0f} %", view.progress * 100);
    if (view.lab.scenario.empty())
        return view.bytes ? fmt::format("reading: {} MiB", view.bytes >> 20) : "building the lab";
    return fmt::format("{}: {} packets captured", view.lab.log.empty() ? "playing the scenario" : view.lab.log.back(),
                       view.traced->packets);
}

} // namespace

void catchSignals() {
    struct sigaction action {};
    action.sa_handler = onSignal;
    action.sa_flags = static_cast<int>(SA_RESETHAND);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
        struct sigaction before {};
        ::sigaction(signal, nullptr, &before);
        if (before.sa_handler != SIG_IGN) ::sigaction(signal, &action, nullptr); // nohup stays nohup
    }
}

bool interrupted() {
    return g_interrupted != 0;
}

std::shared_ptr<const session::View> watch(session::Session &session, const Output &output, Progress &progress,
                                           const std::function<void(const session::View &)> &onView) {
    bool stopping = false;
    auto view = session.view();
    if (onView) onView(*view);
    while (!view->ended) {
        const std::uint64_t seen = view->version;
        view = session.waitForChange(seen, kGlance);
        if (onView && view->version != seen) onView(*view);
        if (!stopping && (interrupted() || output.closed())) {
            stopping = true;
            session.stop();
        }
        progress.show(stage(*view, stopping));
    }
    progress.clear();
    return view;
}

session::Options sessionOptions(const SourceOptions &options) {
    session::Options result;
    result.record = options.record;
    result.clusterFile = options.cluster;
    result.proxyConfigFile = options.proxyConfig;
    result.filter = options.filter;
    result.keepLegs = 500; // what a report shows of more are totals and examples; --json makes paths as it prints them
    result.keepStream = false; // nobody can ask for it later: --record says so at the beginning
    return result;
}

session::Options sessionOptions(const SourceOptions &options, const LabOptions &lab) {
    session::Options result = sessionOptions(options);
    result.datapath = lab.datapath;
    result.profile = lab.profile;
    result.seed = lab.seed;
    result.simulated = lab.simulated;
    return result;
}

void printResult(Output &output, const session::View &view, const SourceOptions &options) {
    if (options.json && view.traced->all) {
        const auto line = [](const tracer::Path &path) { return tracer::toJsonLine(path) + "\n"; };
        view.traced->all->forEach(line, [&](std::string_view lines) {
            output.write(lines);
            return !output.closed() && !interrupted();
        });
    } else if (options.json) {
        for (const auto &path : view.traced->paths)
            output.write(tracer::toJsonLine(*path) + "\n");
    } else if (options.diagram == "document") {
        output.write(diagram::renderDocument(withPaths(*view.traced, kDrawnPaths)));
    } else if (options.diagram == "unicode") {
        output.write(diagram::renderUnicode(withPaths(*view.traced, kDrawnPaths)));
    } else {
        printReport(output, view);
    }
    output.flush();
    if (const std::string remark = remarkOnChoice(*view.traced);
        !options.quiet && !options.diagram.empty() && !remark.empty())
        complain(remark);
    if (options.quiet || (!options.json && options.diagram.empty())) return; // the report has said it all
    if (const std::string remark = remarkOn500(*view.traced); !remark.empty()) complain(remark);
}

bool writeReport(const session::View &view, const SourceOptions &options, const std::vector<std::string> &files,
                 const char *command) {
    if (options.report.empty()) return true;
    return writeFile(options.report, markdownReport(view, {files, options.command}), command);
}

int conclude(const session::View &view, const SourceOptions &options, const char *command) {
    int status = 0;
    for (const session::Comparison &comparison : view.lab.comparisons) {
        if (comparison.met) continue;
        status = 1;
        if (!options.quiet && (options.json || !options.diagram.empty()))
            complain(fmt::format("{}: expected: {}; observed: {}", command, comparison.expected, comparison.observed));
    }
    if (!view.problem.empty()) {
        complain(fmt::format("{}: {}", command, view.problem));
        status = view.problemStatus;
    }
    return status;
}

} // namespace natlens::cli
