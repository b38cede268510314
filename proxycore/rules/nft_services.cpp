#include "proxycore/rules/nft_ruleset.h"

#include <algorithm>
#include <charconv>
#include <set>

namespace natlens::proxycore::detail {

const NftRule::Match *NftRule::match(Field field) const {
    const auto found = std::ranges::find(matches, field, &Match::field);
    return found == matches.end() ? nullptr : &*found;
}

namespace {

using Draft = ServiceDrafts::Draft;
using Field = NftRule::Field;

/// 0 when it is none.
Port port(std::string_view text) {
    Port value = 0;
    const auto *end = text.data() + text.size();
    const auto [at, error] = std::from_chars(text.data(), end, value);
    return error == std::errc() && at == end ? value : Port{0};
}

/// What follows the hash in "service-ULMVA6XW-ns1/svc1/tcp/p80".
std::string_view nameIn(std::string_view chain) {
    const auto first = chain.find('-');
    const auto second = first == chain.npos ? first : chain.find('-', first + 1);
    return second == chain.npos ? std::string_view() : chain.substr(second + 1);
}

class Reader final {
public:
    Reader(const NftTable &table, Problems &problems)
        : m_table(table)
        , m_problems(problems)
        , m_drafts(emptyPlan(Mode::nftables, ProxyRelease::today, table.family)) {}

    FamilyRules read() {
        for (const auto &element : set("cluster-ips").elements)
            if (const auto ip = address(element)) m_clusterIps.insert(*ip);
        for (const auto &element : set("hairpin-connections").elements)
            if (const auto ip = address(element)) m_drafts.runsHere(*ip);
        readFixed();
        serviceAddresses();
        nodePorts();
        withoutEndpoints();
        firewalls();
        return finish();
    }

private:
    [[nodiscard]] const NftSet &set(std::string_view name) const {
        static const NftSet none;
        const auto found = m_table.sets.find(name);
        return found == m_table.sets.end() ? none : found->second;
    }
    [[nodiscard]] const std::vector<NftRule> &chain(std::string_view name) const {
        static const std::vector<NftRule> none;
        const auto found = m_table.chains.find(name);
        return found == m_table.chains.end() ? none : found->second;
    }

    /// The first part of an element's key.
    static std::optional<IpAddress> address(const NftElement &element) {
        return element.key.empty() ? std::nullopt : IpAddress::parse(element.key.front());
    }

    static std::optional<Protocol> protocol(std::string_view text) {
        const auto value = packet::parseProtocol(text);
        const bool usable = value == Protocol::tcp || value == Protocol::udp || value == Protocol::sctp;
        return usable ? value : std::nullopt;
    }

    void problem(const std::string &object, std::string text) { m_problems.add(object, "", std::move(text)); }

    void readFixed() {
        auto &plan = m_drafts.plan();
        plan.behaviour.rejectUnknownPort = plan.behaviour.dropUnallocated = false;
        for (const auto &rule : chain("cluster-ips-check")) {
            const auto *to = rule.match(Field::destinationAddress);
            if (rule.verdict.kind == NftVerdict::Kind::reject) plan.behaviour.rejectUnknownPort = true;
            if (rule.verdict.kind != NftVerdict::Kind::drop || to == nullptr) continue;
            for (const auto &value : to->values)
                if (const auto range = IpPrefix::parse(value)) plan.serviceCIDRs.push_back(*range);
            plan.behaviour.dropUnallocated = !plan.serviceCIDRs.empty();
        }
        for (const auto &rule : chain("masquerading"))
            if (rule.clearsMark && *rule.clearsMark != 0) plan.masqueradeMark = *rule.clearsMark;
        plan.nodePorts = {.allLocal = false, .addresses = {}, .loopback = false};
        for (const auto &rule : chain("services")) {
            if (rule.setsMark) clusterIpMasquerade(rule);
            if (rule.map != "service-nodeports") continue;
            if (rule.match(Field::destinationType) != nullptr) plan.nodePorts.allLocal = true;
        }
        for (const auto &element : set("nodeport-ips").elements)
            if (const auto ip = address(element)) {
                plan.nodePorts.addresses.push_back(*ip);
                plan.localAddresses.push_back(*ip);
            }
        if (plan.nodePorts.allLocal) plan.nodePorts.addresses.clear();
        std::ranges::sort(plan.nodePorts.addresses);
    }

