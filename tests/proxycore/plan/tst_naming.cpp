// Hashes and names, with vectors from NIST, RFC 4648 and kube-proxy.
#ifndef Q_MOC_RUN // moc of Qt 6.4 stumbles over <concepts>
#include "proxycore/plan/naming.h"
#endif

#include "tests/test_program.h"

using namespace natlens::proxycore;

namespace {

ServicePortName portName(const QString &text, const QString &protocol) {
    const auto name = text.toStdString();
    const auto slash = name.find('/'), colon = name.find(':');
    ServicePortName result;
    result.service = {name.substr(0, slash), name.substr(slash + 1, colon - slash - 1)};
    if (colon != std::string::npos) result.port = name.substr(colon + 1);
    result.protocol = natlens::packet::parseProtocol(protocol.toStdString()).value();
    return result;
}

} // namespace

class TestNaming : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void sha256_data() {
        QTest::addColumn<QByteArray>("text");
        QTest::addColumn<QByteArray>("digest");
        QTest::newRow("empty") << QByteArray("")
                               << QByteArray("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        QTest::newRow("abc") << QByteArray("abc")
                             << QByteArray("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        QTest::newRow("two blocks") << QByteArray("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")
                                    << QByteArray("248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
        QTest::newRow("million a") << QByteArray(1000000, 'a')
                                   << QByteArray("cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    }
    void sha256() {
        QFETCH(QByteArray, text);
        QFETCH(QByteArray, digest);
        const auto bytes = natlens::proxycore::sha256({text.constData(), static_cast<std::size_t>(text.size())});
        QCOMPARE(QByteArray(reinterpret_cast<const char *>(bytes.data()), 32).toHex(), digest);
    }

    void base32_data() {
        QTest::addColumn<QString>("bytes");
        QTest::addColumn<QString>("expected");
        QTest::newRow("0") << ""
                           << "";
        QTest::newRow("1") << "f"
                           << "MY======";
        QTest::newRow("2") << "fo"
                           << "MZXQ====";
        QTest::newRow("3") << "foo"
                           << "MZXW6===";
        QTest::newRow("4") << "foob"
                           << "MZXW6YQ=";
        QTest::newRow("5") << "fooba"
                           << "MZXW6YTB";
        QTest::newRow("6") << "foobar"
                           << "MZXW6YTBOI======";
    }
    void base32() {
        QFETCH(QString, bytes);
        QFETCH(QString, expected);
        QCOMPARE(QString::fromStdString(natlens::proxycore::base32(bytes.toStdString())), expected);
    }

    void iptablesService_data() {
        QTest::addColumn<QString>("name");
        QTest::addColumn<QString>("protocol");
        QTest::addColumn<QString>("hash");
        const auto row = [](const char *name, const char *protocol, const char *hash) {
            QTest::newRow(name) << name << protocol << hash;
        };
        row("ns1/svc1:p80", "tcp", "XPGD46QRK7WJZT7O");
        row("ns2/svc2:p80", "tcp", "GNZBNJ2PO5MGZ6GT");
        row("ns3/svc3:p80", "tcp", "X27LE4BHSL4DOUIK");
        row("ns4/svc4:p80", "tcp", "4SW47YFZTEDKD3PK");
        row("ns5/svc5:p80", "tcp", "NUKIZ6OKUXPJNT4C");
        row("default/kubernetes:https", "tcp", "NPX46M4PTMTKRN6Y");
        row("kube-system/kube-dns:dns", "udp", "TCOU7JCQXEZGVUNU");
        row("kube-system/kube-dns:dns-tcp", "tcp", "ERIFXISQEP7F7OF4");
        row("default/clusterip", "tcp", "32T2YUH3SMQ4GZPP");
        row("default/nodeport", "tcp", "IFSGUVPJVX5CWNQP");
        row("default/loadbalancer", "tcp", "EMSOQWL6G7X4PURA");
    }
    void iptablesService() {
        QFETCH(QString, name);
        QFETCH(QString, protocol);
        QFETCH(QString, hash);
        QCOMPARE(QString::fromStdString(iptablesServiceHash(portName(name, protocol))), hash);
    }

    /// Until 1.18 the text to hash had a colon after the name of a Service whose port has none.
    void iptablesServiceOf15_data() {
        QTest::addColumn<QString>("text");
        QTest::addColumn<QString>("hash");
        QTest::newRow("clusterip") << "default/clusterip:tcp"
                                   << "CQNAS6RSUGJF2C2D";
        QTest::newRow("nodeport") << "default/nodeport:tcp"
                                  << "XP7QDA4CRQ2QA33W";
        QTest::newRow("loadbalancer") << "default/loadbalancer:tcp"
                                      << "J3BEA7WOARFSAXTQ";
        QTest::newRow("memory-service") << "default/memory-service:tcp"
                                        << "RCFZYSCVQORLOLVD";
        QTest::newRow("nginx-ext") << "default/nginx-ext:tcp"
                                   << "ICKQE4PTG2WGVXBF";
        QTest::newRow("endpoint") << "default/nodeport:tcp10.180.1.136:8080"
                                  << "5RU4SWI7Q4POHOTC";
        // An address as kube-proxy's test writes it; the canonical text of the same address has no "::" for one group.
        QTest::newRow("IPv6") << "testing/service:httptcp[fd80:abcd:12::a1b2:c3d4:e5f6:9999]:80"
                              << "4HL2SHUF3YZH3EXP";
    }
    void iptablesServiceOf15() {
        QFETCH(QString, text);
        QFETCH(QString, hash);
        QCOMPARE(QString::fromStdString(hashPrefix(text.toStdString(), 16)), hash);
    }

    void iptablesEndpoint_data() {
        QTest::addColumn<QString>("name");
        QTest::addColumn<QString>("endpoint");
        QTest::addColumn<QString>("hash");
        const auto row = [](const char *name, const char *endpoint, const char *hash) {
            QTest::newRow((std::string(name) + " " + endpoint).c_str()) << name << endpoint << hash;
        };
        row("ns1/svc1:p80", "10.180.0.1:80", "SXIVWICOYRO3J4NJ");
        row("ns2/svc2:p80", "10.180.0.2:80", "RS4RBKLTHTF2IUXJ");
        row("ns3/svc3:p80", "10.180.0.3:80", "OYPFS5VJICHGATKP");
        row("ns4/svc4:p80", "10.180.0.4:80", "UKSFD7AGPMPPLUHC");
        row("ns4/svc4:p80", "10.180.0.5:80", "C6EBXVWJJZMIWKLZ");
        row("ns5/svc5:p80", "10.180.0.3:80", "I77PXRDZVX7PMWMN");
        row("default/nodeport", "10.180.1.136:8080", "UMAAAK2QFUFJNQOA");
        row("t/dual:p80", "[fd00:10:2::5]:8080", "55CIF2A5KTIXPC5C"); // listed by a running kube-proxy
        row("t/dual:p80", "[fd00:10:1::5]:8080", "GICU3Y6AML7SA7MP");
    }
    void iptablesEndpoint() {
        QFETCH(QString, name);
        QFETCH(QString, endpoint);
        QFETCH(QString, hash);
        const auto address = natlens::packet::SocketAddress::parse(endpoint.toStdString()).value();
        QCOMPARE(QString::fromStdString(iptablesEndpointHash(portName(name, "tcp"), address)), hash);
    }

    void nftables_data() {
        QTest::addColumn<QString>("name");
        QTest::addColumn<QString>("endpoint");
        QTest::addColumn<QString>("expected");
        const auto row = [](const char *name, const char *endpoint, const char *expected) {
            QTest::newRow(expected) << name << endpoint << expected;
        };
        row("ns1/svc1:p80", "", "ULMVA6XW-ns1/svc1/tcp/p80");
        row("ns2/svc2:p80", "", "42NFTM6N-ns2/svc2/tcp/p80");
        row("ns3/svc3:p80", "", "4AT6LBPK-ns3/svc3/tcp/p80");
        row("ns4/svc4:p80", "", "LAUZTJTB-ns4/svc4/tcp/p80");
        row("ns5/svc5:p80", "", "HVFWP5L3-ns5/svc5/tcp/p80");
        row("ns5/svc5:p80", "10.180.0.3:80", "GTK6MW7G-ns5/svc5/tcp/p80__10.180.0.3/80");
        row("testing/service:http", "", "P4ZYZVCF-testing/service/tcp/http");
        row("testing/service:https", "", "LZBRENCP-testing/service/tcp/https");
        row("testing/service:http", "10.180.0.1:80", "JO2XBXZR-testing/service/tcp/http__10.180.0.1/80");
        row("testing/service:http", "10.180.0.2:80", "5S6H3H22-testing/service/tcp/http__10.180.0.2/80");
        row("default/clusterip", "", "HI5Q3VDF-default/clusterip/tcp/");
        row("default/nodeport", "", "RMQUIEU7-default/nodeport/tcp/");
        row("default/loadbalancer", "", "Z5JQBKJF-default/loadbalancer/tcp/");
        row("default/nodeport", "10.180.1.136:8080", "BCCX3FJF-default/nodeport/tcp/__10.180.1.136/8080");
    }
    void nftables() {
        QFETCH(QString, name);
        QFETCH(QString, endpoint);
        QFETCH(QString, expected);
        const auto service = portName(name, "tcp");
        const auto made =
            endpoint.isEmpty()
                ? nftServiceName(service)
                : nftEndpointName(service, natlens::packet::SocketAddress::parse(endpoint.toStdString()).value());
        QCOMPARE(QString::fromStdString(made), expected);
    }

    void longNamesAreCut() {
        const ServicePortName name{{std::string(63, 'n'), std::string(63, 's')}, std::string(200, 'p'), Protocol::tcp};
        const auto made = nftServiceName(name);
        QCOMPARE(made.size(), std::size_t{240});
        QVERIFY(made.ends_with("..."));
    }
};

NATLENS_TEST(TestNaming)
#include "tst_naming.moc"
