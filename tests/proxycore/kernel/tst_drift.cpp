// Someone else changes the kernel's rules: it is reported in words, and mended.
#ifndef Q_MOC_RUN // moc of Qt 6.4 stumbles over <concepts>
#include "proxycore/kernel/iptables_applier.h"
#include "proxycore/kernel/iptables_listing.h"
#include "proxycore/kernel/kernel_test.h"
#include "proxycore/kernel/random_changes.h"
#endif

#include <QRegularExpression>
#include "tests/test_program.h"

#include <cstdlib>

using namespace natlens::proxycore;
using namespace natlens::proxycore::test;

namespace {

ProxyPlan planIn(Mode mode, IpFamily family = IpFamily::v4) {
    return makePlan(recordedCluster(), recordedConfig(),
                    {.nodeName = "n1", .localAddresses = {}, .mode = mode, .family = family});
}

std::string sentences(const std::vector<Drift> &drift) {
    std::string text;
    for (const auto &one : drift)
        text += one.sentence() + "\n";
    return text;
}

bool run(const std::string &command) {
    return std::system((command + " 2>&1").c_str()) == 0;
}

/// What is found after `command` has changed the rules, what mending finds, and what is left after it.
template<class Applier>
std::string driftAfter(Applier &applier, const ProxyPlan &plan, const std::string &command) {
    if (auto text = failure(applier.apply(plan)); !text.empty()) return "error: " + text;
    const auto before = applier.drift(plan);
    if (!before) return "error: " + before.error().sentence();
    if (!before->empty()) return "error: drift after apply: " + sentences(*before);
    if (!run(command)) return "error: " + command;
    const auto found = applier.drift(plan);
    if (!found) return "error: " + found.error().sentence();
    const auto mended = applier.mend(plan);
    if (!mended) return "error: " + mended.error().sentence();
    if (!(*mended == *found)) return "error: mending found something else: " + sentences(*mended);
    const auto left = applier.drift(plan);
    if (!left) return "error: " + left.error().sentence();
    if (!left->empty()) return "error: left after mending: " + sentences(*left);
    return sentences(*found);
}

} // namespace

