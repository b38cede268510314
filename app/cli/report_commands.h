// Commands that show a connection again, in other programs.
#pragma once

#include "tracer/path/path.h"

#include <string>
#include <vector>

namespace natlens::cli {

/// A pcap filter for one capture point: what the paths look like there, whatever the client's port. "" nothing.
[[nodiscard]] std::string captureFilter(const std::vector<const tracer::Path *> &paths, const std::string &host,
                                        const std::string &interface);
/// A display filter of Wireshark and tshark for exactly this connection, in all the guises that it was seen in.
[[nodiscard]] std::string displayFilter(const tracer::Path &path);

} // namespace natlens::cli
