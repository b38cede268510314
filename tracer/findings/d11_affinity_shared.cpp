// D11: sessionAffinity ClientIP sends everybody to one endpoint: the client addresses were replaced before.
#include "tracer/findings/helpers.h"

#include <map>
#include <set>

namespace natlens::tracer {

namespace {

std::vector<GroupKey> keys(const FindingInput &input);
std::vector<GroupFinding> judge(const RelatedPaths &group);

} // namespace

const Diagnosis kD11{
    .code = "D11",
    .title = "Session affinity by an address that many clients share",
    .severity = Severity::warning,
    .what = "Several clients of a Service with sessionAffinity ClientIP all reach the same endpoint.",
    .why = "The affinity key is the source address that reaches the node. A load balancer or proxy that replaces it "
           "gives all its "
           "clients one key.",
    .field = "spec.sessionAffinity: ClientIP",
    .fix = "Let the load balancer keep the client's address, or do session affinity there (by cookie) and switch it "
           "off here.",
    .cost = "Kept addresses need a way back through the load balancer or direct return.",
    .evidence = "at least two clients whose addresses had become one before the node that chose, all with one endpoint "
                "of several",
    .reference = "https://github.com/kubernetes/kubernetes/issues/43958",
    .keys = keys,
    .judge = judge,
};

namespace {

const Hop *chooser(const Path &path) {
    for (const Hop &hop : path.hops)
        if (hop.direction == Direction::request && has(hop.nat, Nat::dnat) && hop.in && path.endpoint && hop.out &&
            hop.out->dst == path.endpoint->address)
            return &hop;
    return nullptr;
}

std::vector<GroupKey> keys(const FindingInput &input) {
    const Path &path = input.path;
    // A load balancer that targets node ports hides which Service address was asked; the node's own is what counts.
    const Hop *hop = chooser(path);
    if (hop == nullptr || hop->in->src.ip == path.client.address.ip || !input.cluster) return {};
    const auto match = input.cluster->service(path.protocol, hop->in->dst);
    if (!match || !match->service->clientIpAffinity || input.cluster->endpoints(*match, "").ready < 2) return {};
    return {filedUnder(match->servicePort(), GroupKey::Side::first)};
}

std::vector<GroupFinding> judge(const RelatedPaths &group) {
    std::map<IpAddress, std::vector<const Path *>> bySeen;
    for (const Path *path : group.first)
        bySeen[chooser(*path)->in->src.ip].push_back(path);
    std::vector<GroupFinding> findings;
    for (const auto &[seen, paths] : bySeen) {
        std::set<IpAddress> clients, endpoints;
        for (const Path *path : paths) {
            clients.insert(path->client.address.ip);
            endpoints.insert(path->endpoint->address.ip);
        }
        if (clients.size() < 2 || endpoints.size() != 1) continue;
        Finding result = finding(
            kD11,
            fmt::format(
                "{} clients all reached {} as {}: their addresses had been replaced by that one before {} chose an "
                "endpoint, and with sessionAffinity ClientIP one address means one endpoint.",
                clients.size(), endpoints.begin()->toString(), seen.toString(), chooser(*paths.front())->host));
        for (const Path *path : paths)
            addEvidence(result, chooser(*path)->in);
        findings.push_back({paths.front(), std::move(result)});
    }
    return findings;
}

} // namespace

} // namespace natlens::tracer
