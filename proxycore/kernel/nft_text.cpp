#include "proxycore/kernel/nft_print.h"
#include "proxycore/plan/naming.h"

namespace natlens::proxycore::nft {

namespace {

template<class... Ts>
struct Overloaded : Ts... {
    using Ts::operator()...;
};

std::string_view addressType(IpFamily family) {
    return family == IpFamily::v6 ? "ipv6_addr" : "ipv4_addr";
}

std::string addressField(IpFamily family, Side side) {
    return fmt::format("{} {}", familyName(family), side == Side::source ? "saddr" : "daddr");
}

/// A range of one address is printed without its length, as nft lists it.
std::string rangeText(const IpPrefix &range) {
    return range.length == range.address.size() * 8 ? range.address.toString() : range.toString();
}

std::string rangesText(const std::vector<IpPrefix> &ranges) {
    if (ranges.size() == 1) return rangeText(ranges.front());
    std::string text = "{ ";
    for (std::size_t i = 0; i < ranges.size(); ++i)
        text += (i == 0 ? "" : ", ") + rangeText(ranges[i]);
    return text + " }";
}

std::string dnatMap(const DnatRandom &dnat, IpFamily family) {
    std::string text =
        fmt::format("dnat {} addr . port to numgen random mod {} map {{ ", familyName(family), dnat.endpoints.size());
    for (std::size_t i = 0; i < dnat.endpoints.size(); ++i)
        text += fmt::format("{}{} : {} . {}", i == 0 ? "" : ", ", i, dnat.endpoints[i].ip.toString(),
                            dnat.endpoints[i].port);
    return text + " }";
}

std::string gotoMap(const GotoRandom &choice) {
    std::string text = fmt::format("numgen random mod {} vmap {{ ", choice.chains.size());
    for (std::size_t i = 0; i < choice.chains.size(); ++i)
        text += fmt::format("{}{} : goto {}", i == 0 ? "" : ", ", i, choice.chains[i]);
    return text + " }";
}

std::string statementText(const Statement &statement, IpFamily family) {
    const auto ip = familyName(family);
    return std::visit(
        Overloaded{
            [](const CtStateNew &) { return std::string("ct state new"); },
            [](const CtStatusDnat &) { return std::string("ct status dnat"); },
            [&](const AddressInSet &s) { return fmt::format("{} @{}", addressField(family, s.side), s.set); },
            [&](const AddressMatch &s) {
                return fmt::format("{}{} {}", addressField(family, s.side), s.negated ? " !=" : "",
                                   rangesText(s.ranges));
            },
            [](const InterfaceMatch &s) {
                return fmt::format("iifname{} \"{}{}\"", s.negated ? " !=" : "", s.name, s.prefix ? "*" : "");
            },
            [](const LocalMatch &s) {
                return fmt::format("fib {} type local", s.side == Side::source ? "saddr" : "daddr");
            },
            [](const MarkSet &s) { return fmt::format("meta mark & {:#010x} != 0x00000000", s.bits); },
            [](const MarkOr &s) { return fmt::format("meta mark set meta mark | {:#010x}", s.bits); },
            [](const MarkXor &s) { return fmt::format("meta mark set meta mark ^ {:#010x}", s.bits); },
            [](const ProtocolMatch &s) { return fmt::format("meta l4proto {}", lowerName(s.protocol)); },
            [&](const HairpinMatch &) {
                return fmt::format("{0} saddr . {0} daddr . meta l4proto . th dport @hairpin-connections", ip);
            },
            [&](const LookupService &s) {
                return fmt::format("{} daddr . meta l4proto . th dport vmap @{}", ip, s.map);
            },
            [](const LookupNodePort &s) { return fmt::format("meta l4proto . th dport vmap @{}", s.map); },
            [](const Masquerade &s) { return std::string(s.fullyRandom ? "masquerade fully-random" : "masquerade"); },
            [](const Reject &) { return std::string("reject"); },
            [](const Drop &) { return std::string("drop"); },
            [](const Jump &s) { return "jump " + s.chain; },
            [](const Goto &s) { return "goto " + s.chain; },
            [&](const DnatRandom &s) { return dnatMap(s, family); },
            [](const DnatTo &s) { return "dnat to " + s.endpoint.toString(); },
            [](const GotoRandom &s) { return gotoMap(s); },
            [&](const UpdateSet &s) { return fmt::format("update @{} {{ {} saddr }}", s.set, ip); },
        },
        statement);
}

} // namespace

std::string ruleText(const Rule &rule, IpFamily family) {
    std::string text;
    for (const auto &statement : rule.statements)
        text += (text.empty() ? "" : " ") + statementText(statement, family);
    if (!rule.comment.empty()) text += " comment \"" + rule.comment + "\"";
    return text;
}

std::string elementText(const Element &element, bool keyOnly) {
    std::string text;
    const auto part = [&](std::string value) { text += (text.empty() ? "" : " . ") + std::move(value); };
    if (!element.address.isNone()) part(element.address.toString());
    if (!element.secondAddress.isNone()) part(element.secondAddress.toString());
    if (element.protocol != Protocol::none) {
        part(std::string(lowerName(element.protocol)));
        part(std::to_string(element.port));
    }
    if (keyOnly) return text;
    if (!element.comment.empty()) text += " comment \"" + element.comment + "\"";
    if (element.verdict == "drop")
        text += " : drop";
    else if (!element.verdict.empty())
        text += " : goto " + element.verdict;
    return text;
}

std::string setBodyText(const Set &set, IpFamily family) {
    const auto address = addressType(family);
    std::string text = "type ";
    switch (set.key) {
    case KeyType::address: text += address; break;
    case KeyType::addressPairProtocolPort: text += fmt::format("{0} . {0} . inet_proto . inet_service", address); break;
    case KeyType::addressProtocolPort: text += fmt::format("{} . inet_proto . inet_service", address); break;
    case KeyType::protocolPort: text += "inet_proto . inet_service"; break;
    }
    text += set.verdictMap ? " : verdict; " : "; ";
    if (set.timeout.count() > 0) text += fmt::format("flags dynamic,timeout; timeout {}s; ", set.timeout.count());
    if (!set.comment.empty()) text += "comment \"" + set.comment + "\"; ";
    return text;
}

std::string chainBodyText(const Chain &chain) {
    std::string text;
    if (!chain.hook.type.empty())
        text = fmt::format("type {} hook {} priority {}; policy accept; ", chain.hook.type, chain.hook.hook,
                           chain.hook.priority);
    if (!chain.comment.empty()) text += "comment \"" + chain.comment + "\"; ";
    return text;
}

} // namespace natlens::proxycore::nft
