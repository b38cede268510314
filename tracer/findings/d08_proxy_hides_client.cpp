// D08: a proxy's address in the logs, or "broken header": a proxy that does not say whom it speaks for, or says it to
// somebody who does not understand.
#include "tracer/findings/helpers.h"

#include <algorithm>

namespace natlens::tracer {

namespace {

std::optional<Finding> find(const FindingInput &input);

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
    .evidence =
        "the request to the proxy and the proxy's own with all its header fields (or the very same bytes), and the "
        "answer to it",
    .reference = "https://github.com/kubernetes/ingress-nginx/issues/1067",
    .findProxied = find,
};

namespace {

std::optional<Finding> find(const FindingInput &input) {
    const Path &path = input.path;
    const Hop *proxy = hopWith(path, Nat::proxied);
    if (proxy == nullptr || !proxy->in || !proxy->out || !nodeName(input, proxy->host).empty()) return std::nullopt;
    const bool named = std::ranges::find(proxy->evidence, EvidenceKind::proxyHeader) != proxy->evidence.end();
    const bool prefaced = path.http && path.http->proxyVersion != 0;
    const bool refused = prefaced && (path.http->status == 400 || path.outcome == Outcome::reset);
    const bool silent =
        !named && !prefaced && (!path.http || (path.http->headersSeen && path.http->forwardedFor.empty()));
    if (!refused && !silent) return std::nullopt;
    const std::string where =
        fmt::format("{} took the connection of {} and opened one of its own from {} to {}", proxy->host,
                    path.client.address.ip.toString(), proxy->out->src.ip.toString(), proxy->out->dst.toString());
    Finding result =
        refused ? finding(kD08, fmt::format("{}, beginning with a PROXY protocol header (version {}, client {}). The "
                                            "server did not understand it and {}.",
                                            where, path.http->proxyVersion, path.http->proxySource,
                                            path.http->status == 400 ? "answered 400" : "reset the connection"))
                : finding(kD08, fmt::format("{}, with neither a PROXY protocol header nor X-Forwarded-For: the server "
                                            "cannot know the client.",
                                            where));
    if (refused) result.severity = Severity::error;
    addBeginning(result, path);
    addEvidence(result, proxy->in);
    addEvidence(result, proxy->out);
    return result;
}

} // namespace

} // namespace natlens::tracer
