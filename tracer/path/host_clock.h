// What is known of the clock of one host, in comparison with the others.
#pragma once

#include "capture/base/timestamp.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace natlens::tracer {

/// How one host's clock relates to the one that all times are given in. Nothing here changes a time by itself: it says
/// what was done to the times before the tracer saw them.
struct HostClock {
    enum class State : std::uint8_t {
        reference, ///< times are given in this host's clock
        equal,     ///< nothing contradicts that it agrees with the reference; left as it was
        corrected, ///< packets both ways say how far it is off
        oneSided,  ///< packets one way only: corrected as if the quickest had taken no time
        alone,     ///< no packet in common with any other host: left as it was
    };
    struct Step {
        base::Timestamp at;    ///< in the reference's clock
        std::int64_t jump = 0; ///< nanoseconds that the clock was set forward
        bool operator==(const Step &) const = default;
    };

    State state = State::alone;
    std::string reference;             ///< host whose clock the times are given in; "" alone
    base::Timestamp at;                ///< reading of this clock for which `offset` holds
    std::int64_t offset = 0;           ///< nanoseconds ahead of the reference
    double skew = 0;                   ///< by how much it runs faster; 1e-6 is one part per million
    std::optional<std::int64_t> bound; ///< nanoseconds: corrected times are wrong by this at most; nothing: not known
    double skewBound = 0;
    std::uint64_t samples = 0; ///< packets that say so
    std::vector<Step> steps;   ///< moments at which the clock was set

    /// The times of this host are not what its captures say.
    [[nodiscard]] bool changesTimes() const { return state == State::corrected || state == State::oneSided; }

    bool operator==(const HostClock &) const = default;
};

/// "12.3 us", "1.250 ms", "5.000012 s": for people, without a sign.
[[nodiscard]] std::string durationInWords(std::int64_t nanoseconds);
/// "-5.000012345".
[[nodiscard]] std::string signedSeconds(std::int64_t nanoseconds);
/// Rounded to a thousandth: no capture says more.
[[nodiscard]] double partsPerMillion(double skew);
/// What was found and done: "5.000012345 s ahead of client, +100.002 ppm; corrected, within 23.1 us (packets both
/// ways)".
[[nodiscard]] std::string inWords(const HostClock &clock);

} // namespace natlens::tracer
