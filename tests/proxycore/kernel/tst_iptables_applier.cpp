// The iptables datapath in a real kernel: written whole, kept in step by changes, taken away again.
#ifndef Q_MOC_RUN // moc of Qt 6.4 stumbles over <concepts>
#include "proxycore/kernel/iptables_applier.h"
#include "proxycore/kernel/iptables_backends.h"
#include "proxycore/kernel/iptables_listing.h"
#include "proxycore/kernel/kernel_test.h"
#include "proxycore/kernel/namespace_child.h"
#include "proxycore/kernel/random_changes.h"
#include "proxycore/model/kubernetes_json.h"
#include "proxycore/read_file.h"
#include "proxycore/test_state.h"

#include <atomic>
#include <fcntl.h>
#include <map>
#include <set>
#include <sys/file.h>
#include <thread>
#include <unistd.h>
#endif

#include "tests/test_program.h"

using namespace natlens::proxycore;
using namespace natlens::proxycore::test;

namespace {

ClusterState cluster() {
    return readClusterState(natlens::test::dataFile("cluster/cluster.json"), "cluster.json").value();
}

ProxyPlan planFor(const ClusterState &state, IpFamily family = IpFamily::v4, const ProxyPlan *previous = nullptr) {
    ProxyConfig config;
    config.clusterCIDRs = {*IpPrefix::parse("10.1.0.0/16"), *IpPrefix::parse("fd00:10::/32")};
    return makePlan(state, config, {.nodeName = "n1", .localAddresses = {}, .mode = Mode::iptables, .family = family},
                    previous);
}

/// A table's chains; the rules of shared chains as a set, as their order has no meaning, except that the jump to node
/// ports is the last.
using Chains = std::map<std::string, std::vector<std::string>>;

void sortChains(Chains &chains) {
    for (auto &[name, rules] : chains) {
        const auto chain = name.substr(name.find(' ') + 1);
        if (IptablesChain{"", chain, {}}.isServicePorts() || !chain.starts_with("KUBE-")) continue;
        const bool tail = !rules.empty() && rules.back().find("this must be the last rule") != std::string::npos;
        std::sort(rules.begin(), rules.end() - (tail ? 1 : 0));
    }
}

Chains wanted(const ProxyPlan &plan) {
    Chains chains;
    for (const auto &chain : iptablesChains(plan))
        chains[chain.table + " " + chain.name] = chain.rules;
    sortChains(chains);
    return chains;
}

Chains present(IptablesProgram &program, IpFamily family) {
    Chains chains;
    for (const std::string table : {"mangle", "filter", "nat"}) {
        const auto text = program.save(family, table).value();
        for (std::size_t at = 0; at < text.size();) {
            const auto end = text.find('\n', at);
            const auto line = text.substr(at, end - at);
            at = end + 1;
            if (line.starts_with(":KUBE-")) chains[table + " " + line.substr(1, line.find(' ') - 1)];
            if (!line.starts_with("-A ")) continue;
            const auto blank = line.find(' ', 3);
            chains[table + " " + line.substr(3, blank - 3)].push_back(line.substr(blank + 1));
        }
    }
    sortChains(chains);
    return chains;
}

struct Pair {
    IptablesApplier applier;
    IptablesProgram program;
};

Pair openBoth(IptablesBackend backend) {
    return {IptablesApplier::open(backend).value(), IptablesProgram::open(backend).value()};
}

void inBackend(IptablesBackend backend, const std::function<std::string(Pair &)> &work) {
    test::inBackend(backend, [&] {
        auto pair = openBoth(backend);
        return work(pair);
    });
}

} // namespace

