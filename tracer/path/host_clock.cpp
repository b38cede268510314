#include "tracer/path/host_clock.h"

#include <cmath>
#include <cstdlib>
#include <fmt/format.h>

namespace natlens::tracer {

namespace {

/// "5.000012345": seconds with nine digits, without a sign.
std::string seconds(std::int64_t nanoseconds) {
    const auto size = static_cast<std::uint64_t>(std::llabs(nanoseconds));
    return fmt::format("{}.{:09}", size / 1'000'000'000, size % 1'000'000'000);
}

} // namespace

std::string durationInWords(std::int64_t nanoseconds) {
    const auto size = static_cast<double>(std::llabs(nanoseconds));
    if (size < 1e3) return fmt::format("{:.0f} ns", size);
    if (size < 1e5) return fmt::format("{:.1f} us", size / 1e3);
    if (size < 1e6) return fmt::format("{:.0f} us", size / 1e3);
    if (size < 1e9) return fmt::format("{:.3f} ms", size / 1e6);
    return fmt::format("{:.6f} s", size / 1e9);
}

std::string signedSeconds(std::int64_t nanoseconds) {
    return (nanoseconds < 0 ? "-" : "") + seconds(nanoseconds);
}

double partsPerMillion(double skew) {
    return std::round(skew * 1e9) / 1e3;
}

std::string inWords(const HostClock &clock) {
    using State = HostClock::State;
    switch (clock.state) {
    case State::reference: return "times are given in this clock";
    case State::alone: return "no packet in common with other hosts; times are taken as they are";
    case State::equal:
        if (!clock.bound)
            return fmt::format("agrees with {} as far as packets one way can tell; left as it is", clock.reference);
        return fmt::format("agrees with {} within {}; left as it is", clock.reference, durationInWords(*clock.bound));
    case State::corrected:
    case State::oneSided: break;
    }
    std::string text =
        fmt::format("{} s {} {}", seconds(clock.offset), clock.offset < 0 ? "behind" : "ahead of", clock.reference);
    // A skew within its own error is none that anybody knows of.
    const bool certain = !clock.bound || std::abs(clock.skew) > clock.skewBound;
    if (const double ppm = partsPerMillion(clock.skew); ppm != 0 && certain) text += fmt::format(", {:+.3f} ppm", ppm);
    if (clock.bound)
        text += fmt::format("; corrected, within {} (packets both ways)", durationInWords(*clock.bound));
    else
        text +=
            "; corrected as if the quickest packet had taken no time: packets went one way only, so the error is not "
            "known";
    for (const HostClock::Step &step : clock.steps)
        text += fmt::format("; the clock was set {} by {} s at {}", step.jump < 0 ? "back" : "forward",
                            seconds(step.jump), step.at.toString());
    return text;
}

} // namespace natlens::tracer
