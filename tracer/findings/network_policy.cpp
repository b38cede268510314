#include "tracer/findings/network_policy.h"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace natlens::tracer {

namespace {

using nlohmann::json;

const json &member(const json &object, const char *key) {
    static const json nothing;
    if (!object.is_object()) return nothing;
    const auto found = object.find(key);
    return found == object.end() ? nothing : *found;
}

std::string text(const json &object, const char *key) {
    const json &value = member(object, key);
    return value.is_string() ? value.get<std::string>() : std::string();
}

std::optional<packet::IpPrefix> prefix(const json &value) {
    return value.is_string() ? packet::IpPrefix::parse(value.get<std::string>()) : std::nullopt;
}

IngressRule readRule(const json &source) {
    IngressRule rule;
    const json &from = member(source, "from");
    rule.anySource = !from.is_array() || from.empty();
    for (const json &peer : from.is_array() ? from : json::array()) {
        const json &block = member(peer, "ipBlock");
        const auto cidr = prefix(member(block, "cidr"));
        if (!cidr) {
            rule.otherPeers = true;
            continue;
        }
        IngressRule::Block added{*cidr, {}};
        if (const json &except = member(block, "except"); except.is_array())
            for (const json &one : except)
                if (const auto out = prefix(one)) added.except.push_back(*out);
        rule.blocks.push_back(std::move(added));
    }
    if (const json &ports = member(source, "ports"); ports.is_array())
        for (const json &port : ports)
            if (const json &number = member(port, "port"); number.is_number_unsigned())
                rule.ports.push_back(number.get<packet::Port>());
    return rule;
}

NetworkPolicy readPolicy(const json &object) {
    const json &metadata = member(object, "metadata");
    const json &spec = member(object, "spec");
    NetworkPolicy policy;
    policy.name.nameSpace = text(metadata, "namespace").empty() ? "default" : text(metadata, "namespace");
    policy.name.name = text(metadata, "name");
    const json &selector = member(spec, "podSelector");
    policy.unreadable =
        member(selector, "matchExpressions").is_array() && !member(selector, "matchExpressions").empty();
    if (const json &labels = member(selector, "matchLabels"); labels.is_object())
        for (const auto &[key, value] : labels.items())
            if (value.is_string()) policy.podSelector[key] = value.get<std::string>();
    const json &types = member(spec, "policyTypes");
    policy.ingress = !types.is_array() || std::ranges::find(types, json("Ingress")) != types.end();
    if (const json &rules = member(spec, "ingress"); rules.is_array())
        for (const json &rule : rules)
            policy.rules.push_back(readRule(rule));
    return policy;
}

void apply(NetworkPolicies &policies, const json &document, bool deleted, bool &changed) {
    if (const json &items = member(document, "items"); items.is_array()) {
        for (const json &item : items)
            apply(policies, item, deleted, changed);
        return;
    }
    if (const json &object = member(document, "object"); object.is_object())
        return apply(policies, object, text(document, "type") == "DELETED", changed);
    if (text(document, "kind") != "NetworkPolicy") return;
    NetworkPolicy policy = readPolicy(document);
    const auto name = policy.name;
    changed = true;
    if (deleted)
        policies.erase(name);
    else
        policies[name] = std::move(policy);
}

} // namespace

bool IngressRule::admits(const packet::IpAddress &source, packet::Port port) const {
    if (!ports.empty() && std::ranges::find(ports, port) == ports.end()) return false;
    const auto in = [&](const packet::IpPrefix &range) { return range.contains(source); };
    return anySource || std::ranges::any_of(blocks, [&](const Block &block) {
               return in(block.cidr) && std::ranges::none_of(block.except, in);
           });
}

std::optional<NetworkPolicies> applyPolicies(const NetworkPolicies &before, std::string_view text) {
    // Most events are of other kinds; looking for the word is cheaper than reading them twice.
    if (text.find("NetworkPolicy") == std::string_view::npos) return std::nullopt;
    const json document = json::parse(text, nullptr, false);
    if (document.is_discarded()) return std::nullopt;
    NetworkPolicies policies = before;
    bool changed = false;
    apply(policies, document, false, changed);
    return changed ? std::optional(std::move(policies)) : std::nullopt;
}

std::optional<bool> admits(const NetworkPolicies &policies, const proxycore::Pod &pod, const packet::IpAddress &source,
                           packet::Port port) {
    bool limited = false;
    for (const auto &[name, policy] : policies) {
        if (name.nameSpace != pod.name.nameSpace || !policy.ingress) continue;
        if (policy.unreadable) return std::nullopt;
        const bool selected = std::ranges::all_of(policy.podSelector, [&](const auto &label) {
            const auto found = pod.labels.find(label.first);
            return found != pod.labels.end() && found->second == label.second;
        });
        if (!selected) continue;
        limited = true;
        for (const IngressRule &rule : policy.rules) {
            if (rule.otherPeers) return std::nullopt;
            if (rule.admits(source, port)) return true;
        }
    }
    return limited ? std::optional(false) : std::nullopt;
}

} // namespace natlens::tracer
