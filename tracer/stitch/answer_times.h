// How quickly a client's requests to a port were answered, wherever they were: the measure for those that were not.
#pragma once

#include "tracer/path/path.h"

#include <chrono>
#include <map>
#include <optional>
#include <tuple>

namespace natlens::tracer {

/// Slowest answer seen for each client address and requested port, over all addresses that were asked.
class AnswerTimes final {
public:
    /// True if nothing was known about this client and port before.
    bool learn(const IpAddress &client, Protocol protocol, packet::Port port, std::chrono::nanoseconds time) {
        const auto [found, isNew] = m_slowest.try_emplace({client, protocol, port}, time);
        if (time > found->second) found->second = time;
        return isNew;
    }
    [[nodiscard]] std::optional<std::chrono::nanoseconds> slowest(const IpAddress &client, Protocol protocol,
                                                                  packet::Port port) const {
        const auto found = m_slowest.find({client, protocol, port});
        return found == m_slowest.end() ? std::nullopt : std::optional(found->second);
    }

private:
    std::map<std::tuple<IpAddress, Protocol, packet::Port>, std::chrono::nanoseconds> m_slowest;
};

} // namespace natlens::tracer
