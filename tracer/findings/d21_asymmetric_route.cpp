// D21: works from here and not from there: the reply takes another way than the request.
#include "tracer/findings/helpers.h"

#include <algorithm>

namespace natlens::tracer {

namespace {

std::optional<Finding> find(const FindingInput &input);

} // namespace

const Diagnosis kD21{
    .code = "D21",
    .title = "The reply goes another way than the request",
    .severity = Severity::error,
    .what = "The answer reaches the client with an address that it never asked, and the client resets the connection; "
            "or a node takes the request in and throws it away, though others reach the same node.",
    .why = "A load balancer or router translated the request, but the answer is routed past it, so nobody translates "
           "it back. Or the node would answer by another interface than the one that the request came in by, and its "
           "reverse-path filter takes the source address for a forged one.",
    .field = "routes of the answering node; the load balancer's mode (source translation, direct return); sysctl "
             "net.ipv4.conf.*.rp_filter",
    .fix = "Route answers back through the host that translated, let it replace the source address too, or let it "
           "deliver without "
           "translating (direct server return).",
    .cost = "Source translation hides the client's address from the endpoint.",
    .evidence = "the translated request, and the untranslated answer at the client; or a request dropped at a node of "
                "which nothing predicts that, its rp_filter setting, and its counter IPReversePathFilter risen "
                "meanwhile",
    .reference = "https://github.com/metallb/metallb/issues/319",
    .find = find,
};

namespace {

/// Strictly (1): with 2 every route counts, by whatever interface. Of both settings the larger one is in force
/// (Documentation/networking/ip-sysctl: rp_filter). IPv6 has none.
bool filtersReversePath(const NodeFacts &facts, const std::string &interface) {
    const auto setting = [&](const std::string &name) {
        return facts.sysctl("net.ipv4.conf." + name + ".rp_filter").value_or(0);
    };
    return std::max(setting("all"), setting(interface)) == 1;
}

/// The node took the request in, and its reverse-path filter threw it away.
std::optional<Finding> findFiltered(const FindingInput &input) {
    const Path &path = input.path;
    if (!path.isRequestDropped() || input.facts == nullptr || !path.requested.ip.isV4()) return std::nullopt;
    const Hop *hop = requestHop(path, path.droppedAt);
    const NodeFacts *facts = input.facts->at(path.droppedAt, path.lastSeen);
    if (hop == nullptr || !hop->in || facts == nullptr || !filtersReversePath(*facts, hop->in->interface))
        return std::nullopt;
    // A rule that dropped it has been seen, or is to be expected.
    if (const auto traced = input.traced.find(path.droppedAt); traced != input.traced.end() && traced->second.dropped)
        return std::nullopt;
    if (input.cluster != nullptr)
        if (const auto prediction = predict(input, *hop, *input.cluster);
            prediction && prediction->verdict == proxycore::Verdict::dropped)
            return std::nullopt;
    const auto filtered = input.facts->filteredBetween(path.droppedAt, path.firstSeen, path.lastSeen);
    if (filtered.value_or(0) < path.attempts) return std::nullopt;
    Finding result = finding(
        kD21,
        fmt::format("{} dropped the request of {} to {}, which came in by {}: its reverse-path filter threw {} {} "
                    "away meanwhile. It would answer {} by another interface, so it took the address for a forged "
                    "one.",
                    path.droppedAt, path.client.address.ip.toString(), path.requested.toString(),
                    hop->in->interface.empty() ? "one interface" : hop->in->interface, *filtered,
                    *filtered == 1 ? "packet" : "packets", hop->in->src.ip.toString()));
    result.fix =
        fmt::format("Give {} a route to {} by the interface that the request comes in by, or set rp_filter to 2 "
                    "(loose) there.",
                    path.droppedAt, hop->in->src.ip.toString());
    result.cost = "With rp_filter 2 the node takes every source address that it has any route to.";
    addEvidence(result, hop->in);
    return result;
}

std::optional<Finding> find(const FindingInput &input) {
    if (auto filtered = findFiltered(input)) return filtered;
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
