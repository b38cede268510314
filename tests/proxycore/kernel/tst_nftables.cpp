// The nftables rule set: against what kube-proxy wrote, in a real kernel, and kept in step by changes.
#ifndef Q_MOC_RUN // moc of Qt 6.4 stumbles over <concepts>
#include "proxycore/kernel/kernel_test.h"
#include "proxycore/kernel/random_changes.h"
#endif

#include "tests/test_program.h"

using namespace natlens::proxycore;
using namespace natlens::proxycore::test;
using natlens::test::normalForm;

namespace {

Blocks expectedBlocks(const std::string &file) {
    Blocks blocks;
    const auto document = Json::parse(natlens::test::dataFile("cluster/" + file));
    for (const auto &[name, lines] : document.items())
        for (const auto &line : lines) {
            auto &block = blocks[name];
            if (line.is_string())
                block.push_back(line.get<std::string>());
            else
                for (const auto &element : line)
                    block.push_back("element " + element.get<std::string>());
        }
    return blocks;
}

/// The listing of this namespace's kube-proxy table in normal form, as text (to compare and to send through a pipe).
std::string kernelText(NftablesApplier &applier, const std::string &table) {
    const auto listing = applier.listRuleset();
    if (!listing) return "error: " + listing.error().sentence();
    std::string text;
    for (const auto &[name, lines] : normalForm(*listing, table)) {
        text += name + "\n";
        for (const auto &line : lines)
            text += "  " + line + "\n";
    }
    return text;
}

} // namespace