class TestDrift : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void nftables_data() {
        QTest::addColumn<QString>("command");
        QTest::addColumn<QString>("found");
        const QString table = "ip kube-proxy";
        QTest::newRow("nothing") << "true"
                                 << "";
        QTest::newRow("whole table deleted") << "nft delete table " + table << "missing table ip kube-proxy\n";
        QTest::newRow("rule deleted")
            << "nft delete rule " + table + " masquerading handle $(nft -a list chain " + table +
                   " masquerading | sed -n 's/.*hairpin.*# handle //p')"
            << "missing rule in chain masquerading: ct status dnat ip saddr . ip daddr . meta l4proto . th dport "
               "@hairpin-connections masquerade fully-random\n";
        QTest::newRow("chain flushed") << "nft flush chain " + table + " reject-chain"
                                       << "missing rule in chain reject-chain: reject\n";
        QTest::newRow("rule added") << "nft add rule " + table + " services ip saddr 9.9.9.9 counter accept"
                                    << "foreign rule in chain services: ip saddr 9.9.9.9 counter packets 0 bytes 0 "
                                       "accept\n";
        QTest::newRow("rule replaced")
            << "nft replace rule " + table + " reject-chain handle $(nft -a list chain " + table +
                   " reject-chain | sed -n 's/.*reject with.*# handle //p; s/.*reject # handle //p' | head -1) drop"
            << "changed rule in chain reject-chain: drop, should be reject\n";
        QTest::newRow("other endpoints")
            << "nft flush chain " + table + " service-4OTCGSE5-t/cip/tcp/p80; nft add rule " + table +
                   " service-4OTCGSE5-t/cip/tcp/p80 meta l4proto tcp dnat ip addr . port to numgen random mod 2 "
                   "map { 0 : 10.1.1.5 . 8080, 1 : 10.1.9.9 . 8080 }"
            << "changed rule in chain service-4OTCGSE5-t/cip/tcp/p80: *, should be meta l4proto tcp dnat ip addr . "
               "port to numgen random mod *";
        QTest::newRow("element added") << "nft add element " + table + " cluster-ips { 9.9.9.9 }"
                                       << "foreign element of set cluster-ips: 9.9.9.9\n";
        QTest::newRow("element deleted")
            << "nft delete element " + table + " no-endpoint-services { 172.30.1.9 . tcp . 80 }"
            << "missing element of map no-endpoint-services: 172.30.1.9 . tcp . 80 comment \"t/noep:p80\" : goto "
               "reject-chain\n";
        QTest::newRow("element with another verdict")
            << "nft delete element " + table + " no-endpoint-services { 172.30.1.9 . tcp . 80 }; nft add element " +
                   table + " no-endpoint-services { 172.30.1.9 . tcp . 80 comment \\\"t/noep:p80\\\" : drop }"
            << "changed element of map no-endpoint-services: 172.30.1.9 . tcp . 80 comment \"t/noep:p80\" : drop, "
               "should be 172.30.1.9 . tcp . 80 comment \"t/noep:p80\" : goto reject-chain\n";
        QTest::newRow("chain and set added") << "nft add chain " + table + " mine; nft add rule " + table +
                                                    " mine drop; nft add set " + table + " seen '{ type ipv4_addr; }'"
                                             << "foreign chain mine: 1 rules\nforeign set seen\n";
        // What rules put into a set is no drift, the set itself is.
        const QString affinity = " affinity-73XZHMRR-t/aff/tcp/p80__10.1.2.5/8080";
        QTest::newRow("a client is remembered") << "nft add element " + table + affinity + " '{ 9.9.9.9 }'"
                                                << "";
        QTest::newRow("another affinity timeout")
            << "nft add set " + table + affinity +
                   " '{ type ipv4_addr; size 65535; flags dynamic,timeout; timeout 5s; }'"
            << "changed set" + affinity + ": its type, flags or timeout\n";
        const QString endpoint = "endpoint-73XZHMRR-t/aff/tcp/p80__10.1.2.5/8080", choice = "service-4A7HD423-t/aff/tcp/p80";
        QTest::newRow("affinity set deleted")
            << QString("nft 'flush chain %1 %2; flush chain %1 %3; delete set %1%4'").arg(table, choice, endpoint, affinity)
            << "missing set" + affinity + "\n*missing rule in chain " + endpoint + ": update @affinity*";
        QTest::newRow("priority of an older kube-proxy")
            << "nft delete chain " + table + " filter-output-pre-dnat; nft add chain " + table +
                   " filter-output-pre-dnat '{ type filter hook output priority -90; }'; nft add rule " + table +
                   " filter-output-pre-dnat ct state new jump firewall-check"
            << "changed chain filter-output-pre-dnat: its type, hook, priority or policy\n";
        QTest::newRow("base chain drops") << "nft chain " + table + " filter-forward '{ policy drop; }'"
                                          << "changed chain filter-forward: its type, hook, priority or policy\n";
        QTest::newRow("table asleep") << "nft add table " + table + " '{ flags dormant; }'"
                                      << "changed table ip kube-proxy: it is dormant or owned by a program\n";
    }
    void nftables() {
        QFETCH(QString, command);
        QFETCH(QString, found);
        const auto result = natlens::test::inNamespace([&] {
            NftablesApplier applier;
            return driftAfter(applier, planIn(Mode::nftables), command.toStdString());
        });
        if (unavailable(result)) return;
        const auto text = QString::fromStdString(result.text);
        const auto pattern =
            "^" + QRegularExpression::escape(found).replace("\\*", ".*") + (found.endsWith('*') ? "\n$" : "$");
        const QRegularExpression words(pattern, QRegularExpression::DotMatchesEverythingOption);
        QVERIFY2(words.match(text).hasMatch(), qPrintable(text));
    }

    void iptables_data() {
        QTest::addColumn<QString>("command");
        QTest::addColumn<QString>("found");
        QTest::newRow("nothing") << "true"
                                 << "";
        QTest::newRow("jump deleted") << "iptables-nft -t nat -D POSTROUTING 1"
                                      << "missing rule in chain POSTROUTING of table nat: -m comment --comment "
                                         "\"kubernetes postrouting rules\" -j "
                                         "KUBE-POSTROUTING\n";
        QTest::newRow("chain flushed") << "iptables-nft -t nat -F KUBE-MARK-MASQ"
                                       << "missing rule in chain KUBE-MARK-MASQ of table nat: -j MARK --set-xmark "
                                          "0x4000/0x4000\n";
        QTest::newRow("rule added") << "iptables-nft -t nat -I KUBE-SERVICES -s 9.9.9.9 -j ACCEPT"
                                    << "foreign rule in chain KUBE-SERVICES of table nat: -s 9.9.9.9/32 -j ACCEPT\n";
        QTest::newRow("rule behind the last")
            << "rule=$(iptables-nft-save -t nat | grep '^-A KUBE-SERVICES' | head -1); "
               "eval iptables-nft -t nat -D ${rule#-A } && eval iptables-nft -t nat $rule"
            << "changed chain KUBE-SERVICES of table nat: the order of its rules\n";
        QTest::newRow("rule of another program") << "iptables-nft -A FORWARD -s 9.9.9.9 -j DROP"
                                                 << "";
        QTest::newRow("chain of a Service that is no more")
            << "iptables-nft -t nat -N KUBE-SVC-ABCDEFGHIJKLMNOP"
            << "foreign chain KUBE-SVC-ABCDEFGHIJKLMNOP of table nat: 0 rules\n";
        QTest::newRow("jump twice")
            << "iptables-nft -A FORWARD -m comment --comment 'kubernetes forwarding rules' -j KUBE-FORWARD"
            << "foreign rule in chain FORWARD of table filter: -m comment --comment \"kubernetes forwarding rules\" -j "
               "KUBE-FORWARD\n";
        QTest::newRow("canary gone") << "iptables-nft -t mangle -X KUBE-PROXY-CANARY"
                                     << "missing chain KUBE-PROXY-CANARY of table mangle\n";
    }
    void iptables() {
        QFETCH(QString, command);
        QFETCH(QString, found);
        auto probe = IptablesApplier::open(IptablesBackend::nft);
        if (!probe) QSKIP("iptables-nft is not installed");
        const auto result = natlens::test::inNamespace([&]() -> std::string {
            auto applier = IptablesApplier::open(IptablesBackend::nft);
            if (!applier) return applier.error().sentence();
            return driftAfter(*applier, planIn(Mode::iptables), command.toStdString());
        });
        if (unavailable(result)) return;
        QCOMPARE(QString::fromStdString(result.text), found);
    }

    /// No drift is seen where there is none: after each of a hundred changes, in both families and both modes.
    void noneAfterChanges_data() {
        QTest::addColumn<bool>("six");
        QTest::newRow("IPv4") << false;
        QTest::newRow("IPv6") << true;
    }
    void noneAfterChanges() {
        QFETCH(bool, six);
        const auto family = six ? IpFamily::v6 : IpFamily::v4;
        const auto result = natlens::test::inNamespace([&]() -> std::string {
            std::mt19937 random(7);
            auto state = recordedCluster();
            NftablesApplier applier;
            auto plan = recordedPlan(state, family);
            for (int round = 0; round < 100; ++round) {
                if (auto text = failure(applier.apply(plan)); !text.empty()) return text;
                const auto found = applier.drift(plan);
                if (!found) return found.error().sentence();
                if (!found->empty()) return "round " + std::to_string(round) + ": " + sentences(*found);
                mutate(state, random);
                plan = recordedPlan(state, family, &plan);
            }
            return "fine";
        });
        if (unavailable(result)) return;
        QCOMPARE(QString::fromStdString(result.text), QString("fine"));
    }

    /// A proxy that starts again finds its table, mends what has changed meanwhile, and goes on from there.
    void restartKeepsTheTable() {
        const auto result = natlens::test::inNamespace([]() -> std::string {
            auto state = recordedCluster();
            const auto first = recordedPlan(state);
            {
                NftablesApplier before;
                if (auto text = failure(before.apply(first)); !text.empty()) return text;
            }
            if (!run("nft add element ip kube-proxy cluster-ips { 9.9.9.9 }")) return "add element";
            const auto handle = [] {
                NftablesApplier reader;
                const auto listing = Json::parse(reader.listRuleset(NftablesApplier::Listing::json).value_or("{}"));
                for (const auto &object : listing["nftables"])
                    if (object.contains("table")) return object["table"]["handle"].get<int>();
                return -1;
            };
            const auto tableBefore = handle();
            auto changed = *state.endpointSlices.at({"t", "cip-ipv4"});
            changed.endpoints.pop_back();
            state.put(changed);
            const auto second = recordedPlan(state);
            NftablesApplier after;
            if (auto text = failure(after.apply(second)); !text.empty()) return text;
            if (handle() != tableBefore || tableBefore < 0) return "another table";
            if (after.statistics().full != 1 || after.statistics().failed != 0) return "statistics";
            const auto drift = after.drift(second);
            if (!drift || !drift->empty()) return "drift: " + (drift ? sentences(*drift) : drift.error().sentence());
            state.put(*recordedCluster().endpointSlices.at({"t", "cip-ipv4"}));
            const auto third = recordedPlan(state, IpFamily::v4, &second);
            if (auto text = failure(after.apply(third)); !text.empty()) return text;
            if (after.statistics().incremental != 1) return "not a change";
            const auto left = after.drift(third);
            return left && left->empty() ? "fine" : "drift after the change";
        });
        if (unavailable(result)) return;
        QCOMPARE(QString::fromStdString(result.text), QString("fine"));
    }
};

NATLENS_TEST(TestDrift)
#include "tst_drift.moc"
