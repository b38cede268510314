// Waiting for a session: progress, signals, and what its end means.
#pragma once

#include "app/cli/arguments.h"
#include "app/cli/output.h"
#include "app/session/session.h"

#include <functional>

namespace natlens::cli {

/// SIGINT, SIGTERM and SIGHUP asked the program to end. A second one ends it without more ado (the lab goes with it).
void catchSignals();
[[nodiscard]] bool interrupted();

/// Waits until the source has ended. The first signal, or a closed standard output, stops the source; its end is then
/// waited for (the lab drains its captures, recordings are closed). `onView` sees each new view.
[[nodiscard]] std::shared_ptr<const session::View> watch(session::Session &session, const Output &output,
                                                         Progress &progress,
                                                         const std::function<void(const session::View &)> &onView = {});

/// The session's options for these command line options.
[[nodiscard]] session::Options sessionOptions(const SourceOptions &options);
[[nodiscard]] session::Options sessionOptions(const SourceOptions &options, const LabOptions &lab);

/// Prints what --json or --diagram asked for, else the report. Remarks go to standard error unless `quiet`.
void printResult(Output &output, const session::View &view, const SourceOptions &options);

/// Writes what --report asked for. False, having said why, if it cannot be written.
[[nodiscard]] bool writeReport(const session::View &view, const SourceOptions &options,
                               const std::vector<std::string> &files, const char *command);

/// Says on standard error what went wrong, if anything did. The exit status: that of the problem; else 1 when an
/// expectation was not met; else 0.
[[nodiscard]] int conclude(const session::View &view, const SourceOptions &options, const char *command);

} // namespace natlens::cli
