// D18: a pod cannot reach itself through its own Service.
#include "tracer/findings/helpers.h"

#include <algorithm>

namespace natlens::tracer {

namespace {

std::optional<Finding> find(const FindingInput &input);

} // namespace

const Diagnosis kD18{
    .code = "D18",
    .title = "A pod does not reach itself through its Service",
    .severity = Severity::error,
    .what = "A pod asks its own Service, is chosen as the endpoint, and gets no answer.",
    .why = "The request must come back to the pod it came from with another source address (masquerade), and the "
           "bridge must let a "
           "packet leave by the port that it came in by (hairpin mode).",
    .field = "kube-proxy's masquerade of hairpin connections; hairpin_mode of the pod's bridge port (kubelet "
             "--hairpin-mode)",
    .fix = "Switch hairpin_mode on for the pods' ports, or see why the masquerade rule is missing.",
    .cost = "A promiscuous bridge with hairpin ports may deliver packets twice (D36).",
    .evidence = "the pod's request and the same request sent on to the pod itself, without an answer",
    .reference = "https://github.com/kubernetes/kubernetes/issues/20475",
    .find = find,
};

namespace {

std::optional<Finding> find(const FindingInput &input) {
    const Path &path = input.path;
    const auto to = lastDestination(path);
    if (!to || to->ip != path.client.address.ip || path.client.address.ip == path.requested.ip) return std::nullopt;
    if (path.outcome != Outcome::unanswered && path.outcome != Outcome::dropped) return std::nullopt;
    if (input.evidence == nullptr || (input.cluster && !fromPod(input))) return std::nullopt;
    const Sight *sent = nullptr, *back = nullptr;
    for (const Sight &sight : input.evidence->sights()) {
        if (sight.direction != Direction::request || sight.leg == 0) continue;
        if (sight.host == path.client.node && sight.facing != Sight::Facing::out) back = &sight;
        if (sight.host != path.client.node && sight.facing != Sight::Facing::in) sent = &sight;
    }
    const Hop *hop = hopWith(path, Nat::dnat);
    std::string what;
    if (back != nullptr && back->src.ip == to->ip)
        what = fmt::format(
            "came back to the pod with its own address {} as the source: it was not masqueraded, and the pod throws "
            "away what claims to come from itself",
            back->src.ip.toString());
    else if (back == nullptr && sent != nullptr)
        what = fmt::format(
            "was sent on to the pod's own bridge port by {} and did not arrive: the port does not let packets out "
            "that came in by it (hairpin_mode is off)",
            sent->host);
    else
        return std::nullopt;
    Finding result = finding(kD18, fmt::format("{} asked {} and was chosen as the endpoint itself. The request {}.",
                                               path.client.address.ip.toString(), path.requested.toString(), what));
    if (hop != nullptr) addEvidence(result, hop->in);
    if (back != nullptr) addEvidence(result, back->firstPacket);
    if (sent != nullptr) addEvidence(result, sent->firstPacket);
    return result;
}

} // namespace

} // namespace natlens::tracer
