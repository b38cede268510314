// Which side is the client's where captures begin in the middle of a conversation: by ports where these say something,
// else by who was seen first.
#ifndef Q_MOC_RUN // moc of Qt 6.4 stumbles over <concepts>
#include "tests/tracer/scenario.h"
#endif

#include "tests/test_program.h"

using namespace natlens;
using namespace natlens::test;
using packet::Protocol;

namespace {

/// One packet at one stop of a conversation that began before.
void seen(Scenario &scenario, const std::vector<Stop> &way, std::int64_t time, bool reply) {
    send(scenario, way, time, reply, [&](auto &builder, const Tuple &tuple) {
        const auto text = reply ? "what was answered, in the middle of it" : "what was asked, in the middle of it all";
        if (tuple.protocol == Protocol::tcp)
            builder.tcp(tuple.src.port, tuple.dst.port, TcpFlags::ack | TcpFlags::psh).seq(reply ? 7000 : 1000).ack(1);
        else
            builder.udp(tuple.src.port, tuple.dst.port);
        builder.ipId(reply ? 0x222 : 0x111).payload(std::string_view(text));
    });
}

} // namespace

class TestSense : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void alone_data();
    void alone();
    void acrossTranslation_data();
    void acrossTranslation();
};

void TestSense::alone_data() {
    QTest::addColumn<int>("clientPort");
    QTest::addColumn<int>("serverPort");
    QTest::addColumn<bool>("tcp");
    QTest::addColumn<bool>("replyFirst");
    const auto row = [](const char *what, int client, int server, bool tcp, bool replyFirst) {
        QTest::addRow("%s, %s, %s first", what, tcp ? "TCP" : "UDP", replyFirst ? "reply" : "request")
            << client << server << tcp << replyFirst;
    };
    for (const bool tcp : {true, false})
        for (const bool replyFirst : {false, true}) {
            row("a well-known port", 40000, 80, tcp, replyFirst);
            row("a well-known port, asked from a low one", 5010, 53, tcp, replyFirst);
            row("a node port", 55526, 32080, tcp, replyFirst);
            // A translated port may be any: who sent the first datagram says more.
            if (tcp || !replyFirst) row("no ephemeral port", 55526, 9090, tcp, replyFirst);
        }
    // Ports say nothing here: a datagram's first sender asked.
    row("both low", 20120, 9090, false, false);
}

void TestSense::alone() {
    QFETCH(int, clientPort);
    QFETCH(int, serverPort);
    QFETCH(bool, tcp);
    QFETCH(bool, replyFirst);
    // The smaller address is the server's, then the client's.
    for (const auto &[client, server] : {std::pair("10.0.0.9", "10.0.0.1"), {"10.0.0.1", "10.0.0.9"}}) {
        Tuple tuple{tcp ? Protocol::tcp : Protocol::udp, at("10.0.0.1:1"), at("10.0.0.1:1")};
        tuple.src = {*packet::IpAddress::parse(client), static_cast<packet::Port>(clientPort)};
        tuple.dst = {*packet::IpAddress::parse(server), static_cast<packet::Port>(serverPort)};
        Scenario scenario;
        seen(scenario, {{"tap/eth0", kNoWay, 63, tuple}}, replyFirst ? kMilli : 0, false);
        seen(scenario, {{"tap/eth0", kNoWay, 63, tuple}}, replyFirst ? 0 : kMilli, true);
        const auto snapshot = trace(scenario);
        QCOMPARE(snapshot->paths.size(), 1u);
        QCOMPARE(snapshot->paths[0]->client.address.toString(), tuple.src.toString());
    }
}

void TestSense::acrossTranslation_data() {
    QTest::addColumn<bool>("tcp");
    QTest::newRow("TCP") << true;
    QTest::newRow("UDP") << false;
}

/// Of the inner pair of addresses nothing tells who asked, and the answer was seen first: the outer one knows.
void TestSense::acrossTranslation() {
    QFETCH(bool, tcp);
    const auto protocol = tcp ? Protocol::tcp : Protocol::udp;
    const Tuple outside{protocol, at("104.132.1.79:55526"), at("10.240.0.5:32080")},
        inside{protocol, at("10.180.2.1:20120"), at("10.180.2.20:9090")};
    const std::vector<Stop> request{{"client/eth0", kNoWay, 64, outside},
                                    {"node2/eth0", kNoWay, 64, outside},
                                    {"node2/cbr0", kNoWay, 63, inside},
                                    {"pod/eth0", kNoWay, 63, inside}},
        reply{{"pod/eth0", kNoWay, 64, inside},
              {"node2/cbr0", kNoWay, 64, inside},
              {"node2/eth0", kNoWay, 63, outside},
              {"client/eth0", kNoWay, 63, outside}};
    Scenario scenario;
    seen(scenario, reply, 0, true);
    seen(scenario, request, kMilli, false);
    const auto snapshot = trace(scenario);
    QCOMPARE(snapshot->paths.size(), 1u);
    QCOMPARE(QString::fromStdString(route(*snapshot->paths[0])), QString("client>node2[SNAT,DNAT]>pod"));
}

NATLENS_TEST(TestSense)
#include "tst_sense.moc"
