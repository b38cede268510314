// `natlens explain` on a large cluster, stage by stage: reading the file, indexing its JSON, building the part that
// matters, planning and deciding; beside them a plain copy of the same bytes and the library's own tree.
#include "proxycore/engine/explain.h"
#include "proxycore/model/json_document.h"
#include "proxycore/model/kubernetes_json.h"

#include <benchmark/benchmark.h>
#include <nlohmann/json.hpp>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <map>
#include <thread>
#include <unistd.h>

using namespace natlens;
using namespace natlens::proxycore;
using Json = nlohmann::json;

namespace {

/// What an API server adds to every object that somebody manages; kubectl shows it with --show-managed-fields.
Json managedFields(const char *manager, Json fields) {
    return Json::array({{{"apiVersion", "v1"},
                         {"fieldsType", "FieldsV1"},
                         {"fieldsV1", std::move(fields)},
                         {"manager", manager},
                         {"operation", "Update"},
                         {"time", "2026-05-04T09:12:33Z"}}});
}

Json metadata(unsigned n, const std::string &name, const char *uid) {
    return {{"creationTimestamp", "2026-05-04T09:12:33Z"},
            {"labels", {{"app.kubernetes.io/name", fmt::format("service-{:05}", n)}}},
            {"name", name},
            {"namespace", fmt::format("team-{}", n % 50)},
            {"resourceVersion", std::to_string(1'000'000 + n)},
            {"uid", fmt::format("{}-51a1-4a3c-9d6e-{:012x}", uid, n)}};
}

Json serviceOf(unsigned n, bool managed) {
    const auto name = fmt::format("service-{:05}", n);
    const auto ip = fmt::format("10.{}.{}.{}", 96 + (n >> 16), n >> 8 & 255, n & 255);
    Json service{{"apiVersion", "v1"}, {"kind", "Service"}, {"metadata", metadata(n, name, "1b4f0e98")}};
    service["spec"] = {
        {"clusterIP", ip},
        {"clusterIPs", {ip}},
        {"internalTrafficPolicy", "Cluster"},
        {"ipFamilies", {"IPv4"}},
        {"ipFamilyPolicy", "SingleStack"},
        {"ports", Json::array({{{"name", "http"}, {"port", 80}, {"protocol", "TCP"}, {"targetPort", 8080}}})},
        {"selector", {{"app.kubernetes.io/name", name}}},
        {"sessionAffinity", "None"},
        {"type", "ClusterIP"}};
    service["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"] = service.dump() + "\n";
    service["status"]["loadBalancer"] = Json::object();
    if (managed)
        service["metadata"]["managedFields"] = managedFields(
            "kubectl-client-side-apply",
            {{"f:metadata",
              {{"f:annotations", {{".", Json::object()}, {"f:kubectl.kubernetes.io/last-applied-configuration", {}}}},
               {"f:labels", {{".", Json::object()}, {"f:app.kubernetes.io/name", Json::object()}}}}},
             {"f:spec",
              {{"f:internalTrafficPolicy", Json::object()},
               {"f:ports",
                {{".", Json::object()},
                 {R"(k:{"port":80,"protocol":"TCP"})",
                  {{".", Json::object()}, {"f:name", Json::object()}, {"f:port", Json::object()}}}}},
               {"f:selector", Json::object()},
               {"f:sessionAffinity", Json::object()},
               {"f:type", Json::object()}}}});
    return service;
}

Json sliceOf(unsigned n, bool managed) {
    const auto name = fmt::format("service-{:05}", n);
    Json slice{{"addressType", "IPv4"},
               {"apiVersion", "discovery.k8s.io/v1"},
               {"kind", "EndpointSlice"},
               {"metadata", metadata(n, name + "-x7k2p", "77777777")},
               {"ports", Json::array({{{"name", "http"}, {"port", 8080}, {"protocol", "TCP"}}})}};
    slice["metadata"]["labels"]["kubernetes.io/service-name"] = name;
    slice["metadata"]["labels"]["endpointslice.kubernetes.io/managed-by"] = "endpointslice-controller.k8s.io";
    slice["metadata"]["generateName"] = name + "-";
    slice["metadata"]["ownerReferences"] = Json::array({{{"apiVersion", "v1"},
                                                         {"blockOwnerDeletion", true},
                                                         {"controller", true},
                                                         {"kind", "Service"},
                                                         {"name", name},
                                                         {"uid", fmt::format("1b4f0e98-51a1-4a3c-9d6e-{:012x}", n)}}});
    slice["metadata"]["annotations"]["endpoints.kubernetes.io/last-change-trigger-time"] = "2026-05-04T09:12:33Z";
    for (unsigned e = 0; e < 2; ++e) {
        const unsigned node = (n + 7 * e) % 20;
        slice["endpoints"].push_back(
            {{"addresses", {fmt::format("10.{}.{}.{}", 128 + node, n >> 7 & 255, (n & 127) * 2 + e)}},
             {"conditions", {{"ready", true}, {"serving", true}, {"terminating", false}}},
             {"nodeName", fmt::format("node-{}", node)},
             {"targetRef",
              {{"kind", "Pod"},
               {"name", fmt::format("{}-6d8f9c7b5d-{:05}", name, e)},
               {"namespace", slice["metadata"]["namespace"]},
               {"uid", fmt::format("9d2c7f10-aaaa-4a3c-9d6e-{:012x}", 2 * n + e)}}},
             {"zone", fmt::format("zone-{}", node % 3)}});
    }
    if (managed)
        slice["metadata"]["managedFields"] =
            managedFields("kube-controller-manager", {{"f:addressType", Json::object()},
                                                      {"f:endpoints", Json::object()},
                                                      {"f:metadata",
                                                       {{"f:generateName", Json::object()},
                                                        {"f:labels", {{".", Json::object()}}},
                                                        {"f:ownerReferences", {{".", Json::object()}}}}},
                                                      {"f:ports", Json::object()}});
    return slice;
}

/// As `kubectl get nodes,services,endpointslices -A -o json` prints it.
const std::string &clusterText(unsigned services, bool managed) {
    static std::map<std::pair<unsigned, bool>, std::string> texts;
    auto &text = texts[{services, managed}];
    if (!text.empty()) return text;
    Json items = Json::array();
    for (unsigned node = 0; node < 20; ++node)
        items.push_back(
            {{"kind", "Node"},
             {"metadata", {{"name", fmt::format("node-{}", node)}}},
             {"status",
              {{"addresses", {{{"type", "InternalIP"}, {"address", fmt::format("192.168.0.{}", node + 1)}}}}}}});
    for (unsigned n = 0; n < services; ++n)
        items.push_back(serviceOf(n, managed));
    for (unsigned n = 0; n < services; ++n)
        items.push_back(sliceOf(n, managed));
    return text = Json{{"apiVersion", "v1"}, {"items", std::move(items)}, {"kind", "List"}}.dump(4);
}

const std::string &textOf(const benchmark::State &state) {
    return clusterText(static_cast<unsigned>(state.range(0)), state.range(1) != 0);
}

const FlowEnds kEnds{*IpAddress::parse("10.128.0.1"), *packet::SocketAddress::parse("10.96.0.2:80")};
const ExplainRequest kRequest{.nodeName = "node-1",
                              .nodeAddresses = {},
                              .mode = Mode::nftables,
                              .flow = {.source = {kEnds.source, 0}, .destination = kEnds.destination}};

void bytes(benchmark::State &state) {
    state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * textOf(state).size()));
}