class TestNftables : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void sameRulesAsKubeProxy_data() {
        QTest::addColumn<QString>("file");
        QTest::addColumn<bool>("six");
        QTest::newRow("IPv4") << "nftables-n1-v4.json" << false;
        QTest::newRow("IPv6") << "nftables-n1-v6.json" << true;
    }
    void sameRulesAsKubeProxy() {
        QFETCH(QString, file);
        QFETCH(bool, six);
        const auto plan = recordedPlan(recordedCluster(), six ? IpFamily::v6 : IpFamily::v4);
        QVERIFY(plan.problems.empty());
        const auto made = normalForm(toNftText(plan), six ? "ip6 kube-proxy" : "ip kube-proxy");
        const auto expected = expectedBlocks(file.toStdString());
        QVERIFY(expected.size() > 20);
        const auto found = difference(made, expected);
        QVERIFY2(found.empty(), found.c_str());
    }

    void kernelHasWhatWasWritten_data() {
        QTest::addColumn<bool>("six");
        QTest::newRow("IPv4") << false;
        QTest::newRow("IPv6") << true;
    }
    /// Written as text, listed by the kernel: the same as what kube-proxy's kernel listed.
    void kernelHasWhatWasWritten() {
        QFETCH(bool, six);
        const std::string table = six ? "ip6 kube-proxy" : "ip kube-proxy";
        const auto result = natlens::test::inNamespace([&] {
            NftablesApplier applier;
            if (auto text = failure(applier.apply(recordedPlan(recordedCluster(), six ? IpFamily::v6 : IpFamily::v4)));
                !text.empty())
                return "error: " + text;
            return applier.listRuleset().value_or("error: no listing");
        });
        if (unavailable(result)) return;
        QVERIFY2(!result.text.starts_with("error") && !result.text.starts_with("died"), result.text.c_str());
        const auto found = difference(normalForm(result.text, table),
                                      expectedBlocks(six ? "nftables-n1-v6.json" : "nftables-n1-v4.json"));
        QVERIFY2(found.empty(), found.c_str());
    }

    /// The JSON document gives the same rules, apart from the comments that libnftables 1.0.6 does not read.
    void jsonGivesTheSameRules() {
        const auto result = natlens::test::inNamespace([] {
            std::string both;
            for (const auto encoding : {NftablesApplier::Encoding::text, NftablesApplier::Encoding::json}) {
                NftablesApplier applier(encoding);
                if (auto text = failure(applier.removeAll()); !text.empty()) return "error: " + text;
                if (auto text = failure(applier.apply(recordedPlan(recordedCluster()))); !text.empty())
                    return "error: " + text;
                both += kernelText(applier, "ip kube-proxy") + "=====\n";
            }
            return both;
        });
        if (unavailable(result)) return;
        QVERIFY2(!result.text.starts_with("error") && !result.text.starts_with("died"), result.text.c_str());
        const auto middle = result.text.find("=====\n");
        QString text = QString::fromStdString(result.text.substr(0, middle));
        QString json = QString::fromStdString(result.text.substr(middle + 6));
        json.chop(6);
        const auto withoutComments = [](const QString &listing) {
            QStringList lines;
            for (const auto &line : listing.split('\n'))
                if (!line.startsWith("  comment")) lines << line;
            return lines;
        };
        QCOMPARE(withoutComments(json), withoutComments(text));
        QVERIFY(text.contains("comment \"Active ClusterIPs\""));
    }

    /// A hundred changes one after the other leave exactly what a fresh start leaves.
    void changesEqualAFreshStart() {
        const auto result = natlens::test::inNamespace([]() -> std::string {
            std::mt19937 random(20241124);
            auto state = recordedCluster();
            NftablesApplier::TimePoint now{std::chrono::hours(1)};
            NftablesApplier kept(NftablesApplier::Encoding::netlink, [&] { return now; }), fresh;
            auto plan = recordedPlan(state);
            if (auto text = failure(kept.apply(plan)); !text.empty()) return text;
            for (int round = 1; round <= 100; ++round) {
                now += std::chrono::milliseconds(round % 3 * 500); // some chains go at the next change, some later
                mutate(state, random);
                auto next = recordedPlan(state, IpFamily::v4, &plan);
                if (!(next == recordedPlan(state))) return "a plan made with a previous one differs";
                if (auto text = failure(kept.apply(next)); !text.empty()) return text;
                plan = std::move(next);
                if (round % 10 != 0) continue;
                now += std::chrono::seconds(1);
                if (auto text = failure(kept.apply(plan)); !text.empty()) return text; // deletes what waits
                const auto after = kernelText(kept, "ip kube-proxy");
                // A kept table would only be mended.
                fresh = NftablesApplier();
                if (auto text = failure(fresh.removeAll()); !text.empty()) return text;
                if (auto text = failure(fresh.apply(plan)); !text.empty()) return text;
                const auto expected = kernelText(fresh, "ip kube-proxy");
                if (after != expected) return "round " + std::to_string(round) + "\n" + after + "=====\n" + expected;
                if (kept.statistics().failed != 0) return "a transaction was refused";
            }
            const auto &statistics = kept.statistics();
            if (statistics.full != 1 || statistics.incremental < 50)
                return "full " + std::to_string(statistics.full) + " incremental " +
                       std::to_string(statistics.incremental);
            return "fine";
        });
        if (unavailable(result)) return;
        QCOMPARE(QString::fromStdString(result.text), QString("fine"));
    }

    /// A chain that is no longer used is emptied at once and deleted by a later sync, a second afterwards at the
    /// earliest; its affinity set goes at once. What cannot be deleted makes the next sync a full one.
    void unusedChainsWait() {
        const auto result = natlens::test::inNamespace([]() -> std::string {
            NftablesApplier::TimePoint now{std::chrono::hours(1)};
            NftablesApplier applier(NftablesApplier::Encoding::netlink, [&] { return now; });
            auto state = documentNodes();
            auto web = service("web", "10.0.1.2");
            web.clientIpAffinity = true;
            state.put(web);
            std::string story;
            const auto sync = [&](const char *endpoint, std::chrono::milliseconds later = {}) {
                now += later;
                state.put(slice(web, {{std::string("10.180.1.") + endpoint, "node1"}}));
                story += failure(applier.apply(makePlan(state, {}, {.nodeName = "node1", .localAddresses = {}})));
            };
            // "6": the endpoint 6 has a chain with rules; "(6)": an empty one; "+6": an affinity set.
            const auto tell = [&] {
                const auto blocks = normalForm(applier.listRuleset().value_or(""), "ip kube-proxy");
                for (const std::string last : {"5", "6", "7"})
                    for (const auto &[name, lines] : blocks) {
                        if (!name.ends_with("__10.180.1." + last + "/8080")) continue;
                        if (name.starts_with("chain endpoint-")) story += lines.empty() ? "(" + last + ")" : last;
                        if (name.starts_with("set affinity-")) story += "+" + last;
                    }
                story += " ";
            };
            sync("5");
            sync("6");
            tell();
            sync("6", std::chrono::milliseconds(999));
            tell();
            sync("6", std::chrono::milliseconds(1));
            tell();
            sync("7");
            sync("6"); // an endpoint that comes back in time keeps its chain
            tell();
            sync("6", std::chrono::seconds(2));
            tell();
            if (applier.statistics().full != 1 || applier.statistics().failed != 0) return "refused: " + story;
            // Somebody deletes the chain that waits: that is noticed and put right.
            sync("7");
            for (const auto &[name, lines] : normalForm(applier.listRuleset().value_or(""), "ip kube-proxy"))
                if (name.starts_with("chain endpoint-") && lines.empty())
                    if (std::system(("nft delete chain ip kube-proxy " + name.substr(6)).c_str()) != 0)
                        return "nft " + name;
            sync("7", std::chrono::seconds(2));
            tell();
            const auto &statistics = applier.statistics();
            if (statistics.cleanUpFailed != 1 || statistics.full != 2) return "not told: " + story;
            return story;
        });
        if (unavailable(result)) return;
        QCOMPARE(QString::fromStdString(result.text), QString("(5)6+6 (5)6+6 6+6 6+6(7) 6+6 7+7 "));
    }

    /// A new timeout of the affinity reaches the set that is there, and what it remembers stays.
    void affinityTimeoutChanges() {
        const auto result = natlens::test::inNamespace([]() -> std::string {
            NftablesApplier applier;
            auto state = documentNodes();
            auto web = service("web", "10.0.1.2");
            web.clientIpAffinity = true;
            const auto sync = [&](int seconds) {
                web.affinityTimeout = std::chrono::seconds(seconds);
                state.put(web);
                state.put(slice(web, {{"10.180.1.5", "node1"}}));
                return failure(applier.apply(makePlan(state, {}, {.nodeName = "node1", .localAddresses = {}})));
            };
            const auto set = [&]() -> std::pair<std::string, std::vector<std::string>> {
                for (auto &[name, lines] : normalForm(applier.listRuleset().value_or(""), "ip kube-proxy"))
                    if (name.starts_with("set affinity-")) return {name.substr(4), lines};
                return {};
            };
            const auto has = [](const std::vector<std::string> &lines, std::string_view what) {
                return std::ranges::any_of(lines, [&](const auto &line) { return line.find(what) != line.npos; });
            };
            if (auto text = sync(60); !text.empty()) return text;
            const auto [name, before] = set();
            if (!has(before, "timeout 60s")) return "no timeout of 60 s";
            if (std::system(("nft add element ip kube-proxy " + name + " '{ 9.9.9.9 }'").c_str()) != 0) return "nft";
            if (auto text = sync(120); !text.empty()) return text;
            const auto after = set().second;
            if (!has(after, "timeout 120s")) return "no timeout of 120 s";
            // A kernel that does not change the timeout of a set gets a new table.
            return has(after, "9.9.9.9") || applier.statistics().full == 2 ? "fine" : "the client is forgotten";
        });
        if (unavailable(result)) return;
        QCOMPARE(QString::fromStdString(result.text), QString("fine"));
    }

    void someoneElseChangedTheTable() {
        const auto result = natlens::test::inNamespace([]() -> std::string {
            auto state = documentNodes();
            const auto nodePort = service("nodeport", "10.0.1.2", ServiceType::nodePort, 32080);
            state.put(nodePort);
            state.put(slice(nodePort, {{"10.180.1.136", "node1"}}));
            const PlanTarget target{.nodeName = "node1", .localAddresses = {}};
            NftablesApplier applier, other;
            if (auto text = failure(applier.apply(makePlan(state, {}, target))); !text.empty()) return text;
            if (auto text = failure(other.removeAll()); !text.empty()) return text;
            state.put(slice(nodePort, {{"10.180.2.7", "node2"}}));
            if (auto text = failure(applier.apply(makePlan(state, {}, target))); !text.empty()) return text;
            if (applier.statistics().full != 2) return "not repaired by a full replacement";
            return kernelText(applier, "ip kube-proxy").find("10.180.2.7 . 8080") == std::string::npos ? "no endpoint"
                                                                                                       : "fine";
        });
        if (unavailable(result)) return;
        QCOMPARE(QString::fromStdString(result.text), QString("fine"));
    }

    /// More than an unprivileged netlink socket takes at once.
    void manyServicesWithoutPrivileges() {
        const auto result = natlens::test::inNamespace([]() -> std::string {
            ClusterState state = documentNodes();
            for (int i = 0; i < 600; ++i) {
                auto one = service("s" + std::to_string(i),
                                   "10.0." + std::to_string(i / 200) + "." + std::to_string(i % 200 + 1));
                one.clientIpAffinity = i % 10 == 0;
                one.externalIPs = {
                    IpAddress::v4(192, 0, static_cast<std::uint8_t>(i / 200), static_cast<std::uint8_t>(i % 200))};
                state.put(one);
                state.put(slice(one, {{"10.180.1." + std::to_string(i % 200 + 1), "node1"}, {"10.180.2.1", "node2"}}));
            }
            const PlanTarget target{.nodeName = "node1", .localAddresses = {}};
            NftablesApplier::TimePoint now{std::chrono::hours(1)};
            NftablesApplier applier(NftablesApplier::Encoding::netlink, [&] { return now; });
            const auto plan = makePlan(state, {}, target);
            if (auto text = failure(applier.apply(plan)); !text.empty()) return text;
            const auto blocks = normalForm(applier.listRuleset().value_or(""), "ip kube-proxy");
            const auto expected = normalForm(toNftText(plan), "ip kube-proxy");
            if (auto found = difference(blocks, expected); !found.empty()) return found;
            for (auto &[name, one] : state.services) {
                auto changed = *one;
                changed.externalIPs.clear();
                one = std::make_shared<const Service>(changed);
            }
            const auto less = makePlan(state, {}, target, &plan);
            if (auto text = failure(applier.apply(less)); !text.empty()) return text;
            if (applier.statistics().incremental != 1) return "not a change";
            now += std::chrono::seconds(1);
            if (auto text = failure(applier.apply(less)); !text.empty()) return text; // deletes what waits
            const auto after = normalForm(applier.listRuleset().value_or(""), "ip kube-proxy");
            return difference(after, normalForm(toNftText(less), "ip kube-proxy"));
        });
        if (unavailable(result)) return;
        QCOMPARE(QString::fromStdString(result.text), QString());
    }

    void bothFamiliesAndTraceSideBySide() {
        const auto result = natlens::test::inNamespace([]() -> std::string {
            NftablesApplier applier;
            for (const auto family : {IpFamily::v4, IpFamily::v6})
                if (auto text = failure(applier.apply(recordedPlan(recordedCluster(), family))); !text.empty())
                    return text;
            for (int twice = 0; twice < 2; ++twice)
                if (auto text = failure(applier.installTrace()); !text.empty()) return text;
            const auto listing = applier.listRuleset().value_or("");
            const auto trace = normalForm(listing, "inet natlens");
            if (normalForm(listing, "ip kube-proxy").empty() || normalForm(listing, "ip6 kube-proxy").empty())
                return "tables";
            for (const auto *name : {"chain trace-prerouting", "chain trace-output"}) {
                const auto found = trace.find(name);
                if (found == trace.end() || found->second.size() != 2) return listing;
                if (found->second[0].find("priority -190") == std::string::npos) return listing;
                if (found->second[1] != "ct state new meta nftrace set 1") return listing;
            }
            if (auto text = failure(applier.removeAll()); !text.empty()) return text;
            return applier.listRuleset().value_or("error").empty() ? "fine" : "not removed";
        });
        if (unavailable(result)) return;
        QCOMPARE(QString::fromStdString(result.text), QString("fine"));
    }

    void changeTouchesOnlyWhatChanged() {
        auto state = recordedCluster();
        const auto before = recordedPlan(state);
        nft::References references;
        (void)nft::fullChanges(before, references);
        auto changed = *state.endpointSlices.at({"t", "cip-ipv4"});
        changed.endpoints.pop_back();
        state.put(changed);
        const auto after = recordedPlan(state, IpFamily::v4, &before);
        const auto changes = nft::difference(before, after, references);
        QVERIFY(!changes.replaceTable);
        QCOMPARE(changes.chains.size(), std::size_t{1});
        QCOMPARE(QString::fromStdString(changes.chains.front().name), QString("service-4OTCGSE5-t/cip/tcp/p80"));
        QVERIFY(changes.added.empty() && changes.removed.empty() && changes.staleChains.empty());
        QVERIFY(nft::difference(after, recordedPlan(state), references).empty());
    }
};

NATLENS_TEST(TestNftables)
#include "tst_nftables.moc"
