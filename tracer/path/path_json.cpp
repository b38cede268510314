#include "tracer/path/path_json.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>

namespace natlens::tracer {

namespace {

using Json = nlohmann::ordered_json;

Json textOrNull(const std::string &text) {
    return text.empty() ? Json(nullptr) : Json(text);
}

Json portOrNull(packet::Port port) {
    return port == 0 ? Json(nullptr) : Json(port);
}

Json addressOrNull(const IpAddress &address) {
    return address.isNone() ? Json(nullptr) : Json(address.toString());
}

Json timeOrNull(Timestamp time) {
    return time.nanoseconds == 0 ? Json(nullptr) : Json(time.toString());
}

/// "1.2.3.4:80"; without a port (ICMP) the bare address.
Json endpointText(const SocketAddress &address) {
    if (address.ip.isNone()) return nullptr;
    return address.port == 0 ? address.ip.toString() : address.toString();
}

/// Two digits are what the evidence can bear, and they keep the text equal on every machine.
double rounded(double value) {
    return std::round(value * 100) / 100;
}

Json toJson(const ServiceRef &service) {
    return Json{{"namespace", textOrNull(service.nameSpace)},
                {"name", textOrNull(service.name)},
                {"type", textOrNull(service.type)},
                {"port", portOrNull(service.port)},
                {"via", service.via == Via::none ? Json(nullptr) : Json(toString(service.via))}};
}

Json toJson(const std::optional<HopEnd> &end) {
    if (!end) return nullptr;
    return Json{{"interface", textOrNull(end->interface)},
                {"time", timeOrNull(end->time)},
                {"src", endpointText(end->src)},
                {"dst", endpointText(end->dst)},
                {"ttl", end->ttl == 0 ? Json(nullptr) : Json(end->ttl)},
                {"packet", end->packet.value == 0 ? Json(nullptr) : Json(end->packet.value)}};
}

Json toJson(const Encapsulation *tunnel) {
    if (!tunnel) return nullptr;
    return Json{{"type", tunnel->type},
                {"id", tunnel->id ? Json(*tunnel->id) : Json(nullptr)},
                {"src", addressOrNull(tunnel->src)},
                {"dst", addressOrNull(tunnel->dst)}};
}

template<class T>
Json namesOf(const std::vector<T> &values) {
    Json names = Json::array();
    for (const auto &value : values)
        names.push_back(toString(value));
    return names;
}

Json toJson(const std::shared_ptr<const HostClock> &clock) {
    if (!clock) return nullptr;
    return Json{{"offset", signedSeconds(clock->offset)},
                {"skew", partsPerMillion(clock->skew)},
                {"bound", clock->bound ? Json(signedSeconds(*clock->bound)) : Json(nullptr)},
                {"reference", textOrNull(clock->reference)}};
}

Json toJson(const Hop &hop) {
    return Json{{"node", hop.host},
                {"direction", toString(hop.direction)},
                {"nat", namesOf(hop.nat)},
                {"in", toJson(hop.in)},
                {"out", toJson(hop.out)},
                {"rule", textOrNull(hop.rule)},
                {"evidence", namesOf(hop.evidence)},
                {"confidence", rounded(hop.confidence)},
                {"role", toString(hop.role)},
                {"field", textOrNull(hop.ruleField)},
                {"inferred", hop.inferred},
                {"captureDrops", hop.captureDrops},
                {"doubts", hop.doubts},
                {"clock", toJson(hop.clock)},
                {"encapsulation", toJson(hop.encapsulation())}};
}

Json toJson(const Segment &segment) {
    return Json{{"from", textOrNull(segment.from)},
                {"to", textOrNull(segment.to)},
                {"direction", toString(segment.direction)},
                {"src", endpointText(segment.src)},
                {"dst", endpointText(segment.dst)},
                {"packets", segment.packets},
                {"lost", segment.lost},
                {"confidence", rounded(segment.confidence)}};
}

Json toJson(const Finding &finding) {
    Json packets = Json::array();
    for (const auto &packet : finding.packets)
        packets.push_back(packet.value);
    // `packets` is the older name of `evidence`.
    return Json{{"code", finding.code},
                {"severity", toString(finding.severity)},
                {"text", finding.text},
                {"fix", textOrNull(finding.fix)},
                {"field", textOrNull(finding.field)},
                {"packets", packets},
                {"evidence", std::move(packets)},
                {"cost", textOrNull(finding.cost)},
                {"reference", textOrNull(finding.reference)}};
}

/// The ends of a path have hops of their own in memory; in JSON `client` and `endpoint` say the same.
bool isOwnHopOfAnEnd(const Path &path, const Hop &hop) {
    if (!hop.nat.empty()) return false;
    if (!path.client.node.empty() && hop.host == path.client.node)
        return hop.direction == Direction::request ? !hop.in : !hop.out;
    if (path.endpoint && hop.host == path.endpoint->host && (hop.role == HostRole::pod || !path.endpoint->pod.empty()))
        return hop.direction == Direction::request ? !hop.out : !hop.in;
    return false;
}

Json toJson(const Path &path) {
    Json json;
    json["schema"] = "natlens.path/1";
    json["id"] = path.id;
    json["kind"] = toString(path.kind);
    json["service"] = path.service ? toJson(*path.service) : Json(nullptr);
    json["protocol"] = packet::toString(path.protocol);
    json["client"] = Json{{"node", textOrNull(path.client.node)},
                          {"ip", addressOrNull(path.client.address.ip)},
                          {"port", portOrNull(path.client.address.port)}};
    json["requested"] = Json{{"ip", addressOrNull(path.requested.ip)}, {"port", portOrNull(path.requested.port)}};
    json["endpoint"] = path.endpoint ? Json{{"pod", textOrNull(path.endpoint->pod)},
                                            {"node", textOrNull(path.endpoint->node)},
                                            {"ip", addressOrNull(path.endpoint->address.ip)},
                                            {"port", portOrNull(path.endpoint->address.port)}}
                                     : Json(nullptr);
    json["seenByEndpoint"] = path.seenByEndpoint ? Json{{"ip", addressOrNull(path.seenByEndpoint->ip)},
                                                        {"port", portOrNull(path.seenByEndpoint->port)}}
                                                 : Json(nullptr);
    json["sourcePreserved"] = path.sourcePreserved ? Json(*path.sourcePreserved) : Json(nullptr);
    json["outcome"] = toString(path.outcome);
    json["droppedAt"] = textOrNull(path.droppedAt);
    json["http"] = path.http ? Json{{"method", textOrNull(path.http->method)},
                                    {"target", textOrNull(path.http->target)},
                                    {"status", path.http->status == 0 ? Json(nullptr) : Json(path.http->status)},
                                    {"clientAddress", textOrNull(path.http->clientAddress)}}
                             : Json(nullptr);
    json["hops"] = Json::array();
    for (const auto &hop : path.hops)
        if (!isOwnHopOfAnEnd(path, hop)) json["hops"].push_back(toJson(hop));
    json["findings"] = Json::array();
    for (const auto &finding : path.findings)
        json["findings"].push_back(toJson(finding));
    json["segments"] = Json::array();
    for (const auto &segment : path.segments)
        json["segments"].push_back(toJson(segment));
    json["firstSeen"] = timeOrNull(path.firstSeen);
    json["lastSeen"] = timeOrNull(path.lastSeen);
    json["packets"] = path.packets;
    json["attempts"] = path.attempts;
    json["notes"] = path.notes;
    json["settled"] = path.settled;
    json["dropDirection"] = path.droppedAt.empty() ? Json(nullptr) : Json(toString(path.dropDirection));
    return json;
}

} // namespace

std::string toJsonLine(const Path &path) {
    // Payload bytes (an HTTP target) may be anything: replace what is not UTF-8 instead of throwing.
    return toJson(path).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

} // namespace natlens::tracer
