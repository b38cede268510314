// Which paths tell most, and which are of one kind: what every choice of paths rests on.
#pragma once

#include "tracer/path/path.h"

#include <cstdint>
#include <string>

namespace natlens::tracer {

/// Smaller is more worth showing. Paths with findings, the gravest first; then those of Services; health checks; then
/// all others. Of each those first that did not end well. Packets to many at once and other housekeeping of links come
/// last.
enum class Telling : std::uint8_t {
    error,
    warning,
    info,
    serviceFailed,
    service,
    checkFailed,
    check,
    otherFailed,
    other,
    toMany
};
[[nodiscard]] Telling tellingOf(const Path &path);
/// A path that says nothing of any Service.
[[nodiscard]] inline bool isNoise(Telling telling) {
    return telling >= Telling::otherFailed;
}

/// What paths that a person would call the same have in common, as bytes in `key`: ends, outcome, findings; no ports of
/// clients, and no ports at all where nobody answered at the many that were tried.
void writeKind(const Path &path, std::string &key);
/// Multicast, or the broadcast address of the own network; broadcasts to others cannot be told from hosts.
[[nodiscard]] bool isToMany(const IpAddress &address);
/// What hosts do to have addresses and routers on their link (multicast, neighbour discovery, link-local addresses).
[[nodiscard]] bool isHousekeeping(const Path &path);
/// An IPv6 address that means something on one link only.
[[nodiscard]] bool isLinkLocal(const IpAddress &address);
/// Packets of this direction were seen at some host.
[[nodiscard]] bool hasHops(const Path &path, Direction direction);
/// Ports asked are not part of the path's kind.
[[nodiscard]] bool isAnyPort(const Path &path);

} // namespace natlens::tracer
