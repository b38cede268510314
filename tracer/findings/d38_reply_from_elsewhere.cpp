// D38: a UDP reply comes from another address, and the client ignores it.
#include "tracer/findings/helpers.h"
#include "tracer/path/telling.h"

#include <chrono>

namespace natlens::tracer {

namespace {

std::vector<GroupKey> keys(const FindingInput &input);
std::vector<GroupFinding> judge(const RelatedPaths &group);

} // namespace

const Diagnosis kD38{
    .code = "D38",
    .title = "A UDP answer comes from an address that was not asked",
    .severity = Severity::error,
    .what = "A datagram gets no answer, but at once another one comes back to the same socket from a different address "
            "or port.",
    .why = "A server with several addresses that does not bind its answer to the one it was asked on lets the route "
           "decide; nobody "
           "translates such an answer back, and the client does not know its sender.",
    .field = "the server's sockets (IP_PKTINFO), not Kubernetes",
    .fix = "Let the server answer from the address and port that it was asked on.",
    .cost = "None.",
    .evidence = "the unanswered request, and within two seconds a datagram from the host that took it to the client's "
                "very port",
    .reference = "https://github.com/traefik/traefik/issues/7430",
    .keys = keys,
    .judge = judge,
};

namespace {

constexpr std::chrono::seconds kSoon{2};

/// A datagram that nobody asked for. Ports may make it look like an answer whose request was not seen.
struct Unasked {
    SocketAddress from, to;
    std::string host; ///< that sent it
};

Unasked answeredTo(const Path &path) {
    if (path.hops.empty() || path.hops.front().direction == Direction::request)
        return {path.client.address, path.requested, path.client.node};
    const Hop &first = path.hops.front();
    return {path.requested, path.client.address, first.in ? std::string() : first.host};
}

std::vector<GroupKey> keys(const FindingInput &input) {
    const Path &path = input.path;
    if (path.protocol != Protocol::udp) return {};
    std::vector<GroupKey> keys;
    // A capture may end before a silence has lasted: the datagram from elsewhere came at once, and tells enough.
    const bool asked = !path.hops.empty() && path.hops.front().direction == Direction::request;
    const bool silent = asked && path.outcome != Outcome::delivered && path.outcome != Outcome::reset;
    if (silent) keys.push_back(filedUnder(path.client.address, GroupKey::Side::first));
    keys.push_back(filedUnder(answeredTo(path).to, GroupKey::Side::second));
    return keys;
}

bool visits(const Path &path, std::string_view host) {
    for (const Hop &hop : path.hops)
        if (hop.host == host) return true;
    return path.endpoint && path.endpoint->host == host;
}

std::vector<GroupFinding> judge(const RelatedPaths &group) {
    std::vector<GroupFinding> findings;
    for (const Path *asked : group.first) {
        if (isToMany(asked->requested.ip)) continue; // a group's members answer as themselves
        for (const Path *answer : group.second) {
            const Unasked unasked = answeredTo(*answer);
            if (answer == asked || unasked.to != asked->client.address || unasked.from == asked->requested) continue;
            if (answer->firstSeen < asked->firstSeen || answer->firstSeen - asked->firstSeen > kSoon) continue;
            // From the host that took the request, as far as that was captured.
            if (unasked.host.empty() || !visits(*asked, unasked.host)) continue;
            Finding result = finding(
                kD38,
                fmt::format("{} asked {} and got no answer from there, but {} sent a datagram to the same socket from "
                            "{}: the client takes no answers from an address it did not ask.",
                            asked->client.address.toString(), asked->requested.toString(), unasked.host,
                            unasked.from.toString()));
            for (const Path *path : {asked, answer})
                addBeginning(result, *path);
            findings.push_back({asked, std::move(result)});
            break;
        }
    }
    return findings;
}

} // namespace

} // namespace natlens::tracer
