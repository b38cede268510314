// What a person reads when neither --json nor --diagram was asked for.
#pragma once

#include "app/cli/output.h"
#include "app/session/session.h"

namespace natlens::cli {

/// The picture, one line per path, findings with what would help, and "expected by the document" beside "observed".
void printReport(Output &output, const session::View &view);

/// One line about one path, for the report and for `lab up`.
[[nodiscard]] std::string pathLine(const Output &output, const tracer::Path &path);

/// Said whenever a health check answered 500 is shown, which the document's drawing has and kube-proxy never had;
/// "" when there is none.
[[nodiscard]] std::string remarkOn500(const tracer::Snapshot &snapshot);

} // namespace natlens::cli
