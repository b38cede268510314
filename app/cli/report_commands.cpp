#include "app/cli/report_commands.h"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <set>

namespace natlens::cli {
namespace {

using tracer::Direction;
using tracer::HopEnd;
using tracer::Path;

/// The source and destination of the request as seen at one end of a hop.
std::pair<packet::SocketAddress, packet::SocketAddress> asRequest(const tracer::Hop &hop, const HopEnd &end) {
    return hop.direction == Direction::request ? std::pair(end.src, end.dst) : std::pair(end.dst, end.src);
}

std::string_view word(packet::Protocol protocol) {
    switch (protocol) {
    case packet::Protocol::tcp: return "tcp";
    case packet::Protocol::udp: return "udp";
    case packet::Protocol::sctp: return "sctp";
    default: return "";
    }
}

} // namespace

std::string captureFilter(const std::vector<const Path *> &paths, const std::string &host,
                          const std::string &interface) {
    std::set<std::string> parts;
    for (const Path *path : paths) {
        for (const tracer::Hop &hop : path->hops) {
            if (hop.host != host) continue;
            for (const auto *end : {&hop.in, &hop.out}) {
                if (!*end || (*end)->interface != interface) continue;
                const auto [src, dst] = asRequest(hop, **end);
                if (src.ip.isNone() || dst.ip.isNone()) continue;
                std::string part = fmt::format("host {} and host {}", src.ip.toString(), dst.ip.toString());
                if (const auto protocol = word(path->protocol); !protocol.empty() && dst.port != 0)
                    part += fmt::format(" and {} port {}", protocol, dst.port);
                parts.insert("(" + part + ")");
            }
        }
    }
    if (parts.empty()) return {};
    return fmt::format("{} or icmp or icmp6", fmt::join(parts, " or "));
}

std::string displayFilter(const Path &path) {
    std::set<std::string> parts;
    for (const tracer::Hop &hop : path.hops) {
        for (const auto *end : {&hop.in, &hop.out}) {
            if (!*end) continue;
            const auto [src, dst] = asRequest(hop, **end);
            if (src.ip.isNone() || dst.ip.isNone()) continue;
            const char *ip = src.ip.isV6() ? "ipv6" : "ip";
            std::string part = fmt::format("{0}.addr=={1} && {0}.addr=={2}", ip, src.ip.toString(), dst.ip.toString());
            if (const auto protocol = word(path.protocol); !protocol.empty() && src.port != 0 && dst.port != 0)
                part += fmt::format(" && {0}.port=={1} && {0}.port=={2}", protocol, src.port, dst.port);
            parts.insert("(" + part + ")");
        }
    }
    return fmt::format("{}", fmt::join(parts, " || "));
}

} // namespace natlens::cli
