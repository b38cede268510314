// D05: "the real address is 172.17.0.1": a userland proxy on the node.
#include "tracer/findings/proxied.h"

namespace natlens::tracer {

namespace {

std::vector<GroupFinding> judge(const RelatedPaths &group);

} // namespace

const Diagnosis kD05{
    .code = "D05",
    .title = "A userland proxy on the node answers for the container",
    .severity = Severity::warning,
    .what = "A connection ends at the node, and the node opens another one with the same request to the container.",
    .why = "docker-proxy, rootlesskit, slirp4netns and the like accept connections themselves. That is no translation: "
           "the "
           "second connection has a source address of the node, often the bridge's.",
    .field = "the container runtime's published port (userland-proxy), not a Kubernetes Service",
    .fix = "Switch the userland proxy off, or publish the port by a Service (type NodePort) instead.",
    .cost = "Without the proxy, connections from the host to its own published ports need hairpin translation.",
    .evidence = "two connections with different sequence numbers and the same request, one ending and one beginning at "
                "the node",
    .reference = "https://github.com/moby/moby/issues/15086",
    .keys = proxyKeys,
    .judge = judge,
};

namespace {

std::vector<GroupFinding> judge(const RelatedPaths &group) {
    std::vector<GroupFinding> findings;
    for (const Proxied &pair : proxiedIn(group)) {
        if (!pair.onNode) continue;
        const Path &before = *pair.before, &after = *pair.after;
        Finding result = finding(
            kD05,
            fmt::format(
                "The connection from {} to {} ends at {}. A program there opened another one from {} to {} and asked "
                "the same ({} {}): the server sees {}, the client's address is lost. This is a proxy, not NAT.",
                before.client.address.ip.toString(), before.requested.toString(), before.endpoint->host,
                after.client.address.toString(), after.requested.toString(), after.http->method, after.http->target,
                after.client.address.ip.toString()));
        for (const Path *path : {&before, &after})
            if (!path->hops.empty())
                addEvidence(result, path->hops.front().out ? path->hops.front().out : path->hops.front().in);
        findings.push_back({&before, std::move(result)});
    }
    return findings;
}

} // namespace

} // namespace natlens::tracer
