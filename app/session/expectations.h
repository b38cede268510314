// What a scenario expects, and whether it was observed (docs/lab-protocol.md, "Expectations").
#pragma once

#include "app/session/session.h"

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <span>
#include <variant>

namespace natlens::session {

/// Every service path that has this client and request must fit, and there must be at least one.
/// Fields that are absent (or empty) are not compared.
struct PathExpectation {
    std::string client;    ///< IP
    std::string requested; ///< "ip:port"
    std::optional<std::string> outcome;
    std::vector<std::string> seenByEndpoint; ///< one of these IPs
    std::optional<bool> sourcePreserved;
    std::optional<std::string> snatAt, dnatAt, droppedAt; ///< hosts
};

/// Compared with the newest answer of this request. `text` must occur in the body, blanks at the ends aside.
struct AnswerExpectation {
    std::string from, to;
    std::optional<int> status;
    std::vector<std::string> clientAddress; ///< one of these
    std::optional<std::string> text;
};

/// Compared with the newest health check that ended at this host.
struct HealthCheckExpectation {
    std::string node;
    int status = 0;
};

/// The findings of all paths together: those that must be there, and those that may be there besides. No others.
struct FindingsExpectation {
    std::vector<std::string> present, allowed; ///< codes
};

struct Expectation {
    std::string text; ///< for people
    std::variant<PathExpectation, AnswerExpectation, HealthCheckExpectation, FindingsExpectation> wanted;
};

/// Reads the `expect` array of the lab's `ready` event. An entry that cannot be understood is an error: an expectation
/// that is silently ignored would always be met.
[[nodiscard]] base::Result<std::vector<Expectation>> parseExpectations(const nlohmann::json &array);

/// One comparison per expectation, in order. Paths that began before `since` are left out (an earlier run of the
/// steps).
[[nodiscard]] std::vector<Comparison> compare(std::span<const Expectation> expectations,
                                              const tracer::Snapshot &snapshot, std::span<const ClientAnswer> answers,
                                              base::Timestamp since = {});

} // namespace natlens::session
