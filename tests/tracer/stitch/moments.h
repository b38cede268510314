// Numbers for tests of clocks, in nanoseconds.
#pragma once

#include <cstdint>

namespace natlens::test {

inline constexpr std::int64_t kMicro = 1'000, kMilli = 1'000'000, kSecond = 1'000'000'000;
inline constexpr std::int64_t kStart = 1'700'000'000 * kSecond; ///< after 1970

} // namespace natlens::test
