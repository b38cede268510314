#include "tracer/path/path.h"

namespace natlens::tracer {

std::string_view toString(Direction value) {
    return value == Direction::request ? "request" : "reply";
}

std::string_view toString(PathKind value) {
    switch (value) {
    case PathKind::service: return "service";
    case PathKind::healthCheck: return "health-check";
    case PathKind::direct: return "direct";
    }
    return "direct";
}

std::string_view toString(Via value) {
    switch (value) {
    case Via::none: return "none";
    case Via::clusterIP: return "clusterIP";
    case Via::externalIP: return "externalIP";
    case Via::loadBalancerIP: return "loadBalancerIP";
    case Via::nodePort: return "nodePort";
    }
    return "none";
}

std::string_view toString(Outcome value) {
    switch (value) {
    case Outcome::delivered: return "delivered";
    case Outcome::dropped: return "dropped";
    case Outcome::rejected: return "rejected";
    case Outcome::reset: return "reset";
    case Outcome::unanswered: return "unanswered";
    case Outcome::incomplete: return "incomplete";
    }
    return "incomplete";
}

std::string_view toString(Nat value) {
    return value == Nat::snat ? "SNAT" : value == Nat::dnat ? "DNAT" : "proxied";
}

std::string_view toString(HostRole value) {
    switch (value) {
    case HostRole::unknown: return "unknown";
    case HostRole::client: return "client";
    case HostRole::loadBalancer: return "load balancer";
    case HostRole::node: return "node";
    case HostRole::pod: return "pod";
    }
    return "unknown";
}

std::string_view toString(EvidenceKind value) {
    switch (value) {
    case EvidenceKind::conntrack: return "conntrack";
    case EvidenceKind::ruleTrace: return "rule-trace";
    case EvidenceKind::tcpIsn: return "tcp-isn";
    case EvidenceKind::tcpSequence: return "tcp-sequence";
    case EvidenceKind::tcpTimestamp: return "tcp-timestamp";
    case EvidenceKind::ipId: return "ip-id";
    case EvidenceKind::payload: return "payload";
    case EvidenceKind::proxyHeader: return "proxy-header";
    case EvidenceKind::tuple: return "tuple";
    }
    return "tuple";
}

std::string_view toString(Severity value) {
    switch (value) {
    case Severity::info: return "info";
    case Severity::warning: return "warning";
    case Severity::error: return "error";
    }
    return "info";
}

} // namespace natlens::tracer
