#include "app/session/expectations.h"

#include <fmt/ranges.h>
#include <set>

namespace natlens::session {
namespace {

using tracer::Direction;
using tracer::Nat;
using tracer::Path;

bool oneOf(const std::vector<std::string> &allowed, const std::string &value) {
    return allowed.empty() || std::find(allowed.begin(), allowed.end(), value) != allowed.end();
}

/// Hosts whose request hop carries this translation, in order.
std::vector<std::string> translators(const Path &path, Nat nat) {
    std::vector<std::string> hosts;
    for (const tracer::Hop &hop : path.hops) {
        if (hop.direction != Direction::request) continue;
        if (std::find(hop.nat.begin(), hop.nat.end(), nat) != hop.nat.end()) hosts.push_back(hop.host);
    }
    return hosts;
}

bool translatedAt(const Path &path, Nat nat, const std::optional<std::string> &host) {
    if (!host) return true;
    const std::vector<std::string> hosts = translators(path, nat);
    return std::find(hosts.begin(), hosts.end(), *host) != hosts.end();
}

std::string seenAddress(const Path &path) {
    return path.seenByEndpoint ? path.seenByEndpoint->ip.toString() : "";
}

bool fits(const PathExpectation &wanted, const Path &path) {
    if (wanted.outcome && *wanted.outcome != tracer::toString(path.outcome)) return false;
    if (!oneOf(wanted.seenByEndpoint, seenAddress(path))) return false;
    if (wanted.sourcePreserved && path.sourcePreserved != wanted.sourcePreserved) return false;
    if (wanted.droppedAt && *wanted.droppedAt != path.droppedAt) return false;
    return translatedAt(path, Nat::snat, wanted.snatAt) && translatedAt(path, Nat::dnat, wanted.dnatAt);
}

std::string inWords(const Path &path) {
    std::string text(tracer::toString(path.outcome));
    if (!path.droppedAt.empty()) text += " at " + path.droppedAt;
    if (path.seenByEndpoint) text += ", endpoint sees " + seenAddress(path);
    for (const Nat nat : {Nat::snat, Nat::dnat}) {
        const std::vector<std::string> hosts = translators(path, nat);
        if (!hosts.empty()) text += fmt::format(", {} at {}", tracer::toString(nat), fmt::join(hosts, ", "));
    }
    return text;
}

Comparison compareOne(const PathExpectation &wanted, const tracer::Snapshot &snapshot, base::Timestamp since) {
    const Path *shown = nullptr;
    bool met = true;
    std::size_t count = 0;
    for (const auto &path : snapshot.paths) {
        if (path->kind != tracer::PathKind::service || path->firstSeen < since) continue;
        if (path->client.address.ip.toString() != wanted.client || path->requested.toString() != wanted.requested)
            continue;
        ++count;
        const bool fit = fits(wanted, *path);
        if (!shown || (met && !fit)) shown = path.get(); // the first that contradicts says most
        met = met && fit;
    }
    if (!shown)
        return {{}, fmt::format("no connection from {} to {} was seen", wanted.client, wanted.requested), false};
    std::string observed = inWords(*shown);
    if (count > 1 && met) observed += fmt::format(" ({} connections, all so)", count);
    return {{}, std::move(observed), met};
}

std::string inWords(const ClientAnswer &answer) {
    if (answer.status == 0) return answer.error.empty() ? "no answer" : answer.error;
    if (!answer.clientAddress.empty()) return fmt::format("{}, client_address={}", answer.status, answer.clientAddress);
    std::string firstLine = answer.text.substr(0, answer.text.find('\n'));
    if (firstLine.size() > 60) firstLine = firstLine.substr(0, 57) + "...";
    return firstLine.empty() ? std::to_string(answer.status) : fmt::format("{}, {}", answer.status, firstLine);
}

std::string_view trimmed(std::string_view text) {
    const auto first = text.find_first_not_of(" \t\r\n");
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

Comparison compareOne(const AnswerExpectation &wanted, std::span<const ClientAnswer> answers) {
    const auto newest = std::find_if(answers.rbegin(), answers.rend(), [&](const ClientAnswer &answer) {
        return answer.from == wanted.from && answer.to == wanted.to;
    });
    if (newest == answers.rend()) return {{}, fmt::format("{} did not ask {}", wanted.from, wanted.to), false};
    const bool met = (!wanted.status || *wanted.status == newest->status) &&
                     oneOf(wanted.clientAddress, newest->clientAddress) &&
                     (!wanted.text || newest->text.find(trimmed(*wanted.text)) != std::string::npos);
    return {{}, inWords(*newest), met};
}

Comparison compareOne(const HealthCheckExpectation &wanted, const tracer::Snapshot &snapshot, base::Timestamp since) {
    const Path *newest = nullptr;
    for (const auto &path : snapshot.paths) {
        if (path->kind != tracer::PathKind::healthCheck || path->firstSeen < since || !path->endpoint) continue;
        if (path->endpoint->host != wanted.node && path->endpoint->node != wanted.node) continue;
        // A check that was still under way when the capture ended says nothing about the answer.
        if (path->outcome == tracer::Outcome::incomplete && (!path->http || path->http->status == 0)) continue;
        if (!newest || path->firstSeen >= newest->firstSeen) newest = path.get();
    }
    if (!newest) return {{}, fmt::format("no health check of {} was seen", wanted.node), false};
    const int status = newest->http ? newest->http->status : 0;
    return {{}, status == 0 ? std::string("no answer") : std::to_string(status), status == wanted.status};
}

Comparison compareOne(const FindingsExpectation &wanted, const tracer::Snapshot &snapshot, base::Timestamp since) {
    std::set<std::string> seen;
    for (const auto &path : snapshot.paths)
        if (path->firstSeen >= since)
            for (const tracer::Finding &finding : path->findings)
                seen.insert(finding.code);
    const auto has = [](const std::vector<std::string> &codes, const std::string &code) {
        return std::find(codes.begin(), codes.end(), code) != codes.end();
    };
    bool met = true;
    for (const std::string &code : wanted.present)
        met = met && seen.contains(code);
    for (const std::string &code : seen)
        met = met && (has(wanted.present, code) || has(wanted.allowed, code));
    return {{}, seen.empty() ? std::string("no findings") : fmt::format("{}", fmt::join(seen, ", ")), met};
}

} // namespace

std::vector<Comparison> compare(std::span<const Expectation> expectations, const tracer::Snapshot &snapshot,
                                std::span<const ClientAnswer> answers, base::Timestamp since) {
    std::vector<Comparison> result;
    result.reserve(expectations.size());
    for (const Expectation &expectation : expectations) {
        Comparison comparison;
        if (const auto *path = std::get_if<PathExpectation>(&expectation.wanted)) {
            comparison = compareOne(*path, snapshot, since);
        } else if (const auto *answer = std::get_if<AnswerExpectation>(&expectation.wanted)) {
            comparison = compareOne(*answer, answers);
        } else if (const auto *findings = std::get_if<FindingsExpectation>(&expectation.wanted)) {
            comparison = compareOne(*findings, snapshot, since);
        } else {
            comparison = compareOne(std::get<HealthCheckExpectation>(expectation.wanted), snapshot, since);
        }
        comparison.expected = expectation.text;
        result.push_back(std::move(comparison));
    }
    return result;
}

} // namespace natlens::session
