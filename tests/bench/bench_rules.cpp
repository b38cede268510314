// Programming rules: a whole cluster, and one changed endpoint, by our writers and by their peers (`nft -f` and
// `iptables-restore` with the same text), in one run. Each run has a network namespace of its own; no privileges
// needed. "one change" comes after a pause, "in a row" at once after another: before the iptables of nf_tables may add a
// match or target, the kernel waits until it has destroyed what the change before replaced, after a grace period.
//
//   bench_rules [nftables|iptables-nft|iptables-legacy] [SERVICES]...     default: all, 1000 5000 10000
#include "proxycore/kernel/iptables_applier.h"
#include "proxycore/kernel/namespace_child.h"
#include "proxycore/kernel/nftables.h"
#include "proxycore/test_state.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <sstream>
#include <thread>

#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

namespace {

using namespace natlens::proxycore;
using natlens::proxycore::test::TestEndpoint;
using Clock = std::chrono::steady_clock;

constexpr int kFullRuns = 3;
constexpr std::chrono::milliseconds kPause{50};
const int kChanges = std::getenv("CHANGES") ? std::atoi(std::getenv("CHANGES")) : 15;

double millisecondsSince(Clock::time_point start) {
    return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

/// Of this process and of the programs that it ran to their end: meaningful on a busy machine too.
double cpuMilliseconds() {
    double sum = 0;
    for (const int who : {RUSAGE_SELF, RUSAGE_CHILDREN}) {
        rusage used{};
        ::getrusage(who, &used);
        for (const auto &time : {used.ru_utime, used.ru_stime})
            sum += static_cast<double>(time.tv_sec) * 1e3 + static_cast<double>(time.tv_usec) / 1e3;
    }
    return sum;
}

double median(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    return values.empty() ? 0 : values[values.size() / 2];
}

Service serviceNumber(int i) {
    return test::service("service-" + std::to_string(i),
                         fmt::format("10.{}.{}.{}", 96 + i / 65536, i / 256 % 256, i % 256));
}

EndpointSlice sliceNumber(int i, int version) {
    const auto address = [&](int which) {
        return fmt::format("10.{}.{}.{}", 128 + (version % 128), i / 128, 1 + i % 128 + 128 * which - which);
    };
    return test::slice(serviceNumber(i), {{address(0), "node1"}, {address(1), "node2"}});
}

ClusterState clusterOf(int services) {
    auto state = test::documentNodes();
    for (int i = 0; i < services; ++i) {
        state.put(serviceNumber(i));
        state.put(sliceNumber(i, 0));
    }
    return state;
}

ProxyPlan planOf(const ClusterState &state, Mode mode, const ProxyPlan *previous = nullptr) {
    return makePlan(state, test::podRange("10.128.0.0/9"),
                    {.nodeName = "node1", .localAddresses = {}, .mode = mode, .family = IpFamily::v4}, previous);
}

/// Milliseconds that a program needs for the text; its name ends where the file goes. Negative: it refused.
double timeOfPeer(const std::string &command, const std::string &text) {
    const int fd = ::memfd_create("rules", 0);
    if (fd < 0 || ::write(fd, text.data(), text.size()) != static_cast<ssize_t>(text.size())) return -1;
    const auto line = fmt::format("{} /proc/{}/fd/{} > /dev/null", command, ::getpid(), fd);
    const auto start = Clock::now();
    const int status = std::system(line.c_str());
    const double time = millisecondsSince(start);
    ::close(fd);
    return status == 0 ? time : -1;
}

std::string show(double milliseconds) {
    return milliseconds < 0 ? std::string("refused") : fmt::format("{:.1f} ms", milliseconds);
}

/// One full synchronisation in a fresh namespace, then changes.
std::string measure(const std::string &which, int services) {
    const auto mode = which == "nftables" ? Mode::nftables : Mode::iptables;
    auto state = clusterOf(services);
    const auto planStart = Clock::now();
    auto plan = planOf(state, mode);
    const double planning = millisecondsSince(planStart);
    std::vector<double> full, fullCpu, change, changeCpu, inARow, replanning;
    double peer = -1;
    for (int run = 0; run < kFullRuns; ++run) {
        const auto result = natlens::test::inNamespace([&]() -> std::string {
            std::function<natlens::base::Status(const ProxyPlan &)> apply;
            std::shared_ptr<void> owner;
            if (mode == Mode::nftables) {
                auto applier = std::make_shared<NftablesApplier>();
                apply = [applier](const ProxyPlan &next) { return applier->apply(next); };
            } else {
                auto opened =
                    IptablesApplier::open(which == "iptables-legacy" ? IptablesBackend::legacy : IptablesBackend::nft);
                if (!opened) return "failed " + opened.error().sentence();
                auto applier = std::make_shared<IptablesApplier>(std::move(*opened));
                apply = [applier](const ProxyPlan &next) { return applier->apply(next); };
            }
            const double usedBefore = cpuMilliseconds();
            const auto start = Clock::now();
            if (auto status = apply(plan); !status) return "failed " + status.error().sentence();
            const double time = millisecondsSince(start);
            std::string times = fmt::format("{} {}", time, cpuMilliseconds() - usedBefore);
            auto before = plan;
            for (int i = 0; run == 0 && i < 2 * kChanges; ++i) {
                state.put(sliceNumber((i * 7919) % services, i + 1));
                const auto made = Clock::now();
                auto next = planOf(state, mode, &before);
                const double making = millisecondsSince(made);
                if (i < kChanges) std::this_thread::sleep_for(kPause);
                const double used = cpuMilliseconds();
                const auto applied = Clock::now();
                if (auto status = apply(next); !status) return "failed " + status.error().sentence();
                times += fmt::format(" {}", millisecondsSince(applied));
                times += fmt::format(" {} {}", cpuMilliseconds() - used, making);
                before = std::move(next);
            }
            return times;
        });
        if (!result.available) return "no unprivileged user namespaces here";
        if (result.text.starts_with("failed") || result.text.starts_with("died")) return result.text;
        std::istringstream times(result.text);
        double time = 0, used = 0, making = 0;
        times >> time >> used;
        full.push_back(time);
        fullCpu.push_back(used);
        while (times >> time >> used >> making) {
            replanning.push_back(making);
            if (static_cast<int>(replanning.size()) > kChanges) {
                inARow.push_back(time);
                continue;
            }
            change.push_back(time);
            changeCpu.push_back(used);
        }
    }
    const auto peerCommand = which == "nftables" ? std::string("nft -f")
                             : which == "iptables-nft"
                                 ? std::string("iptables-nft-restore")
                                 : std::string("XTABLES_LOCKFILE=/dev/null iptables-legacy-restore");
    const auto text = mode == Mode::nftables ? toNftText(plan) : toIptablesText(plan);
    const auto peerResult =
        natlens::test::inNamespace([&] { return fmt::format("{}", timeOfPeer(peerCommand, text)); });
    peer = std::atof(peerResult.text.c_str());
    const double whole = median(full);
    return fmt::format("{:<16} {:>6} {:>10} {:>12} {:>12} {:>12} {:>8} {:>12} {:>12} {:>12} {:>12}", which, services,
                       show(planning), show(whole), show(median(fullCpu)), show(peer),
                       peer > 0 ? fmt::format("{:.1f}", peer / whole) : "-", show(median(change)),
                       show(median(changeCpu)), show(median(inARow)), show(median(replanning)));
}

} // namespace

int main(int argc, char **argv) {
    std::vector<std::string> writers;
    std::vector<int> sizes;
    for (int i = 1; i < argc; ++i) {
        if (const int size = std::atoi(argv[i]); size > 0)
            sizes.push_back(size);
        else
            writers.emplace_back(argv[i]);
    }
    if (writers.empty()) writers = {"nftables", "iptables-nft", "iptables-legacy"};
    if (sizes.empty()) sizes = {1000, 5000, 10000};
    std::printf("%-16s %6s %10s %12s %12s %12s %8s %12s %12s %12s %12s\n", "writer", "size", "plan", "full", "its cpu",
                "peer", "ratio", "one change", "its cpu", "in a row", "its plan");
    for (const auto &writer : writers)
        for (const int size : sizes) {
            std::printf("%s\n", measure(writer, size).c_str());
            std::fflush(stdout);
        }
    return 0;
}
