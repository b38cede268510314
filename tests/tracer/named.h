// Values of the tracer as QString, so that a failed QCOMPARE says what it found.
#pragma once

#include "tests/tracer/scenario.h"

#include <QString>
#include <algorithm>

namespace natlens::test {

template<class Enum>
QString named(Enum value) {
    return QString::fromStdString(std::string(toString(value)));
}

inline QString text(const std::string &value) {
    return QString::fromStdString(value);
}

inline QString text(const packet::SocketAddress &value) {
    return QString::fromStdString(value.toString());
}

inline QString text(const std::optional<packet::SocketAddress> &value) {
    return value ? text(*value) : QStringLiteral("nothing");
}

/// Paths with a translation on their way, that is: made of several connections that were joined.
inline unsigned translatedPaths(const tracer::Snapshot &snapshot) {
    return static_cast<unsigned>(std::ranges::count_if(snapshot.paths, [](const auto &path) {
        return std::ranges::any_of(path->hops, [](const auto &hop) { return !hop.nat.empty(); });
    }));
}

/// "client>node2 6, node2>node1 6": segments of one direction with their packets; "!" where the packet was lost.
inline QString segments(const tracer::Path &path, tracer::Direction direction) {
    std::string all;
    for (const auto &segment : path.segments)
        if (segment.direction == direction)
            all += (all.empty() ? "" : ", ") + segment.from + ">" + segment.to + (segment.lost ? "! " : " ") +
                   std::to_string(segment.packets);
    return text(all);
}

} // namespace natlens::test
