// What the capture points of several files are called.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace natlens::session {

/// For each file what file::pointNameOf() makes of its name, or of that of its series (one entry a file, see
/// seriesOf()). Of several files also folders count: "node1/eth0.pcap" is "node1/eth0" if all files of the folder are
/// called like interfaces, and files of one name in several folders ("node1/capture.pcap", "node2/capture.pcap") are
/// hosts named after these; so are the other files of such a host.
[[nodiscard]] std::vector<std::string> pointNamesOf(const std::vector<std::filesystem::path> &files,
                                                    const std::vector<std::string> &series);

} // namespace natlens::session
