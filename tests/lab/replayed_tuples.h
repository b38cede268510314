// Which pairs of addresses `natlens replay --json` joined.
#pragma once

#include "tests/tracer/scenario.h"

#include <QByteArray>
#include <QList>
#include <nlohmann/json.hpp>
#include <set>

namespace natlens::test {

using nlohmann::json;
using packet::Protocol;

/// Of each path the pairs of addresses that packets showed.
inline std::vector<std::set<Tuple>> tuplesOf(const QByteArray &jsonLines) {
    std::vector<std::set<Tuple>> paths;
    for (const QByteArray &line : jsonLines.split('\n')) {
        if (line.trimmed().isEmpty()) continue;
        const json path = json::parse(line.constData(), line.constData() + line.size());
        const std::string protocolName = path["protocol"];
        if (protocolName != "TCP" && protocolName != "UDP") continue;
        const Protocol protocol = protocolName == "TCP" ? Protocol::tcp : Protocol::udp;
        std::set<Tuple> &tuples = paths.emplace_back();
        const auto add = [&](const json &end, bool reply) {
            const auto src = SocketAddress::parse(end["src"].get<std::string>()),
                       dst = SocketAddress::parse(end["dst"].get<std::string>());
            // An ICMP error's sender has no port.
            if (!src || !dst || src->port == 0 || dst->port == 0) return;
            const Tuple tuple{protocol, *src, *dst};
            tuples.insert(reply ? tuple.reversed() : tuple);
        };
        for (const json &hop : path["hops"])
            for (const char *end : {"in", "out"})
                if (!hop["inferred"] || (!hop[end].is_null() && !hop[end]["packet"].is_null()))
                    if (!hop[end].is_null()) add(hop[end], hop["direction"] == "reply");
        for (const json &segment : path["segments"])
            if (segment["src"].is_string() && segment["dst"].is_string()) add(segment, segment["direction"] == "reply");
    }
    return paths;
}

} // namespace natlens::test
