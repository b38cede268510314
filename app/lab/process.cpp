#include "app/lab/process.h"

#include "app/lab/isolation.h"
#include "app/lab/lab.h"
#include "proxycore/model/kubernetes_json.h"

#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <getopt.h>
#include <unistd.h>

namespace natlens::lab {
namespace {

using base::ErrorCode;

struct Arguments {
    std::string scenario, profile, datapath, proxyConfig;
    std::vector<std::string> clusters;
    int streamFd = -1, controlFd = -1;
    std::uint64_t seed = 0;
    bool list = false, simulated = false;
};

/// A whole number of 0 or more that fits T.
template<class T>
base::Result<T> number(const char *name, const char *wanted, std::string_view text) {
    T value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size() || value < 0)
        return base::fail(ErrorCode::invalidInput, fmt::format("must be {}", wanted), name, std::string(text));
    return value;
}

base::Result<Arguments> parse(int argc, char **argv) {
    enum { scenario = 1, streamFd, controlFd, profile, datapath, cluster, proxyConfig, seed, list, simulated };
    static const option kOptions[] = {
        {"scenario", required_argument, nullptr, scenario},   {"stream-fd", required_argument, nullptr, streamFd},
        {"control-fd", required_argument, nullptr, controlFd}, {"profile", required_argument, nullptr, profile},
        {"datapath", required_argument, nullptr, datapath},   {"cluster", required_argument, nullptr, cluster},
        {"proxy-config", required_argument, nullptr, proxyConfig}, {"seed", required_argument, nullptr, seed},
        {"list", no_argument, nullptr, list},                 {"simulated", no_argument, nullptr, simulated},
        {nullptr, 0, nullptr, 0}};
    Arguments arguments;
    optind = 2; // after the program and "lab-process"
    for (int option = 0; (option = getopt_long(argc, argv, "", kOptions, nullptr)) != -1;) {
        switch (option) {
        case scenario: arguments.scenario = optarg; break;
        case profile: arguments.profile = optarg; break;
        case datapath: arguments.datapath = optarg; break;
        case cluster: arguments.clusters.emplace_back(optarg); break;
        case proxyConfig: arguments.proxyConfig = optarg; break;
        case seed: {
            auto value = number<std::uint64_t>("--seed", "a whole number of 0 or more", optarg);
            if (!value) return std::unexpected(value.error());
            arguments.seed = *value;
            break;
        }
        case simulated: arguments.simulated = true; break;
        case list: arguments.list = true; break;
        case streamFd:
        case controlFd: {
            auto fd = number<int>(option == streamFd ? "--stream-fd" : "--control-fd", "a descriptor number", optarg);
            if (!fd) return std::unexpected(fd.error());
            (option == streamFd ? arguments.streamFd : arguments.controlFd) = *fd;
            break;
        }
        default: return base::fail(ErrorCode::invalidInput, "unknown option", "lab-process");
        }
    }
    return arguments;
}

/// A cluster of somebody's own may have a node "client": then the scenario's host gets another name.
void makeRoomForNodes(Scenario &scenario) {
    const auto rename = [&](std::string &name) {
        if (!scenario.cluster.node(name)) return;
        const auto old = name;
        while (scenario.cluster.node(name)) name += "-outside";
        for (auto &step : scenario.steps)
            if (step.from == old) step.from = name;
    };
    for (auto &host : scenario.outside) rename(host.name);
    if (scenario.loadBalancer) rename(scenario.loadBalancer->name);
}

base::Result<Scenario> prepare(const Arguments &arguments) {
    auto scenario = loadScenario(arguments.scenario);
    if (!scenario) return scenario;
    if (!arguments.profile.empty()) scenario->profile = arguments.profile;
    if (scenario->profile != "picture" && scenario->profile != "document" && scenario->profile != "today")
        return base::fail(ErrorCode::invalidInput, "must be picture, document or today", "--profile", scenario->profile);
    const auto datapath = parseDatapath(arguments.datapath.empty() ? "nftables" : arguments.datapath);
    if (!datapath)
        return base::fail(ErrorCode::invalidInput, "must be nftables, iptables or engine", "--datapath", arguments.datapath);
    scenario->datapath = *datapath;
    if (!arguments.clusters.empty()) scenario->cluster = {};
    for (const auto &file : arguments.clusters) {
        auto text = readTextFile(file);
        if (!text) return std::unexpected(text.error());
        auto state = proxycore::readClusterState(*text, file);
        if (!state) return std::unexpected(state.error());
        scenario->cluster.addAll(*state);
    }
    if (!arguments.proxyConfig.empty()) {
        auto text = readTextFile(arguments.proxyConfig);
        if (!text) return std::unexpected(text.error());
        auto config = proxycore::readProxyConfig(*text, arguments.proxyConfig);
        if (!config) return std::unexpected(config.error());
        scenario->proxyConfig = std::move(*config);
    }
    makeRoomForNodes(*scenario);
    // The document's nodes run what kube-proxy will make its default; a configuration file may say otherwise.
    const auto asked = arguments.proxyConfig.empty() ? proxycore::Mode::nftables : scenario->proxyConfig.mode;
    scenario->proxyConfig.mode = modeOf(*datapath, asked);
    // kube-proxy 1.5 had iptables mode only; with nftables the document's profile is about health checks alone.
    if (scenario->profile == "document") {
        scenario->proxyConfig.release = proxycore::ProxyRelease::v1_5;
        if (*datapath == DatapathKind::engine) scenario->proxyConfig.mode = proxycore::Mode::iptables;
    }
    scenario->seed = arguments.seed;
    return scenario;
}

} // namespace

int processMain(int argc, char **argv, SimulatedRunner simulated) {
    auto arguments = parse(argc, argv);
    if (arguments && arguments->list) {
        std::fputs(scenarioListJson().c_str(), stdout);
        return 0;
    }
    if (!arguments || arguments->streamFd < 0 || arguments->controlFd < 0) {
        std::fprintf(stderr, "natlens lab-process: %s\n",
                     arguments ? "needs --scenario, --stream-fd and --control-fd" : arguments.error().sentence().c_str());
        return 2;
    }
    // Ctrl-C reaches the whole process group; the front end decides when the lab ends.
    for (const int signal : {SIGINT, SIGHUP, SIGPIPE}) std::signal(signal, SIG_IGN);
    base::UniqueFd stream(arguments->streamFd), control(arguments->controlFd);
    auto scenario = prepare(*arguments);
    if (scenario && arguments->simulated)
        return simulated(std::move(*scenario), std::move(stream), std::move(control), arguments->seed);
    auto entry = EntryServer::open();
    if (!scenario || !entry) {
        const base::Error error = scenario ? entry.error() : scenario.error();
        Control(std::move(control)).error(error, true);
        return base::exitStatus(error);
    }
    const int controlNumber = control.get();
    const auto result = runIsolated([&] {
        return Lab(std::move(*scenario), std::move(stream), std::move(control), std::move(*entry)).run();
    });
    if (result) return *result;
    Control(base::UniqueFd(::dup(controlNumber))).error(result.error(), true);
    return base::exitStatus(result.error());
}

} // namespace natlens::lab
