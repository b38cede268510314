// Packets that cross from node to node in a tunnel: the path is that of the packets inside, the tunnel stands at its
// hops.
#include "tests/test_program.h"

#include "tracer/diagram/diagram.h"
#include "tracer/path/path_json.h"
#include "tracer/scenario.h"

using namespace natlens;
using namespace natlens::test;

namespace {

/// What a node's overlay sends instead: the frame inside a datagram to VXLAN's port of Linux.
std::vector<std::byte> inVxlan(const std::vector<std::byte> &frame, const char *from, const char *to) {
    std::vector<std::byte> inside{std::byte{8}, {}, {}, {}, {}, {}, std::byte{42}, {}};
    inside.insert(inside.end(), frame.begin(), frame.end());
    return packet::PacketBuilder()
        .ip(*packet::IpAddress::parse(from), *packet::IpAddress::parse(to))
        .udp(packet::Port(40000 + frame.size() % 100), 8472)
        .payload(inside)
        .build();
}

/// A client asks node2, whose kube-proxy sends it on to a pod on node1 through the overlay.
Scenario acrossOverlay() {
    const Tuple asked = tcp("104.132.1.79:53210", "10.240.0.5:32080");
    const Tuple translated = tcp("10.244.2.0:4021", "10.244.1.136:8080");
    Talk talk;
    talk.request = {{"client/eth0", kOut, 64, asked},
                    {"node2/eth0", kIn, 64, asked},
                    {"node2/eth1", kOut, 63, translated},
                    {"node1/eth1", kIn, 63, translated},
                    {"pod/eth0", kIn, 62, translated}};
    talk.reply = {{"pod/eth0", kOut, 64, translated},
                  {"node1/eth1", kOut, 63, translated},
                  {"node2/eth1", kIn, 63, translated},
                  {"node2/eth0", kOut, 62, asked},
                  {"client/eth0", kIn, 62, asked}};
    Scenario scenario;
    addTcp(scenario, talk);
    for (Captured &packet : scenario.packets) {
        if (!packet.point.ends_with("eth1")) continue;
        const bool fromNode2 = (packet.point == "node2/eth1") == (packet.crossing == kOut);
        packet.bytes =
            inVxlan(packet.bytes, fromNode2 ? "10.240.0.5" : "10.240.0.4", fromNode2 ? "10.240.0.4" : "10.240.0.5");
    }
    return scenario;
}

} // namespace

class TestEncapsulation : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void onePathOfWhatIsInside();
    void theTunnelStandsAtItsHops();
    void inWords();
};

void TestEncapsulation::onePathOfWhatIsInside() {
    const auto snapshot = trace(acrossOverlay());
    QCOMPARE(snapshot->paths.size(), std::size_t(1)); // none of the tunnel's own datagrams
    const tracer::Path &path = *snapshot->paths.front();
    QVERIFY(path.outcome == tracer::Outcome::delivered);
    QVERIFY(path.endpoint);
    QCOMPARE(QString::fromStdString(path.endpoint->address.toString()), QString("10.244.1.136:8080"));
    QCOMPARE(snapshot->undecodable, std::uint64_t(0));
}

void TestEncapsulation::theTunnelStandsAtItsHops() {
    const auto snapshot = trace(acrossOverlay());
    QCOMPARE(snapshot->paths.size(), std::size_t(1));
    QStringList seen;
    for (const tracer::Hop &hop : snapshot->paths.front()->hops) {
        const auto *tunnel = hop.encapsulation();
        seen << QString("%1 %2%3").arg(QString::fromStdString(hop.host),
                                       QString::fromStdString(std::string(toString(hop.direction))),
                                       tunnel ? QString(" %1 %2 %3>%4")
                                                    .arg(QString::fromStdString(tunnel->type))
                                                    .arg(tunnel->id.value_or(0))
                                                    .arg(QString::fromStdString(tunnel->src.toString()),
                                                         QString::fromStdString(tunnel->dst.toString()))
                                              : QString());
    }
    QCOMPARE(seen, (QStringList{"client request", "node2 request VXLAN 42 10.240.0.5>10.240.0.4",
                                "node1 request VXLAN 42 10.240.0.5>10.240.0.4", "pod request", "pod reply",
                                "node1 reply VXLAN 42 10.240.0.4>10.240.0.5",
                                "node2 reply VXLAN 42 10.240.0.4>10.240.0.5", "client reply"}));
    const QString json = QString::fromStdString(toJsonLine(*snapshot->paths.front()));
    QVERIFY2(json.contains(R"("encapsulation":{"type":"VXLAN","id":42,"src":"10.240.0.5","dst":"10.240.0.4"})"),
             qPrintable(json));
}

void TestEncapsulation::inWords() {
    const auto snapshot = trace(acrossOverlay());
    QCOMPARE(snapshot->paths.size(), std::size_t(1));
    const QString text = QString::fromStdString(diagram::describe(*snapshot->paths.front()));
    QVERIFY2(text.contains("It left in a VXLAN tunnel (network 42) from 10.240.0.5 to 10.240.0.4."), qPrintable(text));
    QVERIFY2(text.contains("It came in a VXLAN tunnel (network 42) from 10.240.0.5 to 10.240.0.4."), qPrintable(text));
}

NATLENS_TEST(TestEncapsulation)
#include "tst_encapsulation.moc"
