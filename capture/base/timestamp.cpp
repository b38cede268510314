#include "capture/base/timestamp.h"

#include <ctime>
#include <fmt/format.h>

namespace natlens::base {

Timestamp Timestamp::now() {
    timespec ts{};
    clock_gettime(CLOCK_REALTIME, &ts);
    return Timestamp{static_cast<std::int64_t>(ts.tv_sec) * 1'000'000'000 + ts.tv_nsec};
}

std::string Timestamp::toString() const {
    constexpr std::int64_t kSecond = 1'000'000'000;
    std::int64_t seconds = nanoseconds / kSecond;
    std::int64_t rest = nanoseconds % kSecond;
    if (rest < 0) {
        rest += kSecond;
        --seconds;
    }
    return fmt::format("{}.{:09}", seconds, rest);
}

} // namespace natlens::base
