#include "app/session/expectations.h"

#include <nlohmann/json.hpp>

namespace natlens::session {
namespace {

using nlohmann::json;

template<class T>
std::optional<T> optionalField(const json &object, const char *key) {
    const auto found = object.find(key);
    if (found == object.end() || found->is_null()) return std::nullopt;
    return found->get<T>();
}

/// A string or an array of strings of which one must match.
std::vector<std::string> alternatives(const json &object, const char *key) {
    const auto found = object.find(key);
    if (found == object.end() || found->is_null()) return {};
    if (found->is_string()) return {found->get<std::string>()};
    return found->get<std::vector<std::string>>();
}

/// A misspelt key must not turn into an expectation that is always met.
void onlyKeys(const json &object, std::initializer_list<std::string_view> known) {
    for (const auto &[key, value] : object.items()) {
        if (std::find(known.begin(), known.end(), std::string_view(key)) == known.end())
            throw std::invalid_argument("unknown field \"" + key + "\"");
    }
}

Expectation parseOne(const json &entry) {
    Expectation expectation{entry.at("text").get<std::string>(), {}};
    onlyKeys(entry, {"text", "path", "answer", "healthCheck", "findings"});
    if (entry.size() != 2)
        throw std::invalid_argument("needs one of \"path\", \"answer\", \"healthCheck\", \"findings\"");
    if (entry.contains("path")) {
        const json &path = entry["path"];
        onlyKeys(path, {"client", "requested", "outcome", "seenByEndpoint", "sourcePreserved", "snatAt", "dnatAt",
                        "droppedAt"});
        expectation.wanted = PathExpectation{
            path.at("client").get<std::string>(),         path.at("requested").get<std::string>(),
            optionalField<std::string>(path, "outcome"),  alternatives(path, "seenByEndpoint"),
            optionalField<bool>(path, "sourcePreserved"), optionalField<std::string>(path, "snatAt"),
            optionalField<std::string>(path, "dnatAt"),   optionalField<std::string>(path, "droppedAt")};
    } else if (entry.contains("answer")) {
        const json &answer = entry["answer"];
        onlyKeys(answer, {"from", "to", "status", "clientAddress", "text"});
        expectation.wanted =
            AnswerExpectation{answer.at("from").get<std::string>(), answer.at("to").get<std::string>(),
                              optionalField<int>(answer, "status"), alternatives(answer, "clientAddress"),
                              optionalField<std::string>(answer, "text")};
    } else if (entry.contains("findings")) {
        const json &findings = entry["findings"];
        onlyKeys(findings, {"present", "allowed"});
        expectation.wanted = FindingsExpectation{alternatives(findings, "present"), alternatives(findings, "allowed")};
    } else {
        const json &check = entry.at("healthCheck");
        onlyKeys(check, {"node", "status"});
        expectation.wanted = HealthCheckExpectation{check.at("node").get<std::string>(), check.at("status").get<int>()};
    }
    return expectation;
}

} // namespace

base::Result<std::vector<Expectation>> parseExpectations(const json &array) {
    std::vector<Expectation> result;
    if (!array.is_array()) return base::fail(base::ErrorCode::invalidInput, "must be an array", "scenario", "/expect");
    for (std::size_t i = 0; i < array.size(); ++i) {
        try {
            result.push_back(parseOne(array[i]));
        } catch (const std::exception &error) {
            return base::fail(base::ErrorCode::invalidInput, error.what(), "scenario", fmt::format("/expect/{}", i));
        }
    }
    return result;
}

} // namespace natlens::session
