#include "app/lab/scenario.h"

#include "proxycore/model/kubernetes_json.h"

#include <cerrno>
#include <fmt/format.h>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

namespace natlens::lab {
namespace {

using nlohmann::json;

/// A field that is missing or of the wrong kind; turned into an Error in readScenario().
struct BadField {
    std::string pointer, text;
};

const json &field(const json &object, const std::string &at, const char *key, json::value_t type) {
    static const json nothing;
    const auto found = object.find(key);
    if (found == object.end()) return nothing;
    const bool number = type == json::value_t::number_unsigned && found->is_number_unsigned();
    if (!number && found->type() != type)
        throw BadField{at + "/" + key, fmt::format("must not be a {}", found->type_name())};
    return *found;
}

std::string text(const json &object, const std::string &at, const char *key, std::string otherwise = {}) {
    const json &value = field(object, at, key, json::value_t::string);
    return value.is_null() ? otherwise : value.get<std::string>();
}

std::string requiredText(const json &object, const std::string &at, const char *key) {
    auto value = text(object, at, key);
    if (value.empty()) throw BadField{at + "/" + key, "is missing"};
    return value;
}

unsigned number(const json &object, const std::string &at, const char *key, unsigned otherwise) {
    const json &value = field(object, at, key, json::value_t::number_unsigned);
    if (value.is_null()) return otherwise;
    if (value.get<std::uint64_t>() > 3'600'000) throw BadField{at + "/" + key, "is too large"};
    return value.get<unsigned>();
}

std::vector<std::string> texts(const json &object, const std::string &at, const char *key) {
    std::vector<std::string> result;
    for (const auto &item : field(object, at, key, json::value_t::array)) {
        if (!item.is_string()) throw BadField{at + "/" + key, "must hold strings only"};
        result.push_back(item.get<std::string>());
    }
    return result;
}

packet::IpAddress address(const json &object, const std::string &at, const char *key) {
    const auto value = requiredText(object, at, key);
    const auto parsed = packet::IpAddress::parse(value);
    if (!parsed || !parsed->isV4()) throw BadField{at + "/" + key, fmt::format("\"{}\" is not an IPv4 address", value)};
    return *parsed;
}

/// One row per thing a step can do.
constexpr std::pair<std::string_view, Step::Kind> kStepKinds[] = {
    {"request", Step::Kind::request},           {"annotate", Step::Kind::annotate},
    {"set-policy", Step::Kind::setPolicy},      {"wait-rotation", Step::Kind::waitRotation},
    {"move-pod", Step::Kind::movePod},          {"scale", Step::Kind::scale},
    {"pause", Step::Kind::pause},
};

Step readStep(const json &object, const std::string &at) {
    if (!object.is_object()) throw BadField{at, "must be an object"};
    Step step;
    const auto kind = requiredText(object, at, "do");
    const auto *row = std::ranges::find(kStepKinds, kind, &std::pair<std::string_view, Step::Kind>::first);
    if (row == std::end(kStepKinds)) throw BadField{at + "/do", fmt::format("\"{}\" is not a step", kind)};
    step.kind = row->second;
    step.like = text(object, at, "like");
    step.from = text(object, at, "from");
    step.urls = texts(object, at, "urls");
    if (const auto url = text(object, at, "url"); !url.empty()) step.urls.push_back(url);
    const json &together = field(object, at, "together", json::value_t::boolean);
    step.together = together.is_boolean() && together.get<bool>();
    step.connectTimeout = milliseconds(number(object, at, "connectTimeoutMs", 2000));
    step.service = text(object, at, "service");
    step.key = text(object, at, "annotation");
    step.value = text(object, at, step.kind == Step::Kind::setPolicy ? "policy" : "value");
    step.nodes = texts(object, at, "nodes");
    step.pod = text(object, at, "pod");
    step.node = text(object, at, "node");
    step.replicas = number(object, at, "replicas", 1);
    step.duration = milliseconds(number(object, at, "durationMs", 0));
    if (step.kind == Step::Kind::request && (step.from.empty() || step.urls.empty()))
        throw BadField{at, "a request needs \"from\" and \"url\" or \"urls\""};
    return step;
}

LoadBalancerSpec readLoadBalancer(const json &object, const std::string &at) {
    LoadBalancerSpec spec;
    spec.name = text(object, at, "name", spec.name);
    spec.address = address(object, at, "address");
    spec.interval = milliseconds(std::max(10u, number(object, at, "intervalMs", 150)));
    spec.timeout = milliseconds(std::max(10u, number(object, at, "timeoutMs", 100)));
    spec.healthyAfter = std::max(1u, number(object, at, "healthyAfter", 1));
    spec.unhealthyAfter = std::max(1u, number(object, at, "unhealthyAfter", 3));
    return spec;
}

Scenario readFields(const json &object) {
    if (!object.is_object()) throw BadField{"/", "a scenario must be an object"};
    Scenario scenario;
    scenario.name = requiredText(object, "", "name");
    scenario.title = text(object, "", "title", scenario.name);
    scenario.summary = text(object, "", "summary");
    scenario.profile = text(object, "", "profile", scenario.profile);
    std::size_t index = 0;
    for (const auto &host : field(object, "", "outside", json::value_t::array)) {
        const auto at = fmt::format("/outside/{}", index++);
        if (!host.is_object()) throw BadField{at, "must be an object"};
        scenario.outside.push_back({requiredText(host, at, "name"), address(host, at, "address")});
    }
    if (const json &lb = field(object, "", "loadBalancer", json::value_t::object); lb.is_object())
        scenario.loadBalancer = readLoadBalancer(lb, "/loadBalancer");
    index = 0;
    for (const auto &step : field(object, "", "steps", json::value_t::array))
        scenario.steps.push_back(readStep(step, fmt::format("/steps/{}", index++)));
    if (const json &expect = field(object, "", "expect", json::value_t::array); expect.is_array())
        scenario.expectJson = expect.dump();
    return scenario;
}

} // namespace

base::Result<std::string> readTextFile(const std::string &path) {
    errno = 0;
    std::ifstream file(path, std::ios::binary);
    if (!file) return base::failErrno("open", path);
    std::string content{std::istreambuf_iterator<char>(file), {}};
    if (file.bad()) return base::failErrno("read", path);
    return content;
}

base::Result<Scenario> readScenario(std::string_view source, const std::string &fileName) {
    try {
        const json object = json::parse(source);
        Scenario scenario = readFields(object);
        if (const json &cluster = field(object, "", "cluster", json::value_t::object); cluster.is_object()) {
            auto state = proxycore::readClusterState(cluster.dump(), fileName + " /cluster");
            if (!state) return std::unexpected(state.error());
            scenario.cluster = std::move(*state);
        }
        if (const json &config = field(object, "", "proxyConfig", json::value_t::object); config.is_object()) {
            auto read = proxycore::readProxyConfig(config.dump(), fileName + " /proxyConfig");
            if (!read) return std::unexpected(read.error());
            scenario.proxyConfig = std::move(*read);
        }
        return scenario;
    } catch (const json::parse_error &error) {
        const auto before = source.substr(0, std::min<std::size_t>(error.byte == 0 ? 0 : error.byte - 1, source.size()));
        const auto line = std::ranges::count(before, '\n') + 1;
        return base::fail(base::ErrorCode::invalidInput, "this is not JSON", "read scenario",
                          fmt::format("{}, line {}, column {}", fileName, line, before.size() - (before.rfind('\n') + 1) + 1));
    } catch (const BadField &bad) {
        return base::fail(base::ErrorCode::invalidInput, bad.text, "read scenario", fileName + " " + bad.pointer);
    }
}

base::Result<Scenario> loadScenario(const std::string &nameOrFile) {
    std::string names;
    for (const auto &[name, source] : builtInScenarios()) {
        if (name == nameOrFile) return readScenario(source, std::string(name));
        names += (names.empty() ? "" : ", ") + std::string(name);
    }
    if (nameOrFile.find('/') == std::string::npos && !nameOrFile.ends_with(".json"))
        return base::fail(base::ErrorCode::notFound,
                          fmt::format("no such scenario; there are {} (or name a scenario file)", names), "lab",
                          nameOrFile);
    auto source = readTextFile(nameOrFile);
    if (!source) return std::unexpected(source.error());
    return readScenario(*source, nameOrFile);
}

} // namespace natlens::lab
