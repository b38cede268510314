#include "app/lab/scenario_actions.h"

#include "app/lab/scenario_fields.h"

#include <algorithm>
#include <fmt/format.h>

namespace natlens::lab {
namespace {

using What = decltype(HostAction::what);

/// Text, or an array of lines.
std::string lines(const ScenarioFields &fields, const char *key) {
    std::string text;
    for (const auto &line : fields.texts(key))
        text += line + "\n";
    return text;
}

What readRoute(const ScenarioFields &fields) {
    RouteAction action{.destination = fields.prefix("to")};
    if (!fields.text("via").empty()) action.via = fields.address("via");
    action.remove = fields.flag("remove");
    return action;
}

What readBridgePort(const ScenarioFields &fields) {
    using Kind = nlohmann::json::value_t;
    BridgePortAction action{.pod = fields.requiredText("pod")};
    if (!fields.get("isolated", Kind::boolean).is_null()) action.isolated = fields.flag("isolated");
    if (!fields.get("hairpin", Kind::boolean).is_null()) action.hairpin = fields.flag("hairpin");
    return action;
}

What readDatagrams(const ScenarioFields &fields) {
    return DatagramsAction{.to = fields.socketAddress("to"),
                           .sourcePort = fields.port("sourcePort", 0),
                           .socket = fields.text("socket"),
                           .text = fields.text("text", "hello"),
                           .count = fields.number("count", 1, 1000),
                           .interval = milliseconds(fields.number("intervalMs", 0)),
                           .wait = milliseconds(fields.number("waitMs", 300))};
}

What readConnect(const ScenarioFields &fields) {
    const auto protocol = fields.text("protocol", "tcp");
    if (protocol != "tcp" && protocol != "sctp") fields.fail("protocol", "must be \"tcp\" or \"sctp\"");
    return ConnectAction{.protocol = protocol == "sctp" ? packet::Protocol::sctp : packet::Protocol::tcp,
                         .to = fields.socketAddress("to"),
                         .sourcePort = fields.port("sourcePort", 0),
                         .name = fields.text("name"),
                         .text = lines(fields, "lines"),
                         .wait = milliseconds(fields.number("waitMs", 1000))};
}

What readResend(const ScenarioFields &fields) {
    const auto what = fields.requiredText("what");
    if (what != "SYN" && what != "data") fields.fail("what", "must be \"SYN\" or \"data\"");
    ResendAction action{.syn = what == "SYN", .port = fields.port("port", 0)};
    const auto &back = fields.get("sequenceBack", nlohmann::json::value_t::number_unsigned);
    action.sequenceOffset = static_cast<std::int32_t>(fields.number("sequenceAhead", 0, 1u << 30));
    if (!back.is_null()) action.sequenceOffset = -static_cast<std::int32_t>(fields.number("sequenceBack", 0, 1u << 30));
    action.count = fields.number("count", 1, 1000);
    return action;
}

What readProxy(const ScenarioFields &fields) {
    return ProxyAction{.listen = fields.socketAddress("listen"),
                       .to = fields.socketAddress("to"),
                       .preface = fields.number("proxyProtocol", 0, 2),
                       .forwardedFor = fields.flag("forwardedFor")};
}

What readUdpServer(const ScenarioFields &fields) {
    UdpServerAction action{.port = fields.port("port", 0)};
    if (action.port == 0) fields.fail("port", "is missing");
    if (!fields.text("answerFrom").empty()) action.answerFrom = fields.address("answerFrom");
    return action;
}

/// One row per action.
constexpr std::pair<std::string_view, What (*)(const ScenarioFields &)> kActions[] = {
    {"nft", [](const ScenarioFields &f) -> What { return NftAction{lines(f, "rules")}; }},
    {"sysctl",
     [](const ScenarioFields &f) -> What {
         const auto key = f.requiredText("key");
         if (!key.starts_with("net/") || key.find("..") != std::string::npos) f.fail("key", "must begin with \"net/\"");
         return SysctlAction{key, f.requiredText("value")};
     }},
    {"route", readRoute},
    {"address",
     [](const ScenarioFields &f) -> What {
         return AddressAction{f.text("interface", "eth0"), f.prefix("address")};
     }},
    {"link",
     [](const ScenarioFields &f) -> What {
         return LinkAction{f.text("interface", "eth0"), f.flag("up", true)};
     }},
    {"bridge-port", readBridgePort},
    {"forget-connections", [](const ScenarioFields &f) -> What { return ForgetAction{f.port("port", 0)}; }},
    {"datagrams", readDatagrams},
    {"connect", readConnect},
    {"disconnect", [](const ScenarioFields &f) -> What { return DisconnectAction{f.requiredText("name")}; }},
    {"resend", readResend},
    {"proxy", readProxy},
    {"udp-server", readUdpServer},
    {"hold",
     [](const ScenarioFields &f) -> What {
         return HoldAction{f.address("source"), milliseconds(f.number("durationMs", 100))};
     }},
    {"facts", [](const ScenarioFields &) -> What { return FactsAction{}; }},
};

/// What identifies an object: kind, namespace and name.
std::string identity(const nlohmann::json &object) {
    const auto metadata = object.value("metadata", nlohmann::json::object());
    return object.value("kind", "") + "/" + metadata.value("namespace", "default") + "/" + metadata.value("name", "");
}

/// Merges objects into a List: those of the same kind and name by RFC 7396, others are added; with "delete": true they
/// go.
void patchCluster(nlohmann::json &list, const nlohmann::json &patches) {
    if (!list.is_object() || !list.contains("items"))
        list = {{"apiVersion", "v1"}, {"kind", "List"}, {"items", nlohmann::json::array()}};
    auto &items = list["items"];
    for (const auto &patch : patches) {
        if (!patch.is_object()) throw BadField{"/clusterPatch", "must hold objects only"};
        const auto found = std::find_if(items.begin(), items.end(),
                                        [&](const auto &item) { return identity(item) == identity(patch); });
        if (patch.value("delete", false)) {
            if (found == items.end()) throw BadField{"/clusterPatch", "no such object: " + identity(patch)};
            items.erase(found);
        } else if (found != items.end()) {
            found->merge_patch(patch);
        } else {
            items.push_back(patch);
        }
    }
}

} // namespace

std::optional<HostAction> readHostAction(const ScenarioFields &fields) {
    const auto kind = fields.requiredText("do");
    const auto *row = std::ranges::find(kActions, kind, [](const auto &r) { return r.first; });
    if (row == std::end(kActions)) return std::nullopt;
    return HostAction{fields.requiredText("on"), row->second(fields)};
}

nlohmann::json withBase(nlohmann::json scenario, const std::function<std::string(const std::string &)> &source) {
    if (!scenario.is_object()) return scenario; // readScenario() says so
    nlohmann::json result = nlohmann::json::object();
    if (scenario.contains("base")) {
        const auto name = ScenarioFields(scenario, "").requiredText("base");
        const auto text = source(name);
        if (text.empty()) throw BadField{"/base", fmt::format("there is no scenario \"{}\"", name)};
        result = withBase(nlohmann::json::parse(text), source);
    } else {
        result = scenario;
    }
    for (auto &[key, value] : scenario.items()) {
        if (key == "base" || key == "clusterPatch") continue;
        if ((key == "proxyConfig" || key == "loadBalancer") && result.contains(key))
            result[key].merge_patch(value); // only what is different; null takes away
        else
            result[key] = value;
        if (result[key].is_null()) result.erase(key);
    }
    if (scenario.is_object() && scenario.contains("clusterPatch"))
        patchCluster(result["cluster"], scenario["clusterPatch"]);
    result.erase("base");
    result.erase("clusterPatch");
    return result;
}

} // namespace natlens::lab
