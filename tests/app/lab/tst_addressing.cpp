// Who has which addresses: what a cluster file says, and what the lab makes up where it says nothing.
#include "app/lab/addressing.h"
#include "app/lab/cluster.h"
#include "proxycore/model/kubernetes_json.h"

#include "tests/test_program.h"
#include <fstream>
#include <iterator>

using namespace natlens;
using namespace natlens::lab;
using packet::IpFamily;

namespace {

proxycore::ClusterState fromFile(const char *name) {
    std::ifstream file(std::string(NATLENS_TEST_DATA) + "/cluster/" + name);
    return proxycore::readClusterState(std::string{std::istreambuf_iterator<char>(file), {}}, name).value();
}

/// "192.168.0.2 2001:db8::c0a8:2 | 10.1.1.0/24"
QString described(const HostAddresses &addresses) {
    QStringList parts;
    for (const auto &ip : addresses.own) parts << QString::fromStdString(ip.toString());
    parts << "|";
    for (const auto &range : addresses.podRanges) parts << QString::fromStdString(range.toString());
    return parts.join(' ');
}

proxycore::Node node(const std::vector<std::string> &addresses, const std::vector<std::string> &ranges) {
    proxycore::Node made;
    made.name = "n1";
    for (const auto &address : addresses) made.addresses.push_back({"InternalIP", address});
    for (const auto &range : ranges) made.podCIDRs.push_back(packet::IpPrefix::parse(range).value());
    return made;
}

} // namespace

