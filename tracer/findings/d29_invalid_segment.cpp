// D29: "connection reset by peer" now and then: a segment that connection tracking called invalid was not translated.
#include "tracer/findings/helpers.h"

namespace natlens::tracer {

namespace {

std::optional<Finding> find(const FindingInput &input);

} // namespace

const Diagnosis kD29{
    .code = "D29",
    .title = "A segment escapes the translation and the client resets the connection",
    .severity = Severity::warning,
    .what = "In the middle of a connection a segment reaches the client with the endpoint's address; the client "
            "answers with a reset.",
    .why = "Connection tracking calls segments outside its window invalid and does not translate them. Unless a rule "
           "drops them, they "
           "go on with the wrong address.",
    .field = "nf_conntrack_tcp_be_liberal; kube-proxy's rule that drops INVALID (iptables mode)",
    .fix =
        "Set net.netfilter.nf_conntrack_tcp_be_liberal=1 on the nodes, or drop invalid packets in the forward chain.",
    .cost = "Liberal tracking lets through what a stricter one would have caught; dropping harms asymmetrically routed "
            "traffic (D30).",
    .evidence = "translated segments of a connection, one that is not, and the reset that follows",
    .reference = "https://github.com/kubernetes/kubernetes/issues/74839",
    .find = find,
};

namespace {

std::optional<Finding> find(const FindingInput &input) {
    const Path &path = input.path;
    if (path.protocol != Protocol::tcp) return std::nullopt;
    const auto stray = strayReply(input);
    if (!stray || stray->opening) return std::nullopt;
    const Sight *translated = nullptr, *reset = nullptr;
    for (const Sight &sight : input.evidence->sights()) {
        if (sight.host != path.client.node) continue;
        if (sight.direction == Direction::reply && sight.leg == 0) translated = &sight;
        if (sight.direction == Direction::request && sight.leg == stray->sight.leg && sight.reset >= stray->sight.first)
            reset = &sight;
    }
    if (translated == nullptr || translated->first > stray->sight.first || reset == nullptr) return std::nullopt;
    const auto rise = input.facts ? input.facts->rise(stray->translator, path.firstSeen, path.lastSeen) : std::nullopt;
    Finding result = finding(
        kD29,
        fmt::format(
            "{} translated the connection of {} to {}, but one segment reached the client from {} as it was, and the "
            "client reset it.{}",
            stray->translator, path.client.address.toString(), path.requested.toString(), stray->sight.src.toString(),
            rise && rise->invalid != 0
                ? fmt::format(" Its connection tracking called {} packets invalid meanwhile.", rise->invalid)
                : ""));
    addEvidence(result, stray->sight.firstPacket);
    addEvidence(result, reset->resetPacket);
    return result;
}

} // namespace

} // namespace natlens::tracer
