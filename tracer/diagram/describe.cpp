// Paths in words. Text reports, tooltips and screen readers all use these sentences, so that they say the same.
#include "tracer/diagram/diagram.h"
#include "tracer/diagram/route.h"
#include "tracer/path/telling.h"

#include <algorithm>
#include <cmath>
#include <fmt/core.h>

namespace natlens::diagram {

using tracer::Direction;
using tracer::Hop;
using tracer::HopEnd;
using tracer::HostRole;
using tracer::Outcome;
using tracer::Path;
using tracer::PathKind;

namespace {

std::string_view words(tracer::EvidenceKind kind) {
    switch (kind) {
    case tracer::EvidenceKind::conntrack: return "conntrack";
    case tracer::EvidenceKind::ruleTrace: return "rule trace";
    case tracer::EvidenceKind::tcpIsn: return "TCP initial sequence number";
    case tracer::EvidenceKind::tcpSequence: return "TCP sequence numbers";
    case tracer::EvidenceKind::tcpTimestamp: return "TCP timestamps";
    case tracer::EvidenceKind::ipId: return "IP identification";
    case tracer::EvidenceKind::payload: return "payload";
    case tracer::EvidenceKind::proxyHeader: return "what the proxy says of its client";
    case tracer::EvidenceKind::tuple: return "unchanged addresses";
    }
    return "";
}

std::string_view words(tracer::Via via) {
    switch (via) {
    case tracer::Via::none: return "";
    case tracer::Via::clusterIP: return "cluster IP";
    case tracer::Via::externalIP: return "external IP";
    case tracer::Via::loadBalancerIP: return "load balancer IP";
    case tracer::Via::nodePort: return "node port";
    }
    return "";
}

std::string percent(double confidence) {
    return fmt::format("{} %", static_cast<int>(std::floor(std::clamp(confidence, 0.0, 1.0) * 100 + 1e-9)));
}

std::string nameOr(const std::string &name, std::string_view otherwise) {
    return name.empty() ? std::string(otherwise) : name;
}

/// "replaces the source A by B (SNAT) and the destination C by D (DNAT)". On the reply's way the same translation is
/// undone: what SNAT did to the source is undone at the destination.
std::string translation(const HopEnd &in, const HopEnd &out, Direction direction, bool proxied) {
    const bool reply = direction == Direction::reply;
    std::string text;
    if (proxied)
        return reply ? fmt::format("passes the answer on to {}", inWords(out.dst))
                     : fmt::format("answers as {} itself and asks {} in its own name, as {} (a proxy, not NAT)",
                                   inWords(in.dst), inWords(out.dst), inWords(out.src));
    if (in.src != out.src)
        text = fmt::format("{} the source {} by {} ({})", reply ? "restores" : "replaces", inWords(in.src),
                           inWords(out.src), reply ? "undoes DNAT" : "SNAT");
    if (in.dst != out.dst)
        text += fmt::format("{}the destination {} by {} ({})",
                            !text.empty() ? " and "
                            : reply       ? "restores "
                                          : "replaces ",
                            inWords(in.dst), inWords(out.dst), reply ? "undoes SNAT" : "DNAT");
    return text;
}

std::string evidenceOf(const Hop &hop) {
    if (hop.evidence.empty()) return {};
    std::string kinds;
    for (const auto kind : hop.evidence)
        kinds += (kinds.empty() ? "" : ", ") + std::string(words(kind));
    return fmt::format(" Evidence: {}; confidence {}.", kinds, percent(hop.confidence));
}

/// " It came in a VXLAN tunnel (network 42) from A to B. It left in ..."
std::string tunnels(const Hop &hop) {
    const auto sentence = [](const char *verb, const std::optional<HopEnd> &end) {
        return end && end->encapsulation ? fmt::format(" It {} in {}.", verb, describe(*end->encapsulation))
                                         : std::string();
    };
    return sentence("came", hop.in) + sentence("left", hop.out);
}

std::string drops(const Hop &hop) {
    if (hop.captureDrops == 0) return {};
    return fmt::format(" The captures at {} lost {} {} meanwhile.", hop.host, hop.captureDrops,
                       hop.captureDrops == 1 ? "packet" : "packets");
}

std::string outcomeSentence(const Path &path) {
    const auto where = nameOr(path.droppedAt, "an unknown host");
    switch (path.outcome) {
    case Outcome::delivered:
        if (!path.endpoint) return "Delivered.";
        return fmt::format("Delivered to {}{}.", path.endpoint->address.toString(),
                           path.endpoint->pod.empty() ? ""
                                                      : fmt::format(" (pod {} on {})", path.endpoint->pod,
                                                                    nameOr(path.endpoint->node, "an unknown node")));
    case Outcome::dropped:
        return path.isRequestDropped()
                   ? fmt::format("Dropped at {}: the packet went in and did not come out.", where)
                   : fmt::format("The answer was dropped at {}: it went in and did not come out.", where);
    case Outcome::rejected: return fmt::format("Rejected{}.", path.droppedAt.empty() ? "" : " at " + path.droppedAt);
    case Outcome::reset: return "The connection was reset.";
    case Outcome::unanswered:
        return tracer::hasHops(path, Direction::reply) ? "The client did not get the answer." : "Nobody answered.";
    case Outcome::incomplete: return "The captures do not show how it ended.";
    }
    return {};
}

std::string headline(const Path &path) {
    const auto who =
        fmt::format("{}{}", path.client.node.empty() ? "" : path.client.node + " ", inWords(path.client.address));
    const auto from = who.empty() ? std::string("An unknown client") : who;
    if (path.kind == PathKind::healthCheck)
        return fmt::format("{}: {} checks the health of {}.", path.id, from, inWords(path.requested));
    std::string text =
        fmt::format("{}: {} asks {} ({}", path.id, from, inWords(path.requested), packet::toString(path.protocol));
    if (path.service) {
        const auto via = words(path.service->via);
        text += fmt::format(", {}{}{}", describe(*path.service), via.empty() ? "" : " ", via);
    } else if (path.kind == PathKind::direct) {
        text += ", no service";
    }
    return text + ").";
}

} // namespace

std::string describe(const tracer::Encapsulation &tunnel) {
    std::string id;
    if (tunnel.id)
        id = fmt::format(" ({} {})",
                         tunnel.type == "GRE"      ? "key"
                         : tunnel.type == "ERSPAN" ? "session"
                                                   : "network",
                         *tunnel.id);
    return fmt::format("a {} tunnel{} from {} to {}", tunnel.type, id, tunnel.src.toString(), tunnel.dst.toString());
}

std::string describe(const tracer::ServiceRef &service) {
    if (service.name.empty()) return "a Service";
    return service.nameSpace.empty() ? service.name : service.nameSpace + "/" + service.name;
}

std::string describe(const Hop &hop) {
    const auto host = nameOr(hop.host, "An unseen host");
    const auto what = hop.direction == Direction::request ? "the request" : "the reply";
    std::string text;
    if (hop.in && hop.out) {
        const auto changed =
            translation(*hop.in, *hop.out, hop.direction, hop.nat == std::vector{tracer::Nat::proxied});
        text = changed.empty() ? fmt::format("{} passes {} on unchanged: {} to {}", host, what, inWords(hop.out->src),
                                             inWords(hop.out->dst))
                               : fmt::format("{} {}", host, changed);
    } else if (hop.in) {
        text = fmt::format("{} receives {}: {} to {}", host, what, inWords(hop.in->src), inWords(hop.in->dst));
    } else if (hop.out) {
        text = fmt::format("{} sends {}: {} to {}", host, what, inWords(hop.out->src), inWords(hop.out->dst));
    } else {
        text = fmt::format("{} must have passed {} on", host, what);
    }
    if (!hop.rule.empty()) text += ": " + hop.rule;
    text += '.';
    if (!hop.ruleField.empty()) text += fmt::format(" Decided by {}.", hop.ruleField);
    if (hop.inferred) text += " Concluded from its neighbours; nothing was captured there.";
    return text + tunnels(hop) + evidenceOf(hop) + drops(hop);
}

std::string describeOutcome(const Path &path) {
    const bool answer = path.outcome == Outcome::dropped && !path.isRequestDropped();
    return fmt::format("{}{}{}", answer ? "answer " : "", tracer::toString(path.outcome),
                       path.droppedAt.empty() ? "" : " at " + path.droppedAt);
}

std::string describe(const Path &path) {
    std::string text = headline(path) + "\n" + outcomeSentence(path) + "\n";
    for (const auto &hop : path.hops)
        text += describe(hop) + "\n";
    if (path.seenByEndpoint)
        text += fmt::format("The endpoint sees {}{}.\n", path.seenByEndpoint->toString(),
                            !path.sourcePreserved   ? ""
                            : *path.sourcePreserved ? ", the client's own address"
                                                    : ", not the client's address");
    if (path.http) {
        const auto request = path.http->method.empty()
                                 ? std::string("HTTP")
                                 : fmt::format("HTTP {} {}", path.http->method, path.http->target);
        text += path.http->status == 0 ? fmt::format("{}: no response was seen.\n", request)
                                       : fmt::format("{}: answered {}.\n", request, path.http->status);
    }
    if (path.attempts > 1) text += fmt::format("The client tried {} times.\n", path.attempts);
    for (const auto &note : path.notes)
        text += fmt::format("Note: {}.\n", note);
    for (const auto &finding : path.findings) {
        text += fmt::format("{}: {}\n", finding.code, finding.text);
        if (!finding.fix.empty()) text += fmt::format("What helps: {}\n", finding.fix);
        if (!finding.cost.empty()) text += fmt::format("What that costs: {}\n", finding.cost);
    }
    return text;
}

} // namespace natlens::diagram
