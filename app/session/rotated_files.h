// Files that one capture wrote one after the other.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace natlens::session {

/// For each file the name that it shares with others of one capture, without what tells them apart; "" for a file that
/// stands alone. Known are the ways of tcpdump (-C: trace.pcap, trace.pcap1, ...; -W: trace.pcap00, ...; -G with a date and
/// time at the end of the name) and of dumpcap and editcap (trace_00001_20240131120000.pcap). Only files in one folder
/// belong together, and a file is never renamed for what its name looks like alone: it takes two.
[[nodiscard]] std::vector<std::string> seriesOf(const std::vector<std::filesystem::path> &files);

} // namespace natlens::session
