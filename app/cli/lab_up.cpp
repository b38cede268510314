#include "app/cli/commands.h"
#include "app/cli/lab_check.h"
#include "app/cli/report.h"
#include "app/cli/watch.h"
#include "tracer/diagram/diagram.h"
#include "tracer/path/path_json.h"

#include <cstdio>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <set>
#include <unistd.h>

namespace natlens::cli {
namespace {

constexpr const char *kName = "natlens lab up";

void printWelcome(Output &output, const session::LabStatus &lab) {
    output.write(fmt::format("{}: {}\n", output.styled(Style::bold, lab.scenario), lab.summary));
    if (!lab.enterHint.empty()) output.write(fmt::format("  enter it:   {}\n", lab.enterHint));
    if (!lab.nodes.empty()) output.write(fmt::format("  nodes:      {}\n", fmt::join(lab.nodes, ", ")));
    // A simulated lab has no way in: its hosts are not processes.
    if (!lab.enterHint.empty() && !lab.clients.empty() && !lab.targets.empty())
        output.write(
            fmt::format("  try:        natlens lab exec {} -- curl -s {}\n", lab.clients.front(), lab.targets.front()));
    if (!lab.targets.empty()) output.write(fmt::format("  targets:    {}\n", fmt::join(lab.targets, " ")));
    output.write("  end it:     Ctrl-C\n");
}

/// Written under another name first: a reader never sees half of it.
base::Status writeReadyFile(const std::string &path, const session::LabStatus &lab) {
    const std::string part = path + ".part";
    std::FILE *file = std::fopen(part.c_str(), "we");
    if (!file) return base::failErrno("write", path);
    std::fputs((lab.enterHint + "\n").c_str(), file);
    if (std::fclose(file) != 0 || std::rename(part.c_str(), path.c_str()) != 0) return base::failErrno("write", path);
    return {};
}

/// Prints what is new in each view.
class Follower final {
public:
    Follower(Output &output, const LabUp &arguments)
        : m_output(output)
        , m_arguments(arguments) {}

    void operator()(const session::View &view) {
        if (view.lab.running && !m_welcomed) {
            m_welcomed = true;
            if (plain() && !m_arguments.source.quiet) printWelcome(m_output, view.lab);
            if (!plain() && !m_arguments.source.quiet)
                complain(fmt::format("{}: ready{}{}", kName, view.lab.enterHint.empty() ? "" : "; ", view.lab.enterHint));
            if (!m_arguments.lab.readyFile.empty()) {
                if (auto written = writeReadyFile(m_arguments.lab.readyFile, view.lab); !written)
                    complain(fmt::format("{}: {}", kName, written.error().sentence()));
            }
        }
        for (const auto &line : view.lab.log)
            if (line.starts_with("warning: ") && m_warned.insert(line).second) complain(fmt::format("{}: {}", kName, line));
        if (!m_arguments.source.diagram.empty()) return; // a picture is of the whole
        for (const auto &path : view.traced->paths) {
            if (!path->settled || m_printed.contains(path->id)) continue;
            m_printed.insert(path->id);
            m_output.write((m_arguments.source.json ? tracer::toJsonLine(*path) : pathLine(m_output, *path)) + "\n");
        }
        m_output.flush();
    }

private:
    [[nodiscard]] bool plain() const { return !m_arguments.source.json && m_arguments.source.diagram.empty(); }
    Output &m_output;
    const LabUp &m_arguments;
    bool m_welcomed = false;
    std::set<std::string> m_printed, m_warned;
};

} // namespace

int labUp(const LabUp &arguments) {
    catchSignals();
    if (const std::string fault = labFault(arguments.lab); !fault.empty()) {
        complain(fmt::format("{}: {}", kName, fault));
        return 2;
    }
    session::Options options = sessionOptions(arguments.source, arguments.lab);
    options.interactive = true;
    options.playSteps = false;
    auto session = session::Session::open(session::LabSource{arguments.lab.scenario}, options);
    if (!session) {
        complain(fmt::format("{}: {}", kName, session.error().sentence()));
        return base::exitStatus(session.error());
    }
    Output output;
    Progress progress(false); // it lasts as long as it is wanted
    Follower follower(output, arguments);
    const auto view = watch(**session, output, progress, [&](const session::View &now) { follower(now); });
    if (!arguments.lab.readyFile.empty()) ::unlink(arguments.lab.readyFile.c_str());
    if (!arguments.source.diagram.empty()) printResult(output, *view, arguments.source);
    return output.finish(conclude(*view, arguments.source, kName));
}

} // namespace natlens::cli
