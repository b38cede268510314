// A report for an issue tracker.
#pragma once

#include "app/session/session.h"

#include <string>
#include <vector>

namespace natlens::cli {

/// What was looked at, for the commands that do it again.
struct ReportOrigin {
    std::vector<std::string> files;   ///< of a replay
    std::vector<std::string> command; ///< the words of the command line: "natlens", "replay", ...
};

/// Summary, picture, findings with what would help and their evidence, the hops of the paths that matter most (at most
/// `kReportedPaths`, the rest counted), clocks, how good the captures are, and commands to look at it again. A pure
/// function; everything that packets or files said is escaped.
[[nodiscard]] std::string markdownReport(const session::View &view, const ReportOrigin &origin);

inline constexpr std::size_t kReportedPaths = 10;

} // namespace natlens::cli
