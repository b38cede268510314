// Files that one capture wrote one after the other.
#pragma once

#include "capture/base/timestamp.h"

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace natlens::session {

/// For each file the name that it shares with others of one capture, without what tells them apart; "" for a file that
/// stands alone. Known are the ways of tcpdump (-C: trace.pcap, trace.pcap1, ...; -W: trace.pcap00, ...; -G with a date
/// and time at the end of the name) and of dumpcap and editcap (trace_00001_20240131120000.pcap). Only files in one
/// folder belong together, and a file is never renamed for what its name looks like alone: it takes two.
[[nodiscard]] std::vector<std::string> seriesOf(const std::vector<std::filesystem::path> &files);

/// From the first to the last packet of a file.
struct TimeSpan {
    base::Timestamp first, last;
};

/// One capture writes one file after the other: where files of one series overlap in time, several did (two machines'
/// `tcpdump -G` in one folder). Each file continues the capture that ended just before it began, where one clearly did;
/// what belongs to none begins a series of its own ("trace#2"), so that nothing is taken for one place that may be two.
/// `spanOf`: of a file by its number, nothing for one without packets; asked, which costs reading it, of files whose
/// names hold a time: those of `-C` cannot be two captures'. Returns what a person should know of it, a line for each
/// such series.
[[nodiscard]] std::vector<std::string>
tellSeriesApart(std::vector<std::string> &series, const std::vector<std::filesystem::path> &files,
                const std::function<std::optional<TimeSpan>(std::size_t)> &spanOf);

} // namespace natlens::session
