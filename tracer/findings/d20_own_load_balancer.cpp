// D20: a node cannot reach its own load balancer: its request comes back with its own address as the source.
#include "tracer/findings/helpers.h"

#include <algorithm>

namespace natlens::tracer {

namespace {

std::optional<Finding> find(const FindingInput &input);

} // namespace

const Diagnosis kD20{
    .code = "D20",
    .title = "A request comes back to its sender through a load balancer that keeps addresses",
    .severity = Severity::error,
    .what = "A node (or pod) asks a load balancer in front of itself, is chosen as the target, and drops the request "
            "as a martian.",
    .why = "A load balancer that preserves client addresses sends the request back with the sender's own address as "
           "its source; a "
           "host accepts no packets from the network that claim to come from itself.",
    .field = "the load balancer's client address preservation; status.loadBalancer.ingress[].ipMode",
    .fix = "Switch client address preservation off, or reach the Service by its cluster IP from inside.",
    .cost = "Without preservation the endpoint sees the load balancer's address; the PROXY protocol can carry the "
            "client's.",
    .evidence = "the request leaving a host, and coming in there again with the same source address",
    .reference = "https://github.com/kubernetes/kubernetes/issues/66796",
    .find = find,
};

namespace {

std::optional<Finding> find(const FindingInput &input) {
    const Path &path = input.path;
    if (path.client.node.empty() && path.requested.ip.isNone()) return std::nullopt;
    if (path.outcome == Outcome::delivered || input.evidence == nullptr) return std::nullopt;
    if (fromPod(input)) return std::nullopt; // chosen as the endpoint itself: D18
    const Sight *out = nullptr, *back = nullptr;
    for (const Sight &sight : input.evidence->sights()) {
        if (sight.direction != Direction::request || sight.cooked || sight.src.ip != path.client.address.ip) continue;
        if (sight.facing == Sight::Facing::out && sight.leg == 0 && out == nullptr) out = &sight;
        if (out == nullptr || sight.host != out->host || sight.interface != out->interface) continue;
        if (sight.facing == Sight::Facing::in && sight.leg > 0) back = &sight;
    }
    const Host *host = out ? input.evidence->host(out->host) : nullptr;
    if (back == nullptr || host == nullptr || !std::ranges::binary_search(host->addresses, path.client.address.ip))
        return std::nullopt;
    Finding result = finding(
        kD20,
        fmt::format(
            "{} asked {}, and its own request came back to it as {} to {}: the load balancer kept the source address, "
            "and the host drops packets that claim to come from itself.",
            out->host, path.requested.toString(), back->src.toString(), back->dst.toString()));
    addEvidence(result, out->firstPacket);
    addEvidence(result, back->firstPacket);
    return result;
}

} // namespace

} // namespace natlens::tracer
