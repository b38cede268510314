// What a recording's capture points say about a correction that was made when it was written.
#pragma once

#include "tracer/path/host_clock.h"

#include <optional>
#include <string>
#include <string_view>

namespace natlens::session {

/// For if_description: "clock corrected by -5.000012345 s and -100.002 ppm to that of client, within 0.000023100 s".
/// "" when times are as captured.
[[nodiscard]] std::string clockNote(const tracer::HostClock &clock);

/// The description without such a note, and what the note said.
struct NotedClock {
    std::string description;
    std::optional<tracer::HostClock> clock;
};
[[nodiscard]] NotedClock readClockNote(std::string_view description);

/// `description` with the note behind it.
[[nodiscard]] std::string withClockNote(std::string description, const tracer::HostClock &clock);

} // namespace natlens::session
