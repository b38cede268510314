// Points in time as pcapng carries them.
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <string>

namespace natlens::base {

/// A moment on the capture clock: nanoseconds since the Unix epoch (pcapng if_tsresol 9).
/// Range: years 1678 to 2262. Zero means "not known".
struct Timestamp {
    std::int64_t nanoseconds = 0;

    auto operator<=>(const Timestamp &) const = default;

    [[nodiscard]] static Timestamp now(); ///< CLOCK_REALTIME
    /// "1700000000.000000123": seconds, a dot, nine digits.
    [[nodiscard]] std::string toString() const;
};

inline std::chrono::nanoseconds operator-(Timestamp a, Timestamp b) {
    return std::chrono::nanoseconds(a.nanoseconds - b.nanoseconds);
}
inline Timestamp operator+(Timestamp a, std::chrono::nanoseconds d) {
    return Timestamp{a.nanoseconds + d.count()};
}

} // namespace natlens::base
