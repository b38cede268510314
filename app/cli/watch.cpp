#include "app/cli/watch.h"

#include "app/cli/path_choice.h"
#include "app/cli/report.h"
#include "app/cli/report_markdown.h"
#include "tracer/diagram/diagram.h"
#include "tracer/path/path_json.h"

#include <algorithm>
#include <cmath>
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

/// 1234567 as "1.2 million".
std::string rounded(double number) {
    if (number >= 999'500) return fmt::format("{:.1f} million", number / 1e6);
    if (number >= 1'000) return fmt::format("{:.0f},{:03.0f}", std::floor(number / 1000), std::fmod(number, 1000));
    return fmt::format("{:.0f}", number);
}

std::string stage(const session::View &view, bool stopping, std::chrono::milliseconds elapsed) {
    if (view.finishing)
        return fmt::format("joining the connections of {} packets", rounded(static_cast<double>(view.traced->packets)));
    if (stopping) return "ending";
    if (view.progress < 1 || (view.lab.scenario.empty() && view.bytes != 0))
        return readingStage(view.progress, view.bytes, view.traced->packets, elapsed);
    if (view.lab.scenario.empty()) return "building the lab";
    return fmt::format("{}: {} packets captured", view.lab.log.empty() ? "playing the scenario" : view.lab.log.back(),
                       view.traced->packets);
}

} // namespace

std::string readingStage(double progress, std::uint64_t bytes, std::uint64_t packets,
                         std::chrono::milliseconds elapsed) {
    constexpr int kWidth = 20;
    const double seconds = std::max(0.001, static_cast<double>(elapsed.count()) / 1000);
    std::string text = "reading: ";
    if (progress < 1) {
        const int full = static_cast<int>(progress * kWidth);
        text += fmt::format("[{}{}] {:.0f} %, ", std::string(static_cast<std::size_t>(full), '#'),
                            std::string(static_cast<std::size_t>(kWidth - full), '.'), std::floor(progress * 100));
    } else {
        text += fmt::format("{} MiB, ", bytes >> 20); // nobody knows how much is to come
    }
    text += fmt::format("{} packets, {}/s", rounded(static_cast<double>(packets)),
                        rounded(static_cast<double>(packets) / seconds));
    if (progress < 1 && progress > 0.01)
        text += fmt::format(", {:.0f} s left", std::ceil(seconds / progress * (1 - progress)));
    return text;
}

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
                                           const std::function<void(const session::View &)> &onView,
                                           const std::function<void(const session::View &)> &onGlance) {
    bool stopping = false;
    const auto start = std::chrono::steady_clock::now();
    auto view = session.view();
    if (onView) onView(*view);
    while (!view->ended) {
        const std::uint64_t seen = view->version;
        view = session.waitForChange(seen, kGlance);
        if (onView && view->version != seen) onView(*view);
        if (onGlance) onGlance(*view);
        if (!stopping && (interrupted() || output.closed())) {
            stopping = true;
            session.stop();
        }
        const auto elapsed = std::chrono::steady_clock::now() - start;
        if (!view->ended)
            progress.show(stage(*view, stopping, std::chrono::duration_cast<std::chrono::milliseconds>(elapsed)));
    }
    progress.clear();
    return view;
}

session::Options sessionOptions(const SourceOptions &options) {
    session::Options result;
    result.record = options.record;
    result.clusterFiles = options.clusters;
    result.proxyConfigFile = options.proxyConfig;
    result.filter = options.filter;
    // Of more connections a report shows totals and examples, and --json makes paths as it prints them; but a recording
    // has every path written beside its packets.
    if (options.record.empty()) result.keepLegs = 500;
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
    const bool before = interrupted();
    if (options.json && view.traced->all) {
        const auto line = [](const tracer::Path &path) { return tracer::toJsonLine(path) + "\n"; };
        view.traced->all->forEach(line, [&](std::string_view lines) {
            output.write(lines);
            return !output.closed() && (before || !interrupted());
        });
    } else if (options.json) {
        for (const auto &path : view.traced->paths)
            output.write(tracer::toJsonLine(*path) + "\n");
    } else if (!options.diagram.empty()) {
        const tracer::Snapshot chosen = withPaths(*view.traced, kDrawnPaths);
        output.write(options.diagram == "document"
                         ? diagram::renderDocument(chosen)
                         : diagram::renderUnicode(chosen, {.columns = output.pictureColumns(),
                                                           .kinds = diagram::kindsOf(*view.traced, chosen)}));
        output.flush();
        if (const std::string remark = remarkOnChoice(*view.traced, chosen); !options.quiet && !remark.empty())
            complain(remark);
    } else {
        printReport(output, view);
    }
    output.flush();
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
    for (const std::string &fault : view.lab.faults) {
        status = 1;
        complain(fmt::format("{}: {}", command, fault));
    }
    if (!options.quiet)
        for (const std::string &remark : view.remarks)
            complain(fmt::format("{}: {}", command, remark));
    if (!view.problem.empty()) {
        complain(fmt::format("{}: {}", command, view.problem));
        status = view.problemStatus;
    }
    return status;
}

} // namespace natlens::cli
