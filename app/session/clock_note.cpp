#include "app/session/clock_note.h"

#include <charconv>
#include <fmt/format.h>

namespace natlens::session {
namespace {

constexpr std::string_view kBegin = "clock corrected by ", kSeconds = " s and ", kSkew = " ppm to that of ",
                           kWithin = ", within ", kOneWay = ", packets one way only", kEnd = " s", kBefore = "; ";

/// Takes `text` up to `delimiter` and the delimiter off `rest`; nothing if it is not there.
std::optional<std::string_view> upTo(std::string_view &rest, std::string_view delimiter) {
    const auto end = rest.find(delimiter);
    if (end == rest.npos) return std::nullopt;
    const std::string_view text = rest.substr(0, end);
    rest.remove_prefix(end + delimiter.size());
    return text;
}

/// "-5.000012345" in nanoseconds.
std::optional<std::int64_t> nanoseconds(std::string_view text) {
    const bool negative = text.starts_with('-');
    if (negative) text.remove_prefix(1);
    const auto dot = text.find('.');
    if (dot == text.npos || text.size() != dot + 10) return std::nullopt;
    std::int64_t whole = 0, part = 0;
    const auto number = [](std::string_view digits, std::int64_t &value) {
        const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
        return error == std::errc() && end == digits.data() + digits.size();
    };
    if (!number(text.substr(0, dot), whole) || !number(text.substr(dot + 1), part)) return std::nullopt;
    if (whole < 0 || whole > 9'000'000'000 || part < 0) return std::nullopt;
    return (whole * 1'000'000'000 + part) * (negative ? -1 : 1);
}

std::optional<tracer::HostClock> parse(std::string_view rest) {
    tracer::HostClock clock;
    const auto offset = upTo(rest, kSeconds), skew = upTo(rest, kSkew);
    if (!offset || !skew) return std::nullopt;
    const auto correction = nanoseconds(*offset);
    double ppm = 0;
    const auto [end, error] = std::from_chars(skew->data(), skew->data() + skew->size(), ppm);
    if (!correction || error != std::errc() || end != skew->data() + skew->size()) return std::nullopt;
    clock.offset = -*correction;
    clock.skew = -ppm / 1e6;
    if (rest.ends_with(kOneWay)) {
        clock.state = tracer::HostClock::State::oneSided;
        clock.reference = rest.substr(0, rest.size() - kOneWay.size());
        return clock;
    }
    clock.state = tracer::HostClock::State::corrected;
    const auto reference = upTo(rest, kWithin);
    if (!reference || !rest.ends_with(kEnd)) return std::nullopt;
    clock.reference = *reference;
    clock.bound = nanoseconds(rest.substr(0, rest.size() - kEnd.size()));
    if (!clock.bound) return std::nullopt;
    return clock;
}

} // namespace

std::string clockNote(const tracer::HostClock &clock) {
    if (!clock.changesTimes()) return {};
    std::string note = fmt::format("{}{}{}{:.3f}{}{}", kBegin, tracer::signedSeconds(-clock.offset), kSeconds,
                                   -tracer::partsPerMillion(clock.skew), kSkew, clock.reference);
    if (clock.bound)
        note += fmt::format("{}{}{}", kWithin, tracer::signedSeconds(*clock.bound), kEnd);
    else
        note += kOneWay;
    return note;
}

NotedClock readClockNote(std::string_view description) {
    const auto begin = description.rfind(kBegin);
    if (begin == description.npos) return {std::string(description), std::nullopt};
    auto clock = parse(description.substr(begin + kBegin.size()));
    if (!clock) return {std::string(description), std::nullopt};
    std::string_view before = description.substr(0, begin);
    if (before.ends_with(kBefore)) before.remove_suffix(kBefore.size());
    return {std::string(before), std::move(clock)};
}

std::string withClockNote(std::string description, const tracer::HostClock &clock) {
    const std::string note = clockNote(clock);
    if (note.empty()) return description;
    return description.empty() ? note : description + std::string(kBefore) + note;
}

} // namespace natlens::session
