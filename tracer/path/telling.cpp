#include "tracer/path/telling.h"

#include <algorithm>
#include <array>

namespace natlens::tracer {

namespace {

template<class T>
void append(std::string &key, const T &value) {
    key.append(reinterpret_cast<const char *>(&value), sizeof(value));
}

void append(std::string &key, const std::string &text) {
    key += text;
    key += '\0';
}

bool endedWell(const Path &path) {
    return path.outcome == Outcome::delivered || path.outcome == Outcome::incomplete;
}

} // namespace

bool isToMany(const IpAddress &address) {
    const auto &bytes = address.bytes;
    if (address.family == packet::IpFamily::v6) return bytes[0] == 0xff;
    const bool everybody = std::all_of(bytes.begin(), bytes.begin() + 4, [](auto byte) { return byte == 0xff; });
    return address.family == packet::IpFamily::v4 && ((bytes[0] & 0xf0) == 0xe0 || everybody);
}

bool isLinkLocal(const IpAddress &address) {
    return address.family == packet::IpFamily::v6 && address.bytes[0] == 0xfe && (address.bytes[1] & 0xc0) == 0x80;
}

bool hasHops(const Path &path, Direction direction) {
    return std::ranges::any_of(path.hops, [&](const Hop &hop) { return hop.direction == direction; });
}

bool isHousekeeping(const Path &path) {
    return path.kind == PathKind::direct &&
           (isToMany(path.requested.ip) || isLinkLocal(path.requested.ip) || isLinkLocal(path.client.address.ip));
}

Telling tellingOf(const Path &path) {
    if (!path.findings.empty()) {
        const auto gravest = std::ranges::max(path.findings, {}, &Finding::severity).severity;
        return gravest == Severity::error     ? Telling::error
               : gravest == Severity::warning ? Telling::warning
                                              : Telling::info;
    }
    const bool well = endedWell(path);
    switch (path.kind) {
    case PathKind::service: return well ? Telling::service : Telling::serviceFailed;
    case PathKind::healthCheck: return well ? Telling::check : Telling::checkFailed;
    case PathKind::direct: break;
    }
    if (isHousekeeping(path)) return Telling::toMany;
    return well ? Telling::other : Telling::otherFailed;
}

bool isAnyPort(const Path &path) {
    return path.outcome != Outcome::delivered && isNoise(tellingOf(path));
}

void writeKind(const Path &path, std::string &key) {
    key.clear();
    const unsigned preserved = path.sourcePreserved ? 1 + *path.sourcePreserved : 0;
    append(key,
           std::array<std::uint8_t, 4>{static_cast<std::uint8_t>(path.kind), static_cast<std::uint8_t>(path.protocol),
                                       static_cast<std::uint8_t>(path.outcome), static_cast<std::uint8_t>(preserved)});
    key.append(reinterpret_cast<const char *>(path.requested.ip.bytes.data()), path.requested.ip.size());
    const bool anyPort = isAnyPort(path);
    append(key, anyPort ? std::uint16_t{0} : path.requested.port);
    append(key, path.client.node);
    append(key, path.droppedAt);
    key.push_back(static_cast<char>(path.dropDirection));
    if (path.endpoint) {
        append(key, path.endpoint->pod);
        append(key, path.endpoint->host);
        append(key, anyPort ? std::uint16_t{0} : path.endpoint->address.port);
    }
    if (path.service) {
        append(key, path.service->nameSpace);
        append(key, path.service->name);
        append(key, path.service->via);
    }
    for (const Finding &finding : path.findings)
        append(key, finding.code);
}

} // namespace natlens::tracer
