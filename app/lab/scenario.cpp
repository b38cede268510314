#include "app/lab/scenario.h"

#include "app/lab/scenario_actions.h"
#include "app/lab/scenario_fields.h"
#include "proxycore/model/kubernetes_json.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <fmt/format.h>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <set>

namespace natlens::lab {
namespace {

using nlohmann::json;
using Kind = json::value_t;

/// One row per thing a step can do to the lab as a whole; what is done to one host stands in scenario_actions.cpp.
constexpr std::pair<std::string_view, Step::Kind> kStepKinds[] = {
    {"request", Step::Kind::request},      {"annotate", Step::Kind::annotate},
    {"set-policy", Step::Kind::setPolicy}, {"wait-rotation", Step::Kind::waitRotation},
    {"move-pod", Step::Kind::movePod},     {"scale", Step::Kind::scale},
    {"pause", Step::Kind::pause},          {"apply", Step::Kind::clusterEvent},
    {"delete", Step::Kind::clusterEvent},
};

Step readStep(const json &object, const std::string &at) {
    const ScenarioFields fields(object, at);
    Step step;
    step.like = fields.text("like");
    const auto kind = fields.requiredText("do");
    const auto *row = std::ranges::find(kStepKinds, kind, &std::pair<std::string_view, Step::Kind>::first);
    if (row == std::end(kStepKinds)) {
        auto action = readHostAction(fields);
        if (!action) fields.fail("do", fmt::format("\"{}\" is not a step", kind));
        fields.refuseOthers();
        step.kind = Step::Kind::act;
        step.action = std::make_shared<const HostAction>(std::move(*action));
        return step;
    }
    step.kind = row->second;
    step.from = fields.text("from");
    step.urls = fields.texts("urls");
    if (const auto url = fields.text("url"); !url.empty()) step.urls.push_back(url);
    step.together = fields.flag("together");
    step.connectTimeout = milliseconds(fields.number("connectTimeoutMs", 2000));
    step.service = fields.text("service");
    step.key = fields.text("annotation");
    step.value = fields.text(step.kind == Step::Kind::setPolicy ? "policy" : "value");
    step.nodes = fields.texts("nodes");
    step.pod = fields.text("pod");
    step.node = fields.text("node");
    step.replicas = fields.number("replicas", 1);
    step.duration = milliseconds(fields.number("durationMs", 0));
    if (step.kind == Step::Kind::clusterEvent) {
        const json &changed = fields.get("object", Kind::object);
        if (changed.is_null()) fields.fail("object", "is missing");
        step.event = json{{"type", kind == "apply" ? "MODIFIED" : "DELETED"}, {"object", changed}}.dump();
    }
    if (step.kind == Step::Kind::request && (step.from.empty() || step.urls.empty()))
        throw BadField{at, "a request needs \"from\" and \"url\" or \"urls\""};
    for (const auto &url : step.urls)
        if (!url.starts_with("http://")) fields.fail("url", fmt::format("\"{}\" does not begin with http://", url));
    fields.refuseOthers();
    return step;
}

/// How often providers whose load balancers forward packets check a node, by "preset"; without it the lab's own pace.
/// Azure does not tell how long it waits for an answer: until the next check, here.
LoadBalancerSpec checksOf(const ScenarioFields &fields) {
    using std::chrono::seconds;
    struct Preset {
        std::string_view name;
        seconds interval, timeout;
        unsigned healthyAfter, unhealthyAfter;
    };
    constexpr std::array kPresets{Preset{"gce-2016", seconds(2), seconds(1), 1, 5},
                                  Preset{"gce", seconds(8), seconds(1), 1, 3},
                                  Preset{"azure", seconds(5), seconds(5), 1, 2}};
    LoadBalancerSpec spec;
    const auto name = fields.text("preset", "");
    if (name.empty()) return spec;
    const auto preset = std::ranges::find(kPresets, std::string_view(name), &Preset::name);
    if (preset == kPresets.end()) fields.fail("preset", "is not one of gce-2016, gce, azure");
    spec.interval = preset->interval;
    spec.timeout = preset->timeout;
    spec.healthyAfter = preset->healthyAfter;
    spec.unhealthyAfter = preset->unhealthyAfter;
    return spec;
}

LoadBalancerSpec readLoadBalancer(const json &object, const std::string &at) {
    const ScenarioFields fields(object, at);
    LoadBalancerSpec spec = checksOf(fields);
    const auto milli = [&](const char *name, milliseconds otherwise) {
        return milliseconds(std::max(10u, fields.number(name, static_cast<unsigned>(otherwise.count()))));
    };
    spec.name = fields.text("name", spec.name);
    spec.address = fields.address("address");
    spec.interval = milli("intervalMs", spec.interval);
    spec.timeout = milli("timeoutMs", spec.timeout);
    spec.healthyAfter = std::max(1u, fields.number("healthyAfter", spec.healthyAfter));
    spec.unhealthyAfter = std::max(1u, fields.number("unhealthyAfter", spec.unhealthyAfter));
    spec.checkPort = fields.port("checkPort", 0);
    fields.refuseOthers();
    return spec;
}

/// Objects that the lab has no use for itself but that a reader of the recording may want.
std::vector<std::string> otherObjects(const json &cluster) {
    static const std::set<std::string> known{"Node", "Pod", "Service", "EndpointSlice", "ServiceCIDR"};
    std::vector<std::string> events;
    if (!cluster.is_object() || !cluster.contains("items")) return events;
    for (const auto &item : cluster["items"])
        if (item.is_object() && !known.contains(item.value("kind", "")))
            events.push_back(json{{"type", "ADDED"}, {"object", item}}.dump());
    return events;
}

Scenario readFields(const json &object) {
    const ScenarioFields fields(object, "");
    Scenario scenario;
    scenario.name = fields.requiredText("name");
    scenario.title = fields.text("title", scenario.name);
    scenario.summary = fields.text("summary");
    scenario.profile = fields.text("profile", scenario.profile);
    scenario.obeyMinSyncPeriod = fields.flag("obeyMinSyncPeriod");
    scenario.keepStaleConnections = fields.flag("keepStaleConnections");
    scenario.needs = fields.texts("needs");
    for (const auto &name : fields.texts("datapaths")) {
        const auto kind = parseDatapath(name);
        if (!kind) fields.fail("datapaths", "has a name that is none of nftables, iptables, engine");
        scenario.datapaths.push_back(*kind);
    }
    std::size_t index = 0;
    for (const auto &host : fields.get("outside", Kind::array)) {
        const ScenarioFields one(host, fmt::format("/outside/{}", index++));
        scenario.outside.push_back({one.requiredText("name"), one.addressOfAnyFamily("address")});
    }
    if (const json &lb = fields.get("loadBalancer", Kind::object); lb.is_object())
        scenario.loadBalancer = readLoadBalancer(lb, "/loadBalancer");
    index = 0;
    for (const auto &entry : fields.get("setup", Kind::array)) {
        const ScenarioFields one(entry, fmt::format("/setup/{}", index++));
        auto action = readHostAction(one);
        if (!action) one.fail("do", "is not something to do to a host");
        one.refuseOthers();
        scenario.setup.push_back(std::move(*action));
    }
    index = 0;
    for (const auto &step : fields.get("steps", Kind::array))
        scenario.steps.push_back(readStep(step, fmt::format("/steps/{}", index++)));
    if (const json &expect = fields.get("expect", Kind::array); expect.is_array()) scenario.expectJson = expect.dump();
    scenario.otherObjects = otherObjects(fields.get("cluster", Kind::object));
    (void)fields.get("proxyConfig", Kind::object); // read by readScenario()
    fields.refuseOthers();
    return scenario;
}

std::string builtInText(const std::string &name) {
    for (const auto &[other, source] : builtInScenarios())
        if (other == name) return std::string(source);
    return {};
}

} // namespace

std::string Scenario::kernelNeed() const {
    const auto ofKernel = [](const HostAction &action) {
        const auto *connection = std::get_if<ConnectAction>(&action.what);
        const bool asksOnce = connection != nullptr && connection->isSctp() && connection->name.empty();
        return !asksOnce && !std::holds_alternative<DatagramsAction>(action.what) &&
               !std::holds_alternative<UdpServerAction>(action.what);
    };
    const auto named = [](std::string_view list, std::size_t index, const HostAction &action) {
        const auto *connection = std::get_if<ConnectAction>(&action.what);
        const std::string_view why = connection == nullptr  ? "changes what only a kernel has"
                                     : connection->isSctp() ? "keeps a connection (it has a name)"
                                                            : "connects by TCP other than by HTTP";
        return fmt::format("/{}/{} {}", list, index, why);
    };
    if (!needs.empty()) return fmt::format("/needs has settings of a kernel ({})", needs.front());
    if (keepStaleConnections) return "/keepStaleConnections is about a kernel's connections";
    for (std::size_t i = 0; i < setup.size(); ++i)
        if (ofKernel(setup[i])) return named("setup", i, setup[i]);
    for (std::size_t i = 0; i < steps.size(); ++i)
        if (steps[i].kind == Step::Kind::act && ofKernel(*steps[i].action)) return named("steps", i, *steps[i].action);
    return {};
}

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
        const json object = withBase(json::parse(source), builtInText);
        const ScenarioFields fields(object, "");
        Scenario scenario = readFields(object);
        if (const json &cluster = fields.get("cluster", Kind::object); cluster.is_object()) {
            auto state = proxycore::readClusterState(cluster.dump(), fileName + " /cluster");
            if (!state) return std::unexpected(state.error());
            scenario.cluster = std::move(*state);
        }
        if (const json &config = fields.get("proxyConfig", Kind::object); config.is_object()) {
            auto read = proxycore::readProxyConfig(config.dump(), fileName + " /proxyConfig");
            if (!read) return std::unexpected(read.error());
            scenario.proxyConfig = std::move(*read);
        }
        return scenario;
    } catch (const json::parse_error &error) {
        const auto before =
            source.substr(0, std::min<std::size_t>(error.byte == 0 ? 0 : error.byte - 1, source.size()));
        const auto line = std::ranges::count(before, '\n') + 1;
        return base::fail(
            base::ErrorCode::invalidInput, "this is not JSON", "read scenario",
            fmt::format("{}, line {}, column {}", fileName, line, before.size() - (before.rfind('\n') + 1) + 1));
    } catch (const json::exception &error) {
        return base::fail(base::ErrorCode::invalidInput, error.what(), "read scenario", fileName);
    } catch (const BadField &bad) {
        return base::fail(base::ErrorCode::invalidInput, bad.text, "read scenario", fileName + " " + bad.pointer);
    }
}

base::Result<Scenario> loadScenario(const std::string &nameOrFile) {
    std::string names;
    for (const auto &[name, source] : builtInScenarios()) {
        if (name == nameOrFile) return readScenario(source, std::string(name));
        if (name.find('/') == std::string_view::npos) names += (names.empty() ? "" : ", ") + std::string(name);
    }
    if (nameOrFile.find('/') == std::string::npos && !nameOrFile.ends_with(".json"))
        return base::fail(base::ErrorCode::notFound,
                          fmt::format("no such scenario; there are {} (or name a scenario file)", names), "lab",
                          nameOrFile);
    auto source = readTextFile(nameOrFile);
    if (!source && source.error().code == base::ErrorCode::notFound && !nameOrFile.ends_with(".json"))
        return base::fail(base::ErrorCode::notFound, "no such scenario; natlens lab list names them all", "lab",
                          nameOrFile);
    if (!source) return std::unexpected(source.error());
    return readScenario(*source, nameOrFile);
}

} // namespace natlens::lab
