// Any bytes as a listing of rules (iptables-save, nft as JSON, nft as text), through the reader to the plan, some
// decisions, cluster state and back. Problems are one line each; what is read can be written and read again.
#include "proxycore/engine/decision.h"
#include "proxycore/model/kubernetes_json.h"
#include "proxycore/rules/rules_state.h"
#include "require.h"

#include <algorithm>
#include <vector>

using namespace natlens;
using namespace natlens::proxycore;

namespace {

void checkFamily(const FamilyRules &rules, std::uint8_t choice) {
    const auto &services = rules.plan.services;
    REQUIRE(std::ranges::is_sorted(services, {}, [](const auto &service) -> const auto & { return service->name; }));
    REQUIRE(rules.chains.size() == services.size());
    const bool six = rules.plan.family == IpFamily::v6;
    auto plan = rules.plan;
    plan.localAddresses.push_back(six ? *IpAddress::parse("fd00::1") : IpAddress::v4(10, 0, 0, 1));
    std::ranges::sort(plan.localAddresses);
    const FrontEndIndex index(plan);
    std::size_t asked = 0;
    for (const auto &service : services)
        for (const auto &front : service->frontEnds) {
            if (++asked > 16) return;
            packet::SocketAddress to{front.via == Via::nodePort ? plan.localAddresses.front() : front.ip, front.port};
            packet::SocketAddress from{six ? *IpAddress::parse("fd00::77") : IpAddress::v4(203, 0, 113, choice), 4000};
            if (choice % 3 == 0 && !service->reachable.empty()) from.ip = service->reachable.front().address.ip;
            const auto decision =
                decide(index, {.protocol = service->name.protocol, .source = from, .destination = to});
            REQUIRE((decision.verdict == Verdict::forwarded) == !decision.endpoints.empty());
            for (const bool local : {false, true})
                for (const auto &chain : chainsTo(rules, *service, front.via, local, to))
                    REQUIRE(!chain.empty());
            (void)refusalOf(rules, *service, front.via);
        }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
    // A copy of exactly its size, so that a sanitizer sees every read outside.
    const std::vector<char> copy(data, data + size);
    const std::string_view text(copy.data(), copy.size());
    const auto rules = readNodeRules(text, "input");
    REQUIRE(rules.has_value() == (rulesFormatOf(text) != RulesFormat::none));
    if (!rules) return 0;
    for (const auto &problem : rules->problems)
        REQUIRE(problem.toString().find('\n') == std::string::npos);
    const std::uint8_t choice = size == 0 ? std::uint8_t{0} : data[size / 2];
    for (const auto family : {IpFamily::v4, IpFamily::v6})
        if (const auto *found = rules->of(family)) checkFamily(*found, choice);
    (void)proxyConfigOf(*rules);

    const std::vector<RulesOfNode> nodes{{"node1", &*rules}, {"", &*rules}};
    const auto state = clusterStateOf(nodes);
    const auto again = readClusterState(toJson(state), "written");
    REQUIRE(again && again->services.size() == state.services.size());
    auto twice = *again;
    REQUIRE(addMissing(twice, state).empty());
    auto merged = *rules;
    merge(merged, *rules);
    REQUIRE(merged.v4.has_value() == rules->v4.has_value() && merged.v6.has_value() == rules->v6.has_value());
    return 0;
}
