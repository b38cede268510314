// P01: a node did something else than kube-proxy would have done: the first place where observed and predicted differ.
#include "tracer/findings/helpers.h"

#include <algorithm>
#include <chrono>

namespace natlens::tracer {

namespace {

std::optional<Finding> find(const FindingInput &input);

} // namespace

const Diagnosis kP01{
    .code = "P01",
    .title = "A node did not do what kube-proxy would have done",
    .severity = Severity::warning,
    .what =
        "At the node where a Service was entered, the observed verdict, endpoint or source translation is not the "
        "one that follows from the node's rules, or the rules do not follow from cluster state; or a node behind it "
        "sends elsewhere what was for an endpoint already: the first place where they differ is named.",
    .why = "Rules that lag behind the cluster state, a kube-proxy that does not run, rules of other programs, or "
           "cluster state or rules that do not belong to the capture.",
    .field = "kube-proxy's rules on the node",
    .fix = "Compare the node's rules with `natlens rules --node NODE`, and `natlens explain` with what was seen.",
    .cost = "None.",
    .evidence = "the first packet of a connection at the node; rules that were read from it, or cluster state that has "
                "been the same for three seconds; and no other finding that explains the difference",
    .reference = "https://kubernetes.io/docs/reference/networking/virtual-ips/",
    .find = find,
};

namespace {

using proxycore::Verdict;

/// Rules follow the cluster state after a while: what any state of this time explains is no difference.
constexpr std::chrono::seconds kLag{3};

/// Rules decide about first packets only: a connection that is older than the capture says nothing about them.
bool sawItBegin(const FindingInput &input, const Hop &entry) {
    const Path &path = input.path;
    if (input.evidence == nullptr) return false;
    for (const Sight &sight : input.evidence->sights())
        if (path.protocol == Protocol::tcp && sight.host == entry.host && sight.direction == Direction::request &&
            sight.syn)
            return true;
    const auto source = entry.in ? entry.in->src : path.client.address;
    // A socket pair that was translated twice has moved from one endpoint to another: two decisions, one path.
    std::size_t begun = 0, translated = 0;
    for (const auto &tracked : input.evidence->tracked({path.protocol, source, path.requested})) {
        if (path.protocol == Protocol::tcp || tracked.host != entry.host) continue;
        ++translated;
        if (!tracked.late && tracked.time + std::chrono::seconds(1) >= path.firstSeen) ++begun;
    }
    return translated == 1 && begun == 1;
}

struct Observed {
    Verdict verdict = Verdict::notAService; ///< as if nobody knew it: passed on as it was
    std::optional<SocketAddress> endpoint;
    bool masqueraded = false;
};

std::optional<Observed> observe(const Path &path, const Hop &entry) {
    Observed observed;
    if (has(entry.nat, Nat::dnat) && entry.out) {
        observed.verdict = Verdict::forwarded;
        observed.endpoint = entry.out->dst;
        observed.masqueraded = has(entry.nat, Nat::snat);
        return observed;
    }
    if (!entry.nat.empty() || entry.inferred) return std::nullopt;
    if (path.isRequestDropped() && path.droppedAt == entry.host) {
        observed.verdict = Verdict::dropped;
        return observed;
    }
    if (path.outcome == Outcome::rejected && entry.in && !entry.out) {
        observed.verdict = Verdict::rejected;
        return observed;
    }
    if (entry.in && entry.out) return observed;
    return std::nullopt;
}

/// Who predicts: kube-proxy by the objects, or the rules that the node has.
enum class Predictor : std::uint8_t { objects, rules };

/// What differs, in words; "" when nothing does.
std::string difference(const Observed &observed, const Prediction &predicted, Predictor predictor) {
    if (predicted.verdict == Verdict::notAService) return {};
    const bool silent = observed.verdict == Verdict::dropped || observed.verdict == Verdict::rejected;
    // The kernel limits how often it rejects: a rejection may look like a drop.
    if (silent && (predicted.verdict == Verdict::rejected || predicted.verdict == observed.verdict)) return {};
    const std::string who = predictor == Predictor::rules ? "by its rules it would have " : "kube-proxy would have ";
    const auto expected = [&] {
        if (predicted.verdict == Verdict::dropped) return who + "dropped it";
        if (predicted.verdict == Verdict::rejected) return who + "rejected it";
        std::string text = who + "sent it to ";
        for (std::size_t i = 0; i < predicted.endpoints.size() && i < 4; ++i)
            text += (i == 0 ? "" : " or ") + predicted.endpoints[i].address.toString();
        return predicted.endpoints.size() > 4 ? text + " or others" : text;
    };
    if (observed.verdict != predicted.verdict) {
        const std::string did = observed.verdict == Verdict::forwarded  ? "sent it to " + observed.endpoint->toString()
                                : observed.verdict == Verdict::dropped  ? "sent nothing on"
                                : observed.verdict == Verdict::rejected ? "rejected it"
                                                                        : "passed it on untranslated";
        return did + "; " + expected();
    }
    if (observed.verdict != Verdict::forwarded) return {};
    const auto chosen = std::ranges::find(predicted.endpoints, *observed.endpoint, &Prediction::Endpoint::address);
    if (chosen == predicted.endpoints.end()) return "sent it to " + observed.endpoint->toString() + "; " + expected();
    if (!predicted.masqueradeKnown || chosen->masquerade == observed.masqueraded) return {};
    return observed.masqueraded ? "replaced the source address; " + who + "kept it"
                                : "kept the source address; " + who + "replaced it";
}

/// " (chain KUBE-SVC-...)": where in the node's rules the decision falls.
std::string placeInRules(const FindingInput &input, const Hop &entry) {
    const auto *rules = input.history->rules().of(nodeName(input, entry.host), input.path.requested.ip.family);
    if (rules == nullptr) return {};
    const proxycore::ServicePortName name{input.service->service->name, input.service->port.name, input.path.protocol};
    const auto chains =
        ruleChains(*rules, name, input.service->via, entry.in ? entry.in->src : input.path.client.address,
                   entry.out ? std::optional(entry.out->dst) : std::nullopt, has(entry.nat, Nat::snat));
    return chains.empty() ? std::string() : " (" + chains + ")";
}

/// What no state of the last seconds explains; "" when one does.
std::string differenceFromObjects(const FindingInput &input, const Hop &entry, const Observed &observed) {
    std::string differs;
    const Timestamp since = input.path.firstSeen + -std::chrono::nanoseconds(kLag);
    for (const ClusterView *view : input.history->during(since, input.path.firstSeen)) {
        const auto predicted = predictByObjects(input, entry, *view);
        if (!predicted) continue; // the node was not known yet
        // A state that did not know the Service yet explains only that nothing was done.
        if (predicted->verdict == Verdict::notAService && observed.verdict != Verdict::notAService) continue;
        differs = difference(observed, *predicted, Predictor::objects);
        if (differs.empty()) return {};
    }
    return differs;
}

/// A node behind the one where the Service was entered meets what is meant for an endpoint already: kube-proxy leaves
/// it alone.
std::optional<Finding> findBehind(const FindingInput &input, const Hop &entry) {
    for (const Hop &hop : input.path.hops) {
        if (hop.direction != Direction::request || &hop <= &entry || hop.inferred || !hop.in || !hop.out) continue;
        if (!has(hop.nat, Nat::dnat) || nodeName(input, hop.host).empty() || !sawItBegin(input, hop)) continue;
        const Timestamp since = input.path.firstSeen + -std::chrono::nanoseconds(kLag);
        const auto states = input.history->during(since, input.path.firstSeen);
        const bool leftAlone = !states.empty() && std::ranges::all_of(states, [&](const ClusterView *view) {
            const auto predicted = predictByObjects(input, hop, *view);
            return predicted && predicted->verdict == Verdict::notAService;
        });
        if (!leftAlone) continue;
        Finding result =
            finding(kP01, fmt::format("{} sent the request of {} on to {}, though it was for {} already, which is no "
                                      "address of a Service: kube-proxy would have left it alone.",
                                      hop.host, input.path.client.address.toString(), hop.out->dst.toString(),
                                      hop.in->dst.toString()));
        addEvidence(result, hop.in);
        addEvidence(result, hop.out);
        return result;
    }
    return std::nullopt;
}

std::optional<Finding> find(const FindingInput &input) {
    const Path &path = input.path;
    if (path.kind == PathKind::healthCheck || !input.history || !input.cluster || !input.service) return std::nullopt;
    const Hop *entry = entryHop(input);
    if (entry == nullptr || !sawItBegin(input, *entry)) return std::nullopt;
    const auto observed = observe(path, *entry);
    if (!observed) return std::nullopt;
    const auto byRules = predictByRules(input, *entry);
    auto differs = byRules ? difference(*observed, *byRules, Predictor::rules) : std::string();
    std::string lag;
    if (!differs.empty()) {
        differs += placeInRules(input, *entry);
        lag = " The rules that were read are not those that the packet met, or another program has a say.";
    } else {
        differs = differenceFromObjects(input, *entry, *observed);
        if (!differs.empty() && byRules)
            lag = fmt::format(" The node did what its rules say{}: it is they that differ from the cluster state.",
                              placeInRules(input, *entry));
    }
    if (differs.empty()) return findBehind(input, *entry);
    Finding result = finding(kP01, fmt::format("{} met the request of {} to {} ({}) and {}.{}", entry->host,
                                               path.client.address.toString(), path.requested.toString(),
                                               serviceInWords(input), differs, lag));
    addEvidence(result, entry->in);
    addEvidence(result, entry->out);
    return result;
}

} // namespace

} // namespace natlens::tracer
