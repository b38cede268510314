// Rules written as netlink messages: the kernel lists them exactly as it lists what nft makes of our text.
#ifndef Q_MOC_RUN // moc of Qt 6.4 stumbles over <concepts>
#include "proxycore/kernel/kernel_test.h"
#include "proxycore/kernel/nft_ranges.h"
#include "proxycore/kernel/nft_userdata.h"
#endif

#include "tests/test_program.h"

using namespace natlens::proxycore;
using namespace natlens::proxycore::test;

namespace {

/// Handles apart, and sets of no order in a fixed one: elements are listed in the order of a hash.
std::string listed(const ProxyPlan &plan, NftablesApplier::Encoding encoding, NftablesApplier::Listing listing) {
    NftablesApplier applier(encoding);
    if (auto text = failure(applier.removeAll()); !text.empty()) return "error: " + text;
    if (auto text = failure(applier.apply(plan)); !text.empty()) return "error: " + text;
    const auto result = applier.listRuleset(listing);
    return result ? *result : "error: " + result.error().sentence();
}

/// The JSON listing with every array of elements sorted and the handles left out.
Json normal(Json json) {
    if (json.is_object()) {
        json.erase("handle");
        for (auto &[key, value] : json.items())
            value = normal(value);
        for (const auto *unordered : {"elem", "set"})
            if (json.contains(unordered) && json[unordered].is_array())
                std::sort(json[unordered].begin(), json[unordered].end());
    } else if (json.is_array()) {
        for (auto &value : json)
            value = normal(value);
    }
    return json;
}

Service withRanges(std::vector<std::string> ranges) {
    auto result = service("ranged", "10.0.9.9", ServiceType::loadBalancer, 32090);
    result.ingress = {{.ip = ip("203.0.113.9"), .hostname = ""}};
    for (const auto &range : ranges)
        result.loadBalancerSourceRanges.push_back(*IpPrefix::parse(range));
    return result;
}

/// One Service with ranges besides the cluster of the recordings.
ProxyPlan planWithRanges(std::vector<std::string> ranges) {
    auto state = recordedCluster();
    const auto ranged = withRanges(std::move(ranges));
    state.put(ranged);
    state.put(slice(ranged, {{"10.1.1.77", "n1"}}));
    return recordedPlan(state);
}

ProxyPlan planWith(ProxyConfig config, IpFamily family = IpFamily::v4) {
    return makePlan(recordedCluster(), config,
                    {.nodeName = "n1", .localAddresses = {ip("10.9.9.9")}, .mode = Mode::nftables, .family = family});
}

ProxyPlan manyEndpoints(bool affinity) {
    auto state = recordedCluster();
    auto many = service("many", "10.0.8.8");
    many.clientIpAffinity = affinity;
    state.put(many);
    std::vector<TestEndpoint> endpoints;
    for (int i = 0; i < (affinity ? 100 : 3000); ++i)
        endpoints.push_back({"10.1." + std::to_string(i / 250 + 10) + "." + std::to_string(i % 250 + 1), "n2"});
    state.put(slice(many, endpoints));
    return recordedPlan(state);
}

} // namespace

