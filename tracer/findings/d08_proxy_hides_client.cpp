// D08: a proxy's address in the logs, or "broken header": a proxy that does not say whom it speaks for, or says it to
// somebody who does not understand.
#include "tracer/findings/proxied.h"

namespace natlens::tracer {

namespace {

std::vector<GroupFinding> judge(const RelatedPaths &group);

} // namespace

const Diagnosis kD08{
    .code = "D08",
    .title = "A proxy in front of the Service hides the client, or speaks PROXY protocol to a server that does not",
    .severity = Severity::warning,
    .what = "A proxy opens a connection of its own. It either says nothing about the client, or begins with a PROXY "
            "protocol header "
            "that the server takes for a bad request.",
    .why = "A proxy works above TCP: only X-Forwarded-For or the PROXY protocol can carry the client's address, and "
           "both sides must "
           "be configured for it.",
    .field = "the proxy's and the server's settings (for example use-proxy-protocol, use-forwarded-headers), not "
             "kube-proxy's",
    .fix = "Make both sides agree: PROXY protocol on both or on neither; for HTTP let the proxy send X-Forwarded-For.",
    .cost = "A server that expects the PROXY protocol refuses clients that come without it, health checks included.",
    .evidence = "the request to the proxy and the proxy's own request with all its header fields, and the answer to it",
    .reference = "https://github.com/kubernetes/ingress-nginx/issues/1067",
    .keys = proxyKeys,
    .judge = judge,
};

namespace {

std::vector<GroupFinding> judge(const RelatedPaths &group) {
    std::vector<GroupFinding> findings;
    for (const Proxied &pair : proxiedIn(group)) {
        if (pair.onNode) continue;
        const Path &before = *pair.before, &after = *pair.after;
        const bool refused =
            after.http->proxyVersion != 0 && (after.http->status == 400 || after.outcome == Outcome::reset);
        const bool silent =
            after.http->proxyVersion == 0 && after.http->headersSeen && after.http->forwardedFor.empty();
        if (!refused && !silent) continue;
        const std::string where = fmt::format(
            "{} took the request of {} and opened a connection of its own from {} to {}", before.endpoint->host,
            before.client.address.ip.toString(), after.client.address.ip.toString(), after.requested.toString());
        Finding result =
            refused
                ? finding(kD08,
                          fmt::format("{}, beginning with a PROXY protocol header (version {}, client {}). The server "
                                      "did not understand it and {}.",
                                      where, after.http->proxyVersion, after.http->proxySource,
                                      after.http->status == 400 ? "answered 400" : "reset the connection"))
                : finding(kD08,
                          fmt::format("{}, with neither a PROXY protocol header nor X-Forwarded-For: the server cannot "
                                      "know the client.",
                                      where));
        if (refused) result.severity = Severity::error;
        for (const Path *path : {&before, &after})
            if (!path->hops.empty())
                addEvidence(result, path->hops.front().out ? path->hops.front().out : path->hops.front().in);
        findings.push_back({&before, std::move(result)});
    }
    return findings;
}

} // namespace

} // namespace natlens::tracer