    void clusterIpMasquerade(const NftRule &rule) {
        auto &plan = m_drafts.plan();
        const auto *source = rule.match(Field::sourceAddress);
        const auto *input = rule.match(Field::input);
        plan.clusterIpMasquerade =
            source == nullptr && input == nullptr ? ClusterIpMasquerade::always : ClusterIpMasquerade::fromOutside;
        if (source != nullptr && source->negated) detector(*source);
        if (input != nullptr && input->negated) detector(*input);
    }

    /// Both where packets of pods keep their source and where they need not keep to the node's endpoints.
    void detector(const NftRule::Match &match) {
        if (match.values.size() != 1) return;
        const auto &value = match.values.front();
        using Kind = LocalDetector::Kind;
        auto &place = m_drafts.plan().detector;
        if (match.field == Field::sourceAddress) {
            if (const auto range = IpPrefix::parse(value)) place = {Kind::sourceRange, *range, ""};
        } else if (match.field == Field::input) {
            const bool prefix = value.ends_with('*');
            place = {prefix ? Kind::interfacePrefix : Kind::interface,
                     {},
                     prefix ? value.substr(0, value.size() - 1) : value};
        }
    }

    Draft *draftOf(std::string_view chainName) {
        const auto name = parseNftServicePort(nameIn(chainName));
        return name ? &m_drafts.draft(*name) : nullptr;
    }

