// Waiting for a session: progress, signals, and what its end means.
#pragma once

#include "app/cli/arguments.h"
#include "app/cli/output.h"
#include "app/session/session.h"

#include <chrono>
#include <functional>

namespace natlens::cli {

/// SIGINT, SIGTERM and SIGHUP asked the program to end. A second one ends it without more ado (the lab goes with it).
void catchSignals();
[[nodiscard]] bool interrupted();

/// Waits until the source has ended. The first signal, or a closed standard output, stops the source; its end is then
/// waited for (the lab drains its captures, recordings are closed). `onView` sees each new view; `onGlance` the newest
/// one again and again, several times a second, for what depends on the time that has passed.
[[nodiscard]] std::shared_ptr<const session::View>
watch(session::Session &session, const Output &output, Progress &progress,
      const std::function<void(const session::View &)> &onView = {},
      const std::function<void(const session::View &)> &onGlance = {});

/// How far a recording has been read, with rate and time left: "reading: [##########..........] 50 %, 2.0 million
/// packets, 1.0 million/s, 2 s left". `progress` is 0..1; 1 when nobody knows how much there is.
[[nodiscard]] std::string readingStage(double progress, std::uint64_t bytes, std::uint64_t packets,
                                       std::chrono::milliseconds elapsed);

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