/// The peer: the same bytes, touched once.
void copyOfTheText(benchmark::State &state) {
    const auto &text = textOf(state);
    std::string copy(text.size(), '\0');
    for (auto _ : state) {
        std::memcpy(copy.data(), text.data(), text.size());
        benchmark::ClobberMemory();
    }
    bytes(state);
}

void libraryTree(benchmark::State &state) {
    for (auto _ : state)
        benchmark::DoNotOptimize(Json::parse(textOf(state)));
    bytes(state);
}

void index(benchmark::State &state) {
    for (auto _ : state)
        benchmark::DoNotOptimize(detail::JsonDocument::parse(textOf(state), "bench"));
    bytes(state);
}

void readPart(benchmark::State &state) {
    for (auto _ : state)
        if (!readClusterState(textOf(state), "bench", &kEnds)) state.SkipWithError("not read");
    bytes(state);
}

void readAll(benchmark::State &state) {
    for (auto _ : state)
        if (!readClusterState(textOf(state), "bench")) state.SkipWithError("not read");
    bytes(state);
}

/// Two threads, as the program has where there are two processors.
void inTwo(std::size_t count, const std::function<void(std::size_t)> &work) {
    std::atomic<std::size_t> next = 0;
    const auto takeTurns = [&] {
        for (auto i = next++; i < count; i = next++)
            work(i);
    };
    const std::jthread other(takeTurns);
    takeTurns();
}

void readPartInTwo(benchmark::State &state) {
    for (auto _ : state)
        if (!readClusterState(textOf(state), "bench", &kEnds, inTwo)) state.SkipWithError("not read");
    bytes(state);
}

/// `natlens explain` from its start to its end, with the file in the page cache.
void wholeProgram(benchmark::State &state) {
    const auto folder = std::filesystem::temp_directory_path() / fmt::format("natlens-bench-{}", ::getpid());
    std::filesystem::create_directory(folder);
    const auto file = folder / "cluster.json";
    std::ofstream(file) << textOf(state);
    const auto program = std::filesystem::read_symlink("/proc/self/exe").parent_path() / "natlens";
    const auto command = fmt::format("exec {} explain --cluster {} --node node-1 --from 10.128.0.1 --to 10.96.0.2:80 "
                                     ">/dev/null",
                                     program.string(), file.string());
    for (auto _ : state)
        if (std::system(command.c_str()) != 0) state.SkipWithError("natlens did not answer");
    std::filesystem::remove_all(folder);
    bytes(state);
}

void explainPart(benchmark::State &state) {
    const auto part = readClusterState(textOf(state), "bench", &kEnds);
    for (auto _ : state)
        if (!explain(*part, {}, kRequest)) state.SkipWithError("not explained");
}

void explainAll(benchmark::State &state) {
    const auto all = readClusterState(textOf(state), "bench");
    for (auto _ : state)
        if (!explain(*all, {}, kRequest)) state.SkipWithError("not explained");
}

#define SIZES                                                                                                          \
    ->Args({1'000, 0})                                                                                                 \
        ->Args({10'000, 0})                                                                                            \
        ->Args({10'000, 1})                                                                                            \
        ->ArgNames({"services", "managedFields"})                                                                      \
        ->Unit(benchmark::kMillisecond)
BENCHMARK(copyOfTheText) SIZES;
BENCHMARK(libraryTree) SIZES;
BENCHMARK(index) SIZES;
BENCHMARK(readPart) SIZES;
BENCHMARK(readPartInTwo) SIZES->UseRealTime();
BENCHMARK(readAll) SIZES;
BENCHMARK(explainPart) SIZES;
BENCHMARK(explainAll) SIZES;
BENCHMARK(wholeProgram) SIZES->UseRealTime();

} // namespace

BENCHMARK_MAIN();