    /// service- and local- chains.
    void balance(Draft &draft, const std::string &name, bool local) {
        auto &place = local ? draft.chains.local : draft.chains.cluster;
        if (!place.empty()) return;
        place = name;
        auto &list = local ? draft.plan.local : draft.plan.cluster;
        const auto found = m_table.chains.find(name);
        if (found == m_table.chains.end()) return problem("chain " + name, "is not in the listing");
        std::set<packet::SocketAddress> seen;
        const auto add = [&](const packet::SocketAddress &address, const std::string &through) {
            if (local) m_drafts.runsHere(address.ip);
            if (!through.empty()) draft.chains.endpoints.emplace(address, through);
            if (seen.insert(address).second) addEndpoint(list, address);
        };
        for (const auto &rule : found->second) {
            for (const auto &address : rule.dnatTo)
                add(address, "");
            for (const auto &choice : rule.choices) {
                bool known = false;
                for (const auto &step : chain(choice.target))
                    for (const auto &address : step.dnatTo) {
                        add(address, choice.target);
                        known = true;
                    }
                if (!known)
                    m_problems.add(
                        "chain " + name, rule.place,
                        fmt::format("leads to {}, which does not say where to; endpoint left out", choice.target));
            }
            if (const auto *from = rule.match(Field::sourceAddress))
                for (const auto &value : from->values)
                    if (value.starts_with("@affinity-")) {
                        const auto timeout = set(std::string_view(value).substr(1)).timeout;
                        draft.plan.affinity = timeout.count() > 0 ? timeout : std::chrono::seconds(10'800);
                    }
        }
    }

    bool follow(Draft &draft, const std::string &name) {
        if (name.starts_with("service-"))
            balance(draft, name, false);
        else if (name.starts_with("local-"))
            balance(draft, name, true);
        else if (name.starts_with("external-"))
            external(draft, name);
        else
            return false;
        return true;
    }

    void external(Draft &draft, const std::string &name) {
        if (!draft.chains.external.empty()) return;
        draft.chains.external = name;
        const auto &rules = chain(name);
        if (rules.empty()) return problem("chain " + name, "has no rules; where external packets go is not known");
        bool local = true;
        for (const auto &rule : rules) {
            if (rule.setsMark && rule.matches.empty()) local = false;
            if (rule.verdict.kind != NftVerdict::Kind::go) continue;
            const bool toLocal = rule.verdict.target.starts_with("local-");
            if (!toLocal && !rule.verdict.target.starts_with("service-")) continue;
            for (const auto &match : rule.matches)
                if (!match.negated) detector(match);
            balance(draft, rule.verdict.target, toLocal);
        }
        draft.plan.externalLocal = local;
        draft.policyFromRules = true;
    }

    void serviceAddresses() {
        for (const auto &element : set("service-ips").elements) {
            const auto ip = address(element);
            const auto number = element.key.size() == 3 ? port(element.key[2]) : Port{0};
            auto *draft = draftOf(element.verdict.target);
            if (!ip || number == 0 || draft == nullptr || element.verdict.kind != NftVerdict::Kind::go) {
                problem("map service-ips", fmt::format("{} leads to \"{}\", which is no service port; left out",
                                                       fmt::join(element.key, " . "), element.verdict.target));
                continue;
            }
            const auto &target = element.verdict.target;
            follow(*draft, target);
            if (target.starts_with("external-")) {
                m_external.push_back({draft->plan.name, *ip, number});
                continue;
            }
            const bool local = target.starts_with("local-");
            auto &front = ServiceDrafts::frontEnd(*draft, Via::clusterIP, *ip, number);
            front.route = local ? Route::local : Route::cluster;
            draft->plan.internalLocal = draft->plan.internalLocal || local;
        }
    }

    void nodePorts() {
        for (const auto &element : set("service-nodeports").elements) {
            const auto number = element.key.size() == 2 ? port(element.key[1]) : Port{0};
            auto *draft = draftOf(element.verdict.target);
            if (number == 0 || draft == nullptr || !follow(*draft, element.verdict.target)) {
                problem("map service-nodeports", fmt::format("{} leads to \"{}\", which is no service port; left out",
                                                             fmt::join(element.key, " . "), element.verdict.target));
                continue;
            }
            ServiceDrafts::frontEnd(*draft, Via::nodePort, {}, number).route = Route::external;
        }
        // Only now is it known who has node ports: those have load balancers rather than external IPs.
        for (const auto &[name, ip, number] : m_external) {
            auto &draft = m_drafts.draft(name);
            ServiceDrafts::frontEnd(draft, externalVia(draft, ip, number), ip, number).route = Route::external;
        }
    }

    [[nodiscard]] Via externalVia(const Draft &draft, const IpAddress &ip, Port number) const {
        const auto text = ip.toString();
        for (const auto &element : set("firewall-ips").elements)
            if (element.key.size() == 3 && element.key[0] == text && port(element.key[2]) == number)
                return Via::loadBalancerIP;
        const bool nodePort =
            std::ranges::any_of(draft.plan.frontEnds, [](const FrontEnd &front) { return front.via == Via::nodePort; });
        return nodePort ? Via::loadBalancerIP : Via::externalIP;
    }

    void withoutEndpoints() {
        for (const auto &element : set("no-endpoint-services").elements) {
            const auto ip = address(element);
            const auto number = element.key.size() == 3 ? port(element.key[2]) : Port{0};
            auto *draft = element.key.size() == 3 ? commented(element, element.key[1]) : nullptr;
            if (!ip || number == 0 || draft == nullptr) {
                unnamed("no-endpoint-services", element);
                continue;
            }
            const auto otherwise = otherwiseOf(element);
            const bool noLocal = otherwise == Otherwise::drop;
            draft->noLocal = draft->noLocal || noLocal;
            if (m_clusterIps.contains(*ip)) {
                ServiceDrafts::frontEnd(*draft, Via::clusterIP, *ip, number).otherwise = otherwise;
                draft->plan.internalLocal = draft->plan.internalLocal || noLocal;
            } else {
                ServiceDrafts::turnAway(*draft, *ip, number, otherwise);
                draft->plan.externalLocal = draft->plan.externalLocal || noLocal;
            }
        }
        for (const auto &element : set("no-endpoint-nodeports").elements) {
            const auto number = element.key.size() == 2 ? port(element.key[1]) : Port{0};
            auto *draft = element.key.size() == 2 ? commented(element, element.key[0]) : nullptr;
            if (number == 0 || draft == nullptr) {
                unnamed("no-endpoint-nodeports", element);
                continue;
            }
            const auto otherwise = otherwiseOf(element);
            ServiceDrafts::frontEnd(*draft, Via::nodePort, {}, number).otherwise = otherwise;
            if (otherwise != Otherwise::drop) continue;
            draft->noLocal = draft->plan.externalLocal = true;
        }
    }

    Draft *commented(const NftElement &element, std::string_view protocolName) {
        const auto known = protocol(protocolName);
        const auto name = known ? parseServicePort(element.comment, *known) : std::nullopt;
        return name ? &m_drafts.draft(*name) : nullptr;
    }

    void unnamed(const std::string &map, const NftElement &element) {
        problem("map " + map, fmt::format("{} does not say in a comment which Service it is; left out",
                                          fmt::join(element.key, " . ")));
    }

    [[nodiscard]] static Otherwise otherwiseOf(const NftElement &element) {
        return element.verdict.kind == NftVerdict::Kind::drop ? Otherwise::drop : Otherwise::reject;
    }

    void firewalls() {
        for (const auto &element : set("firewall-ips").elements) {
            const auto ip = address(element);
            const auto number = element.key.size() == 3 ? port(element.key[2]) : Port{0};
            auto *draft = draftOf(element.verdict.target);
            if (!ip || number == 0 || draft == nullptr) {
                problem("map firewall-ips", fmt::format("{} leads to \"{}\", which is no service port; left out",
                                                        fmt::join(element.key, " . "), element.verdict.target));
                continue;
            }
            ServiceDrafts::frontEnd(*draft, Via::loadBalancerIP, *ip, number).firewalled = true;
            if (!draft->chains.firewall.empty()) continue;
            draft->chains.firewall = element.verdict.target;
            for (const auto &rule : chain(element.verdict.target)) {
                const auto *from = rule.match(Field::sourceAddress);
                if (rule.verdict.kind != NftVerdict::Kind::drop || from == nullptr || !from->negated) continue;
                for (const auto &value : from->values)
                    if (const auto range = IpPrefix::parse(value)) draft->plan.allowedSources.push_back(*range);
            }
        }
    }

    /// The load balancer's own addresses among the ranges: the node may talk to itself.
    FamilyRules finish() {
        auto rules = m_drafts.finish();
        for (auto &service : rules.plan.services) {
            if (service->allowedSources.size() < 2) continue;
            auto changed = std::make_shared<ServicePortPlan>(*service);
            for (const auto &front : service->frontEnds) {
                if (front.via != Via::loadBalancerIP) continue;
                const IpPrefix whole{front.ip, static_cast<std::uint8_t>(front.ip.isV4() ? 32 : 128)};
                if (std::erase(changed->allowedSources, whole) > 0) changed->allowedVips.push_back(front.ip);
            }
            service = std::move(changed);
        }
        return rules;
    }

    struct External {
        ServicePortName name;
        IpAddress ip;
        Port port;
    };

    const NftTable &m_table;
    Problems &m_problems;
    ServiceDrafts m_drafts;
    std::set<IpAddress> m_clusterIps;
    std::vector<External> m_external; ///< reached from outside, as an external IP or a load balancer's
};

} // namespace

FamilyRules readNftServices(const NftTable &table, Problems &problems) {
    return Reader(table, problems).read();
}

} // namespace natlens::proxycore::detail
