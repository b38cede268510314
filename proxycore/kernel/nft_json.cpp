#include "proxycore/kernel/nft_print.h"
#include "proxycore/plan/naming.h"

#include <nlohmann/json.hpp>

namespace natlens::proxycore::nft {

namespace {

using Json = nlohmann::json;

template<class... Ts>
struct Overloaded : Ts... {
    using Ts::operator()...;
};

Json payload(std::string_view protocol, std::string_view field) {
    return {{"payload", {{"protocol", protocol}, {"field", field}}}};
}
Json meta(std::string_view key) {
    return {{"meta", {{"key", key}}}};
}
Json match(std::string_view op, Json left, Json right) {
    return {{"match", {{"op", op}, {"left", std::move(left)}, {"right", std::move(right)}}}};
}
Json address(IpFamily family, Side side) {
    return payload(familyName(family), side == Side::source ? "saddr" : "daddr");
}
Json range(const IpPrefix &prefix) {
    if (prefix.length == prefix.address.size() * 8) return prefix.address.toString();
    return {{"prefix", {{"addr", prefix.address.toString()}, {"len", prefix.length}}}};
}
Json ranges(const std::vector<IpPrefix> &prefixes) {
    if (prefixes.size() == 1) return range(prefixes.front());
    Json list = Json::array();
    for (const auto &prefix : prefixes)
        list.push_back(range(prefix));
    return {{"set", std::move(list)}};
}
Json concat(std::vector<Json> parts) {
    return {{"concat", std::move(parts)}};
}
Json setMark(std::string_view op, std::uint32_t bits) {
    return {{"mangle", {{"key", meta("mark")}, {"value", {{op, Json::array({meta("mark"), bits})}}}}}};
}
Json randomBelow(std::size_t count) {
    return {{"numgen", {{"mode", "random"}, {"mod", count}, {"offset", 0}}}};
}
Json gotoChain(const std::string &chain) {
    return {{"goto", {{"target", chain}}}};
}

Json dnatMap(const DnatRandom &dnat, IpFamily family) {
    Json choices = Json::array();
    for (std::size_t i = 0; i < dnat.endpoints.size(); ++i)
        choices.push_back(Json::array({i, concat({dnat.endpoints[i].ip.toString(), dnat.endpoints[i].port})}));
    return {{"dnat",
             {{"family", familyName(family)},
              {"addr",
               {{"map", {{"key", randomBelow(dnat.endpoints.size())}, {"data", {{"set", std::move(choices)}}}}}}}}}};
}

Json gotoMap(const GotoRandom &choice) {
    Json choices = Json::array();
    for (std::size_t i = 0; i < choice.chains.size(); ++i)
        choices.push_back(Json::array({i, gotoChain(choice.chains[i])}));
    return {{"vmap", {{"key", randomBelow(choice.chains.size())}, {"data", {{"set", std::move(choices)}}}}}};
}

Json vmap(std::vector<Json> key, const std::string &map) {
    return {{"vmap", {{"key", concat(std::move(key))}, {"data", "@" + map}}}};
}

Json statementJson(const Statement &statement, IpFamily family) {
    const auto ip = familyName(family);
    const auto protocol = [] { return meta("l4proto"); };
    const auto port = [] { return payload("th", "dport"); };
    return std::visit(
        Overloaded{
            [](const CtStateNew &) {
                return match("in", {{"ct", {{"key", "state"}}}}, "new");
            },
            [](const CtStatusDnat &) {
                return match("in", {{"ct", {{"key", "status"}}}}, "dnat");
            },
            [&](const AddressInSet &s) { return match("==", address(family, s.side), "@" + s.set); },
            [&](const AddressMatch &s) {
                return match(s.negated ? "!=" : "==", address(family, s.side), ranges(s.ranges));
            },
            [](const InterfaceMatch &s) {
                return match(s.negated ? "!=" : "==", meta("iifname"), s.name + (s.prefix ? "*" : ""));
            },
            [](const LocalMatch &s) {
                const char *side = s.side == Side::source ? "saddr" : "daddr";
                return match("==", {{"fib", {{"result", "type"}, {"flags", Json::array({side})}}}}, "local");
            },
            [](const MarkSet &s) {
                return match("!=", {{"&", Json::array({meta("mark"), s.bits})}}, 0);
            },
            [](const MarkOr &s) { return setMark("|", s.bits); },
            [](const MarkXor &s) { return setMark("^", s.bits); },
            [&](const ProtocolMatch &s) { return match("==", protocol(), lowerName(s.protocol)); },
            [&](const HairpinMatch &) {
                return match("==", concat({payload(ip, "saddr"), payload(ip, "daddr"), protocol(), port()}),
                             "@hairpin-connections");
            },
            [&](const LookupService &s) {
                return vmap({payload(ip, "daddr"), protocol(), port()}, s.map);
            },
            [&](const LookupNodePort &s) {
                return vmap({protocol(), port()}, s.map);
            },
            [](const Masquerade &s) {
                return s.fullyRandom ? Json{{"masquerade", {{"flags", "fully-random"}}}}
                                     : Json{{"masquerade", nullptr}};
            },
            [](const Reject &) {
                return Json{{"reject", nullptr}};
            },
            [](const Drop &) {
                return Json{{"drop", nullptr}};
            },
            [](const Jump &s) {
                return Json{{"jump", {{"target", s.chain}}}};
            },
            [](const Goto &s) { return gotoChain(s.chain); },
            [&](const DnatRandom &s) { return dnatMap(s, family); },
            [](const DnatTo &s) {
                return Json{{"dnat", {{"addr", s.endpoint.ip.toString()}, {"port", s.endpoint.port}}}};
            },
            [](const GotoRandom &s) { return gotoMap(s); },
            [&](const UpdateSet &s) {
                return Json{{"set", {{"op", "update"}, {"elem", payload(ip, "saddr")}, {"set", "@" + s.set}}}};
            },
        },
        statement);
}

} // namespace

Json ruleJson(const Rule &rule, IpFamily family) {
    Json result = Json::array();
    for (const auto &statement : rule.statements)
        result.push_back(statementJson(statement, family));
    return result;
}

Json elementJson(const Element &element, bool keyOnly) {
    std::vector<Json> parts;
    if (!element.address.isNone()) parts.emplace_back(element.address.toString());
    if (!element.secondAddress.isNone()) parts.emplace_back(element.secondAddress.toString());
    if (element.protocol != Protocol::none) {
        parts.emplace_back(lowerName(element.protocol));
        parts.emplace_back(element.port);
    }
    Json key = parts.size() == 1 ? parts.front() : concat(std::move(parts));
    if (keyOnly) return key;
    if (!element.comment.empty()) key = {{"elem", {{"val", std::move(key)}, {"comment", element.comment}}}};
    if (element.verdict.empty()) return key;
    return Json::array(
        {std::move(key), element.verdict == "drop" ? Json{{"drop", nullptr}} : gotoChain(element.verdict)});
}

Json setJson(const Set &set, IpFamily family) {
    const std::string ip = family == IpFamily::v6 ? "ipv6_addr" : "ipv4_addr";
    Json type;
    switch (set.key) {
    case KeyType::address: type = ip; break;
    case KeyType::addressPairProtocolPort: type = {ip, ip, "inet_proto", "inet_service"}; break;
    case KeyType::addressProtocolPort: type = {ip, "inet_proto", "inet_service"}; break;
    case KeyType::protocolPort: type = {"inet_proto", "inet_service"}; break;
    }
    Json body = {{"family", familyName(family)}, {"table", kTable}, {"name", set.name}, {"type", std::move(type)}};
    if (set.verdictMap) body["map"] = "verdict";
    if (set.timeout.count() > 0) body["timeout"] = set.timeout.count();
    if (!set.comment.empty()) body["comment"] = set.comment;
    return {{set.verdictMap ? "map" : "set", std::move(body)}};
}

Json chainJson(const Chain &chain, IpFamily family) {
    Json body = {{"family", familyName(family)}, {"table", kTable}, {"name", chain.name}};
    if (!chain.hook.type.empty()) {
        body["type"] = chain.hook.type;
        body["hook"] = chain.hook.hook;
        body["prio"] = chain.hook.priority;
        body["policy"] = "accept";
    }
    if (!chain.comment.empty()) body["comment"] = chain.comment;
    return {{"chain", std::move(body)}};
}

} // namespace natlens::proxycore::nft
