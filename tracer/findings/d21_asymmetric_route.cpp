// D21: works from here and not from there: the reply takes another way than the request.
#include "tracer/findings/helpers.h"

namespace natlens::tracer {

namespace {

std::optional<Finding> find(const FindingInput &input);

} // namespace

const Diagnosis kD21{
    .code = "D21",
    .title = "The reply goes another way and bypasses a translation",
    .severity = Severity::error,
    .what = "The answer reaches the client with an address that it never asked; the client resets the connection.",
    .why = "A load balancer or router translated the request, but the answer is routed past it, so nobody translates "
           "it back.",
    .field = "routes of the answering node; the load balancer's mode (source translation, direct return)",
    .fix = "Route answers back through the host that translated, let it replace the source address too, or let it "
           "deliver without "
           "translating (direct server return).",
    .cost = "Source translation hides the client's address from the endpoint.",
    .evidence = "the translated request, and the untranslated answer at the client",
    .reference = "https://github.com/metallb/metallb/issues/319",
    .find = find,
};

namespace {

std::optional<Finding> find(const FindingInput &input) {
    const Path &path = input.path;
    const auto stray = strayReply(input);
    if (!stray || !stray->opening) return std::nullopt;
    // Where kube-proxy's own translation was bypassed, other findings know why.
    if (!nodeName(input, stray->translator).empty()) return std::nullopt;
    if (!input.cluster && isSwitchedPast(input, *stray)) return std::nullopt; // D19
    const Hop *hop = requestHop(path, stray->translator);
    Finding result = finding(
        kD21,
        fmt::format(
            "{} translated the request to {}, but the answer did not come back through it: it reached {} from {}.",
            stray->translator, path.requested.toString(), path.client.address.ip.toString(),
            stray->sight.src.toString()));
    if (hop != nullptr) {
        addEvidence(result, hop->in);
        addEvidence(result, hop->out);
    }
    addEvidence(result, stray->sight.firstPacket);
    return result;
}

} // namespace

} // namespace natlens::tracer