class TestIptablesApplier : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void whole_data() { test::iptablesBackends(); }
    void whole() {
        QFETCH(int, backend);
        inBackend(static_cast<IptablesBackend>(backend), [](Pair &pair) -> std::string {
            for (const auto family : {IpFamily::v4, IpFamily::v6}) {
                const auto plan = planFor(cluster(), family);
                if (auto status = pair.applier.apply(plan); !status) return status.error().sentence();
                if (auto text = difference(present(pair.program, family), wanted(plan)); !text.empty()) return text;
            }
            return {};
        });
    }

    /// After each of many random changes the kernel has what the plan says, and the change was not written whole.
    void inStep_data() { test::iptablesBackends(); }
    void inStep() {
        QFETCH(int, backend);
        inBackend(static_cast<IptablesBackend>(backend), [](Pair &pair) -> std::string {
            std::mt19937 random(20261124);
            auto state = cluster();
            auto plan = planFor(state);
            if (auto status = pair.applier.apply(plan); !status) return status.error().sentence();
            for (int i = 0; i < 40; ++i) {
                mutate(state, random);
                plan = planFor(state, IpFamily::v4, &plan);
                if (auto status = pair.applier.apply(plan); !status) return status.error().sentence();
                if (auto text = difference(present(pair.program, IpFamily::v4), wanted(plan)); !text.empty())
                    return "change " + std::to_string(i) + ": " + text;
            }
            const auto &statistics = pair.applier.statistics();
            if (statistics.failed > 0) return "refused by the kernel: " + std::to_string(statistics.failed);
            if (statistics.incremental < 15) return "written whole: " + std::to_string(statistics.full) + " times";
            return {};
        });
    }

    /// Rules of others stay; rules of ours that someone took away come back; stale chains of an earlier run go.
    void others_data() { test::iptablesBackends(); }
    void others() {
        QFETCH(int, backend);
        inBackend(static_cast<IptablesBackend>(backend), [](Pair &pair) -> std::string {
            const auto prepared = pair.program.restore(IpFamily::v4, "*nat\n:MINE - [0:0]\n:KUBE-SVC-OLD - [0:0]\n"
                                                                     "-A PREROUTING -j MINE\n"
                                                                     "-A MINE -d 192.0.2.1/32 -j ACCEPT\nCOMMIT\n");
            if (!prepared) return prepared.error().sentence();
            const auto plan = planFor(cluster());
            if (auto status = pair.applier.apply(plan); !status) return status.error().sentence();
            auto chains = present(pair.program, IpFamily::v4);
            if (chains.contains("nat KUBE-SVC-OLD")) return "the stale chain is still there";
            const auto &rules = chains["nat PREROUTING"];
            if (rules.size() != 2 || rules[1] != "-j MINE") return "the rule of another is gone or first";
            if (auto status = pair.applier.removeAll(); !status) return status.error().sentence();
            chains = present(pair.program, IpFamily::v4);
            for (const auto &[name, unused] : chains)
                if (name.find("KUBE-") != name.npos) return "left behind: " + name;
            if (chains["nat PREROUTING"] != std::vector<std::string>{"-j MINE"}) return "the rule of another is gone";
            return {};
        });
    }

    /// More than one message to the kernel can carry, as an ordinary user.
    void large_data() { test::iptablesBackends(); }
    void large() {
        QFETCH(int, backend);
        inBackend(static_cast<IptablesBackend>(backend), [](Pair &pair) -> std::string {
            ClusterState state;
            for (unsigned i = 0; i < 400; ++i) {
                const auto one =
                    service("s" + std::to_string(i), fmt::format("172.30.{}.{}", 1 + i / 200, 1 + i % 200));
                state.put(slice(one, {{"10.1.1.5", "n1"}, {"10.1.2.5", "n2"}}));
                state.put(one);
            }
            auto plan = planFor(state);
            if (auto status = pair.applier.apply(plan); !status) return status.error().sentence();
            if (auto text = difference(present(pair.program, IpFamily::v4), wanted(plan)); !text.empty()) return text;
            state.put(slice(service("s7", "172.30.1.8"), {{"10.1.1.6", "n1"}}));
            plan = planFor(state, IpFamily::v4, &plan);
            if (auto status = pair.applier.apply(plan); !status) return status.error().sentence();
            return difference(present(pair.program, IpFamily::v4), wanted(plan));
        });
    }

    /// The kernel's rule counts what kube-proxy has counted by nfacct.
    void countsInvalidPackets() {
        inBackend(IptablesBackend::nft, [](Pair &pair) -> std::string {
            const auto plan = planFor(cluster());
            if (auto status = pair.applier.apply(plan); !status) return status.error().sentence();
            if (pair.applier.invalidDropped().value_or(99) != 0) return "counts without packets";
            // Counters may be written, so a rule can be made to have seen some.
            const auto counted = pair.program.restore(
                IpFamily::v4, "*filter\n-R KUBE-FORWARD 1 -m conntrack --ctstate INVALID -c 7 420 -j DROP\nCOMMIT\n");
            if (!counted) return counted.error().sentence();
            if (const auto found = pair.applier.invalidDropped().value_or(99); found != 7)
                return fmt::format("{}", found);
            const auto drift = pair.applier.drift(plan);
            return drift && drift->empty() ? "" : "counters are no drift";
        });
    }

    /// What is counted goes on, whoever writes the rule again: a full sync, the mending of a drift.
    void invalidPacketsStayCounted() {
        inBackend(IptablesBackend::nft, [](Pair &pair) -> std::string {
            const auto full = [&](unsigned mark) {
                auto plan = planFor(cluster());
                plan.masqueradeMark = mark; // so that everything is written
                return plan;
            };
            const auto seen = [&](const std::string &expected) -> std::string {
                const auto found = pair.applier.invalidDropped();
                return found && std::to_string(*found) == expected ? "" : expected + " expected";
            };
            const std::string drop = "-m conntrack --ctstate INVALID", jump = " -j DROP\nCOMMIT\n";
            if (auto status = pair.applier.apply(full(0x4000)); !status) return status.error().sentence();
            if (!pair.program.restore(IpFamily::v4, "*filter\n-R KUBE-FORWARD 1 " + drop + " -c 7 420" + jump))
                return "no rule to count with";
            if (auto status = pair.applier.apply(full(0x8000)); !status) return status.error().sentence();
            if (pair.applier.statistics().full != 2) return "not written whole";
            if (auto text = seen("7"); !text.empty()) return "after a full sync: " + text;
            if (!pair.program.restore(IpFamily::v4, "*filter\n-R KUBE-FORWARD 1 " + drop + " -c 2 120" + jump))
                return "no rule to count with";
            if (auto text = seen("9"); !text.empty()) return "both rules: " + text;
            if (!pair.program.restore(IpFamily::v4, "*filter\n-A KUBE-FORWARD -s 192.0.2.1 -j DROP\nCOMMIT\n"))
                return "no drift made";
            const auto mended = pair.applier.mend(full(0x8000));
            if (!mended || mended->empty()) return "nothing was mended";
            return seen("9");
        });
    }

    /// A full sync that fails after the filter table leaves the rule that counts: what it counts goes on being told.
    void countedWhenHalfSynced() {
        inBackend(IptablesBackend::nft, [](Pair &pair) -> std::string {
            const auto told = [&] {
                const auto found = pair.applier.invalidDropped();
                return found ? std::to_string(*found) : found.error().sentence();
            };
            const auto count = [&](int packets) {
                const auto rule = fmt::format("*filter\n-R KUBE-FORWARD 1 -m conntrack --ctstate INVALID -c {} 420 -j "
                                              "DROP\nCOMMIT\n",
                                              packets);
                return pair.program.restore(IpFamily::v4, rule).has_value();
            };
            if (auto status = pair.applier.apply(planFor(cluster())); !status) return status.error().sentence();
            if (!count(7)) return "no rule to count with";
            auto plan = planFor(cluster());
            plan.detector.kind = LocalDetector::Kind::interface;
            plan.detector.interface = "name-that-no-interface-can-have";
            if (pair.applier.apply(plan)) return "the nat table took a name of an interface that is too long";
            if (told() != "7") return "after half of a full sync: " + told();
            if (!count(2)) return "no new rule to count with";
            if (told() != "9") return "both rules: " + told();
            if (auto status = pair.applier.apply(planFor(cluster())); !status) return status.error().sentence();
            return told() == "9" ? "" : "after a whole full sync: " + told();
        });
    }

    /// As kube-proxy's, every restore keeps counters that its input names.
    void restoreKeepsCounters_data() { test::iptablesBackends(); }
    void restoreKeepsCounters() {
        QFETCH(int, backend);
        inBackend(static_cast<IptablesBackend>(backend), [](Pair &pair) -> std::string {
            const auto made =
                pair.program.restore(IpFamily::v4, "*filter\n:OURS - [0:0]\n[3:300] -A OURS -j ACCEPT\nCOMMIT\n");
            if (!made) return made.error().sentence();
            const auto listed = pair.program.save(IpFamily::v4, "filter", IptablesProgram::Counters::with).value();
            return packetsOf(listed, "-A OURS -j ACCEPT") == 3 ? "" : listed;
        });
    }

    /// The legacy programs lock their tables: a restore waits for whoever has them, and does not fail.
    void restoreWaitsForTheTables() {
        if (::access("/run", W_OK) == 0) QSKIP("as root the lock is the machine's own: not taken from others here");
        inBackend(IptablesBackend::legacy, [](Pair &pair) -> std::string {
            const int lock = ::open("/dev/null", O_RDWR | O_CLOEXEC); // what the programs are told to lock
            if (::flock(lock, LOCK_EX) != 0) return "no lock";
            std::atomic<bool> released = false;
            std::jthread other([&] {
                std::this_thread::sleep_for(std::chrono::milliseconds(300));
                released = true;
                ::flock(lock, LOCK_UN);
            });
            if (const auto made = pair.program.restore(IpFamily::v4, "*filter\n:OURS - [0:0]\nCOMMIT\n"); !made)
                return made.error().sentence();
            return released ? "" : "did not wait";
        });
    }

    /// A change that the kernel refuses, because someone flushed our chains, is followed by a whole one.
    void repaired() {
        inBackend(IptablesBackend::nft, [](Pair &pair) -> std::string {
            auto state = cluster();
            auto plan = planFor(state);
            if (auto status = pair.applier.apply(plan); !status) return status.error().sentence();
            const auto flushed = pair.program.restore(IpFamily::v4, "*nat\n-F KUBE-SERVICES\nCOMMIT\n");
            if (!flushed) return flushed.error().sentence();
            // The cluster IP of a Service without endpoints leaves nat KUBE-SERVICES: a rule that is no longer there.
            for (const auto &[name, slice] : cluster().endpointSlices) {
                auto emptied = *slice;
                emptied.endpoints.clear();
                state.put(emptied);
            }
            plan = planFor(state, IpFamily::v4, &plan);
            if (auto status = pair.applier.apply(plan); !status) return status.error().sentence();
            return difference(present(pair.program, IpFamily::v4), wanted(plan));
        });
    }
};

NATLENS_TEST(TestIptablesApplier)
#include "tst_iptables_applier.moc"
