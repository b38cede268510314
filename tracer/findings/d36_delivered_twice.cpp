// D36: the same packet arrives twice.
#include "tracer/findings/helpers.h"

#include <algorithm>

namespace natlens::tracer {

namespace {

std::optional<Finding> find(const FindingInput &input);

} // namespace

const Diagnosis kD36{
    .code = "D36",
    .title = "The same packet is delivered twice",
    .severity = Severity::warning,
    .what = "A packet arrives at the endpoint twice within a millisecond, with the same IP id and time to live; it "
            "left once.",
    .why = "A promiscuous bridge with hairpin ports (kubelet --hairpin-mode=promiscuous-bridge) hands packets to a pod "
           "once directly "
           "and once more through the bridge.",
    .field = "the bridge's promiscuous mode and its ports' hairpin_mode",
    .fix = "Use hairpin-veth or no promiscuous bridge, and drop the duplicates at the bridge (as kubelet's KUBE-DEDUP "
           "did).",
    .cost = "Without any hairpin mode a pod cannot reach itself through its Service (D18).",
    .evidence = "two captures of one packet at one place (no retransmission: those have another IP id), and a place "
                "before it that saw "
                "it once",
    .reference = "https://github.com/kubernetes/kubernetes/issues/25793",
    .find = find,
};

namespace {

/// What goes out of that interface is doubled as well: two captures of it were put into one.
bool isCaughtTwice(const Sight &twice, const std::vector<Sight> &sights) {
    return std::ranges::any_of(sights, [&](const Sight &sight) {
        return sight.direction != twice.direction && sight.host == twice.host && sight.interface == twice.interface &&
               sight.duplicates != 0;
    });
}

std::optional<Finding> find(const FindingInput &input) {
    if (input.evidence == nullptr || input.path.kind == PathKind::healthCheck) return std::nullopt;
    for (const Direction direction : {Direction::request, Direction::reply}) {
        const Sight *twice = nullptr, *once = nullptr;
        for (const Sight &sight : input.evidence->sights()) {
            // A capture on all interfaces sees each packet several times by itself.
            if (sight.direction != direction || sight.icmp || sight.cooked) continue;
            if (sight.duplicates != 0 && sight.facing != Sight::Facing::out && (!twice || sight.last > twice->last))
                twice = &sight;
            if (sight.duplicates == 0 && sight.packets != 0 && (!once || sight.first < once->first)) once = &sight;
        }
        // Where every place sees double, the capture does.
        if (twice == nullptr || isCaughtTwice(*twice, input.evidence->sights())) continue;
        if (once == nullptr || once->first > twice->first || once->host == twice->host) continue;
        Finding result = finding(kD36, fmt::format("{} {} of {} to {} arrived twice at {}/{}, which {} sent once.",
                                                   twice->duplicates, twice->duplicates == 1 ? "packet" : "packets",
                                                   twice->src.toString(), twice->dst.toString(), twice->host,
                                                   twice->interface, once->host));
        addEvidence(result, twice->firstPacket);
        addEvidence(result, twice->duplicatePacket);
        return result;
    }
    return std::nullopt;
}

} // namespace

} // namespace natlens::tracer