class TestNftNetlink : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void sameListingAsText_data() {
        QTest::addColumn<ProxyPlan>("plan");
        QTest::newRow("recorded cluster, IPv4") << recordedPlan(recordedCluster());
        QTest::newRow("recorded cluster, IPv6") << recordedPlan(recordedCluster(), IpFamily::v6);
        ProxyConfig config;
        config.masqueradeAll = true;
        config.nodePortAddresses = {"0.0.0.0/0", "::/0"};
        QTest::newRow("masquerade all, node ports everywhere, IPv4") << planWith(config);
        QTest::newRow("masquerade all, node ports everywhere, IPv6") << planWith(config, IpFamily::v6);
        config = {};
        config.clusterCIDRs = {*IpPrefix::parse("10.1.128.0/17"), *IpPrefix::parse("fd00:10::/45")};
        config.masqueradeBit = 3;
        QTest::newRow("pod range within a byte, IPv4") << planWith(config);
        QTest::newRow("pod range within a byte, IPv6") << planWith(config, IpFamily::v6);
        config.clusterCIDRs = {*IpPrefix::parse("0.0.0.0/0")};
        QTest::newRow("every source is a pod") << planWith(config);
        config.serviceCIDRs = {*IpPrefix::parse("172.30.0.0/16"), *IpPrefix::parse("10.96.0.0/12")};
        config.detectLocalMode = DetectLocalMode::bridgeInterface;
        config.bridgeInterface = "cbr0";
        QTest::newRow("pods behind a bridge") << planWith(config);
        config.detectLocalMode = DetectLocalMode::interfaceNamePrefix;
        config.interfaceNamePrefix = "veth";
        QTest::newRow("pods behind veth*") << planWith(config);
        QTest::newRow("one source") << planWithRanges({"198.51.100.7/32"});
        QTest::newRow("one range") << planWithRanges({"198.51.100.0/25"});
        QTest::newRow("addresses only") << planWithRanges({"198.51.100.7/32", "198.51.100.9/32", "198.51.100.8/32"});
        QTest::newRow("ranges that overlap, touch and reach the end")
            << planWithRanges({"10.0.0.0/8", "10.3.0.0/16", "11.0.0.0/8", "255.0.0.0/8", "1.2.3.4/32", "10.0.0.0/8"});
        QTest::newRow("ranges from the first address on") << planWithRanges({"0.0.0.0/8", "192.168.0.0/16"});
        QTest::newRow("ranges that hold the node") << planWithRanges({"192.168.0.0/16", "8.8.8.8/32"});
        QTest::newRow("3000 endpoints") << manyEndpoints(false);
        QTest::newRow("100 endpoints with affinity") << manyEndpoints(true);
    }
    void sameListingAsText() {
        QFETCH(ProxyPlan, plan);
        const auto result = natlens::test::inNamespace([&] {
            using enum NftablesApplier::Encoding;
            std::string all;
            for (const auto listing : {NftablesApplier::Listing::text, NftablesApplier::Listing::json})
                for (const auto encoding : {text, netlink})
                    all += listed(plan, encoding, listing) + '\f';
            return all;
        });
        if (unavailable(result)) return;
        const auto parts = QString::fromStdString(result.text).split('\f');
        QCOMPARE(parts.size(), 5);
        for (const auto &part : parts)
            QVERIFY2(!part.startsWith("error"), qPrintable(part));
        const std::string table = plan.family == IpFamily::v6 ? "ip6 kube-proxy" : "ip kube-proxy";
        const auto expected = natlens::test::normalForm(parts[0].toStdString(), table);
        QVERIFY(expected.size() > 20);
        const auto found = difference(natlens::test::normalForm(parts[1].toStdString(), table), expected);
        QVERIFY2(found.empty(), found.c_str());
        const auto fromText = normal(Json::parse(parts[2].toStdString()))["nftables"];
        const auto fromNetlink = normal(Json::parse(parts[3].toStdString()))["nftables"];
        // Objects of one kind come in the order of their creation, which is not the same: sets before chains.
        std::vector<std::string> a, b;
        for (const auto &object : fromText)
            a.push_back(object.dump());
        for (const auto &object : fromNetlink)
            b.push_back(object.dump());
        std::sort(a.begin(), a.end());
        std::sort(b.begin(), b.end());
        QCOMPARE(b.size(), a.size());
        for (std::size_t i = 0; i < a.size(); ++i)
            QCOMPARE(QString::fromStdString(b[i]), QString::fromStdString(a[i]));
    }

    void boundsOfRanges_data() {
        QTest::addColumn<QStringList>("ranges");
        QTest::addColumn<QStringList>("bounds");
        QTest::newRow("addresses stay apart")
            << QStringList{"1.0.0.2", "1.0.0.1", "1.0.0.2"} << QStringList{"1.0.0.1", "1.0.0.2"};
        QTest::newRow("one") << QStringList{"10.0.0.0/8"} << QStringList{"0.0.0.0 end", "10.0.0.0", "11.0.0.0 end"};
        QTest::newRow("within each other")
            << QStringList{"10.0.0.0/8", "10.1.0.0/16"} << QStringList{"0.0.0.0 end", "10.0.0.0", "11.0.0.0 end"};
        QTest::newRow("neighbours") << QStringList{"10.0.0.0/8", "11.0.0.0/8"}
                                    << QStringList{"0.0.0.0 end", "10.0.0.0", "12.0.0.0 end"};
        QTest::newRow("from zero") << QStringList{"0.0.0.0/1", "192.0.0.0/8"}
                                   << QStringList{"0.0.0.0", "128.0.0.0 end", "192.0.0.0", "193.0.0.0 end"};
        QTest::newRow("to the end") << QStringList{"255.0.0.0/8", "9.9.9.9"}
                                    << QStringList{"0.0.0.0 end", "9.9.9.9", "9.9.9.10 end", "255.0.0.0 open"};
        QTest::newRow("IPv6 to the end") << QStringList{"ffff::/16"} << QStringList{":: end", "ffff:: open"};
    }
    void boundsOfRanges() {
        QFETCH(QStringList, ranges);
        QFETCH(QStringList, bounds);
        std::vector<IpPrefix> prefixes;
        for (const auto &range : ranges)
            prefixes.push_back(*IpPrefix::parse(range.toStdString()));
        QStringList made;
        for (const auto &bound : nft::AddressSpans(prefixes).bounds())
            made << QString::fromStdString(bound.address.toString() + (bound.isEnd    ? " end"
                                                                       : bound.isOpen ? " open"
                                                                                      : ""));
        QCOMPARE(made, bounds);
    }

    void commentsComeBack() {
        const auto data = nft::commentData("t/lb-local-none:p80");
        QCOMPARE(nft::commentIn(data), std::string_view("t/lb-local-none:p80"));
        const auto set =
            nft::setData({"service-ips", nft::KeyType::addressProtocolPort, true, {}, "ClusterIP traffic"});
        QCOMPARE(nft::commentIn(set, nft::kSetComment), std::string_view("ClusterIP traffic"));
        for (std::size_t cut = 0; cut < set.size(); ++cut) // damaged userdata is read as far as it goes
            QVERIFY(nft::commentIn(std::span(set).first(cut), nft::kSetComment).empty());
    }

    /// What the kernel refuses is named.
    void refusalsSayWhat() {
        const auto result = natlens::test::inNamespace([]() -> std::string {
            NftablesApplier kept, other;
            auto state = recordedCluster();
            const auto plan = recordedPlan(state);
            if (auto text = failure(kept.apply(plan)); !text.empty()) return text;
            if (auto text = failure(other.removeAll()); !text.empty()) return text;
            auto socket = nft::Socket::open();
            if (!socket) return socket.error().sentence();
            nft::Changes changes;
            changes.family = IpFamily::v4;
            changes.chains = {{"services", {}, "", {}}};
            nft::Batch batch;
            std::uint32_t anonymous = 0;
            nft::encode(changes, anonymous, batch);
            return failure(socket->transact(batch));
        });
        if (unavailable(result)) return;
        QCOMPARE(QString::fromStdString(result.text),
                 QString("nf_tables new chain services: refused by the kernel (No such file or directory)"));
    }
};

NATLENS_TEST(TestNftNetlink)
#include "tst_nft_netlink.moc"
