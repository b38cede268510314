// D05: "the real address is 172.17.0.1": a userland proxy on the node.
#include "tracer/findings/helpers.h"

namespace natlens::tracer {

namespace {

std::optional<Finding> find(const FindingInput &input);

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
    .evidence = "two connections with different sequence numbers and the same bytes, one ending and one beginning at "
                "the node",
    .reference = "https://github.com/moby/moby/issues/15086",
    .findProxied = find,
};

namespace {

std::optional<Finding> find(const FindingInput &input) {
    const Path &path = input.path;
    const Hop *proxy = hopWith(path, Nat::proxied);
    if (proxy == nullptr || !proxy->in || !proxy->out || nodeName(input, proxy->host).empty()) return std::nullopt;
    const std::string asked =
        path.http ? fmt::format("asked the same ({} {})", path.http->method, path.http->target) : "passed its bytes on";
    Finding result = finding(
        kD05,
        fmt::format("The connection from {} to {} ends at {}. A program there opened another one from {} to {} and {}: "
                    "the server sees {}, the client's address is lost. This is a proxy, not NAT.",
                    path.client.address.ip.toString(), proxy->in->dst.toString(), proxy->host,
                    proxy->out->src.toString(), proxy->out->dst.toString(), asked, proxy->out->src.ip.toString()));
    addBeginning(result, path);
    addEvidence(result, proxy->in);
    addEvidence(result, proxy->out);
    return result;
}

} // namespace

} // namespace natlens::tracer
