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

/// At the ends of the range (a damaged file's times) the result stays at the end of its own.
inline std::chrono::nanoseconds operator-(Timestamp a, Timestamp b) {
    std::int64_t difference = 0;
    if (__builtin_sub_overflow(a.nanoseconds, b.nanoseconds, &difference))
        return a < b ? std::chrono::nanoseconds::min() : std::chrono::nanoseconds::max();
    return std::chrono::nanoseconds(difference);
}

/// As operator-.
inline Timestamp operator+(Timestamp a, std::chrono::nanoseconds d) {
    Timestamp sum;
    if (__builtin_add_overflow(a.nanoseconds, d.count(), &sum.nanoseconds))
        sum.nanoseconds = (d.count() < 0 ? d.min() : d.max()).count();
    return sum;
}

} // namespace natlens::base