class TestAddressing : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void nodes_data() {
        QTest::addColumn<QStringList>("addresses");
        QTest::addColumn<QStringList>("ranges");
        QTest::addColumn<QString>("network");
        using S = QStringList;
        QTest::newRow("IPv4 alone: no IPv6") << S{"10.0.0.4"} << S{"10.1.1.0/24"} << "10.0.0.4 | 10.1.1.0/24";
        QTest::newRow("dual stack") << S{"10.0.0.4", "fd00::4"} << S{"10.1.1.0/24", "fd00:1::/64"}
                                    << "10.0.0.4 fd00::4 | 10.1.1.0/24 fd00:1::/64";
        QTest::newRow("IPv6 first") << S{"fd00::4", "10.0.0.4"} << S{"fd00:1::/64", "10.1.1.0/24"}
                                    << "10.0.0.4 fd00::4 | 10.1.1.0/24 fd00:1::/64";
        QTest::newRow("IPv6 alone") << S{"fd00::4"} << S{"fd00:1::/64"} << "fd00::4 | fd00:1::/64";
        QTest::newRow("IPv6 pods, no IPv6 address") << S{"10.0.0.4"} << S{"10.1.1.0/24", "fd00:1::/64"}
                                                    << "10.0.0.4 2001:db8::a00:4 | 10.1.1.0/24 fd00:1::/64";
        QTest::newRow("no range, no pods") << S{"10.0.0.4"} << S{} << "10.0.0.4 |";
        QTest::newRow("the range holds the node") << S{"10.0.0.4"} << S{"10.0.0.0/16"} << "10.0.0.4 |";
        QTest::newRow("further addresses") << S{"10.0.0.4", "10.0.9.9", "fd00::4", "fd00::9"} << S{"10.1.1.0/24"}
                                           << "10.0.0.4 10.0.9.9 fd00::4 fd00::9 | 10.1.1.0/24";
    }
    void nodes() {
        QFETCH(QStringList, addresses);
        QFETCH(QStringList, ranges);
        QFETCH(QString, network);
        std::vector<std::string> first, second;
        for (const auto &text : addresses) first.push_back(text.toStdString());
        for (const auto &text : ranges) second.push_back(text.toStdString());
        proxycore::ClusterState state;
        state.put(node(first, second));
        QCOMPARE(described(nodeNetwork(*state.node("n1"), state)), network);
    }

    /// What an awkward cluster leaves out: objects of nodes, their addresses and ranges, and pods of endpoints.
    void gapsAreFilled_data() {
        QTest::addColumn<QString>("node");
        QTest::addColumn<QString>("network");
        QTest::newRow("a range around its pods") << "client" << "172.20.0.2 | 192.168.9.0/24"; // one of them; the other is a stray
        QTest::newRow("its own range") << "ip-172-20-0-3.eu-west-1.compute.internal" << "172.20.0.3 | 10.42.1.0/24";
        QTest::newRow("no address") << "nameonly" << "198.18.0.3 |";
        QTest::newRow("no object") << "nobodys-object" << "198.18.0.4 |";
    }
    void gapsAreFilled() {
        QFETCH(QString, node);
        QFETCH(QString, network);
        const LabCluster lab(fromFile("awkward.json"));
        const auto found = lab.state().node(node.toStdString());
        QVERIFY(found);
        QCOMPARE(described(nodeNetwork(*found, lab.state())), network);
    }

    void everyHostHasAPlace() {
        const LabCluster lab(fromFile("awkward.json"));
        Scenario scenario;
        scenario.outside.push_back({"client-outside", packet::IpAddress::v4(104, 132, 1, 79)});
        const auto specs = hostSpecs(scenario, lab.state());
        QVERIFY(specs);
        QStringList pods, outside;
        for (const auto &spec : *specs) {
            if (spec.kind == HostKind::pod) pods << QString::fromStdString(spec.pod.toString());
            if (spec.kind == HostKind::outside) outside << QString::fromStdString(spec.name);
        }
        pods.sort();
        QCOMPARE(pods.join(' '), QString("blue/asker blue/web default/pod-192-168-7-3 green/web")); // not the one that ended
        QCOMPARE(outside.join(' '), QString("client-outside endpoint-198-51-100-5"));
        const auto host = lab.state().pods.find({"default", "pod-172-20-0-3"}); // answers on the node itself
        QVERIFY(host != lab.state().pods.end() && host->second->hostNetwork);
        QCOMPARE(lab.serverPorts(*host->second).size(), std::size_t(1));
    }

    /// Nodes of IPv4 alone, one Service of both families: its endpoints are one pod each, and tell where IPv6 pods are.
    void endpointsOfBothFamiliesAreOnePod() {
        const LabCluster lab(fromFile("cluster.json"));
        const auto pod = lab.state().podWithAddress(packet::IpAddress::parse("fd00:10:1::5").value());
        QVERIFY(pod);
        QCOMPARE(described({pod->ips, {}}), QString("10.1.1.5 fd00:10:1::5 |"));
        QCOMPARE(described(nodeNetwork(*lab.state().node("n1"), lab.state())),
                 QString("192.168.0.2 2001:db8::c0a8:2 | 10.1.1.0/24 fd00:10:1::/64"));
        // A pod that no IPv6 slice names can ask in IPv6 all the same.
        const auto other = lab.state().podWithAddress(packet::IpAddress::parse("10.1.1.6").value());
        QCOMPARE(described({other->ips, {}}), QString("10.1.1.6 fd00:10:1::6 |"));
    }

    void aReplicaHasBothFamilies() {
        LabCluster lab(fromFile("dual-stack.json"));
        const auto change = lab.movePod("default/pod-10-1-1-5", "n2");
        QVERIFY(change);
        QCOMPARE(change->podsAdded.size(), std::size_t(1));
        QCOMPARE(described({change->podsAdded[0].ips, {}}), QString("10.1.2.136 fd00:10:2::88 |"));
    }

    void portNames_data() {
        QTest::addColumn<QString>("pod");
        QTest::addColumn<QString>("range");
        QTest::addColumn<QString>("name");
        QTest::newRow("the document's") << "10.180.1.136" << "10.180.1.0/24" << "veth136";
        QTest::newRow("in a larger range") << "10.128.3.5" << "10.128.2.0/23" << "veth261";
    }
    void portNames() {
        QFETCH(QString, pod);
        QFETCH(QString, range);
        QFETCH(QString, name);
        const HostAddresses addresses{{packet::IpAddress::parse(pod.toStdString()).value()},
                                      {packet::IpPrefix::parse(range.toStdString()).value()}};
        QCOMPARE(QString::fromStdString(portName(addresses)), name);
    }

    /// An interface's name has 15 letters at most, and one node's ports have different names.
    void portNamesOfPodsOutsideTheRange() {
        QSet<QString> names;
        for (int i = 2; i < 200; ++i) {
            const HostAddresses pod{{packet::IpAddress::v4(10, 9, static_cast<std::uint8_t>(i), 5)},
                                    {packet::IpPrefix::parse("10.9.1.0/24").value()}};
            const auto name = QString::fromStdString(portName(pod));
            QVERIFY(name.size() <= 15);
            names.insert(name);
        }
        QCOMPARE(names.size(), 198);
    }

    void portNamesOfIpv6Pods() {
        QSet<QString> names;
        for (int i = 2; i < 200; ++i) {
            const auto address = packet::IpAddress::parse("fd00:10:1::" + std::to_string(i)).value();
            const auto name = QString::fromStdString(portName({{address}, {}}));
            QVERIFY(name.size() <= 15);
            names.insert(name);
        }
        QCOMPARE(names.size(), 198);
    }

    void sources() {
        const HostAddresses node{{packet::IpAddress::parse("10.0.0.4").value(), packet::IpAddress::parse("fd00::4").value()},
                                 {packet::IpPrefix::parse("10.1.1.0/24").value(), packet::IpPrefix::parse("fd00:1::/64").value()}};
        const auto towards = [&](const char *to) { return sourceTowards(packet::IpAddress::parse(to).value(), node).toString(); };
        QCOMPARE(towards("10.1.1.9"), std::string("10.1.1.1"));
        QCOMPARE(towards("8.8.8.8"), std::string("10.0.0.4"));
        QCOMPARE(towards("fd00:1::9"), std::string("fd00:1::1"));
        QCOMPARE(towards("2001:db8::1"), std::string("fd00::4"));
    }
};

NATLENS_TEST(TestAddressing)
#include "tst_addressing.moc"
