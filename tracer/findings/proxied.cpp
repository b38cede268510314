#include "tracer/findings/proxied.h"

#include "capture/base/hash.h"

#include <algorithm>

namespace natlens::tracer {

namespace {

std::uint64_t hash(std::string_view text, std::uint64_t seed) {
    return base::hashBytes(std::as_bytes(std::span(text)), seed);
}

} // namespace

std::vector<GroupKey> proxyKeys(const FindingInput &input) {
    const Path &path = input.path;
    if (path.kind == PathKind::healthCheck || !path.http || path.http->method.empty()) return {};
    // The same words: method, target and the host that the client meant.
    const auto asked = hash(path.http->host, hash(path.http->target, hash(path.http->method, 0x9e37)));
    std::vector<GroupKey> keys;
    if (path.endpoint && !path.endpoint->host.empty())
        keys.push_back({hash(path.endpoint->host, asked), GroupKey::Side::first});
    if (!path.client.node.empty()) keys.push_back({hash(path.client.node, asked), GroupKey::Side::second});
    return keys;
}

std::vector<Proxied> proxiedIn(const RelatedPaths &group) {
    std::vector<Proxied> found;
    for (const Path *before : group.first) {
        for (const Path *after : group.second) {
            if (before == after || after->client.node != before->endpoint->host) continue;
            // Opened while the client waited; what the client's address was is not the proxy's.
            if (after->firstSeen < before->firstSeen || after->firstSeen > before->lastSeen) continue;
            if (after->client.address.ip == before->client.address.ip) continue;
            // A client that asks the same thing through a Service of its own node is no proxy.
            const ClusterView *view = group.history ? group.history->at(before->firstSeen) : nullptr;
            found.push_back({before, after, view != nullptr && view->hasNode(before->endpoint->host)});
            break;
        }
    }
    return found;
}

} // namespace natlens::tracer
