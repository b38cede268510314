// Findings about several paths, through the tracer: the same however often snapshots are taken; facts make no ghosts.
#ifndef Q_MOC_RUN // moc of Qt 6.4 stumbles over <concepts>
#include "tests/tracer/named.h"
#endif

#include "tests/test_program.h"

using namespace natlens;
using namespace natlens::test;

namespace {

Tuple udp(const char *src, const char *dst) {
    Tuple tuple = tcp(src, dst);
    tuple.protocol = packet::Protocol::udp;
    return tuple;
}

void addDatagram(Scenario &scenario, const std::vector<Stop> &way, std::int64_t time, std::uint16_t id) {
    send(scenario, way, time, false, [&](packet::PacketBuilder &builder, const Tuple &tuple) {
        builder.udp(tuple.src.port, tuple.dst.port).payload(std::string_view("hello"));
        builder.ipId(id);
    });
}

/// A client asks a server; the answer comes from another address of it (D38), `answered` says whether from where.
Scenario question(const char *answersFrom) {
    Scenario scenario;
    const Tuple asked = udp("104.132.1.79:5000", "10.180.1.136:53"), answer = udp(answersFrom, "104.132.1.79:5000");
    addDatagram(scenario,
                {{"client/eth0", kOut, 64, asked},
                 {"node1/eth0", kIn, 64, asked},
                 {"node1/cbr0", kOut, 63, asked},
                 {"server/eth0", kIn, 63, asked}},
                0, 7);
    addDatagram(scenario,
                {{"server/eth0", kOut, 64, answer},
                 {"node1/cbr0", kIn, 64, answer},
                 {"node1/eth0", kOut, 63, answer},
                 {"client/eth0", kIn, 63, answer}},
                kMilli, 8);
    scenario.endsAt = 3000 * kMilli;
    return scenario;
}

QString codes(const tracer::Snapshot &snapshot) {
    QString text;
    for (const auto &path : snapshot.paths)
        for (const auto &finding : path->findings)
            text += QString::fromStdString(finding.code) + " ";
    return text.trimmed();
}

} // namespace

class TestGrouped : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void answerFromElsewhere_data() {
        QTest::addColumn<QByteArray>("answersFrom");
        QTest::addColumn<QString>("found");
        QTest::newRow("another address") << QByteArray("10.180.1.200:53") << "D38";
        QTest::newRow("another port") << QByteArray("10.180.1.136:5353") << "D38";
        QTest::newRow("the one that was asked") << QByteArray("10.180.1.136:53") << "";
    }

    void answerFromElsewhere() {
        QFETCH(QByteArray, answersFrom);
        QFETCH(QString, found);
        for (const unsigned every : {0u, 1u, 3u})
            for (const bool byPoint : {false, true})
                for (const bool crossings : {false, true})
                    for (const bool endsAtOnce : {false, true}) { // as files of tcpdump do, which have no statistics
                        Scenario scenario = question(answersFrom);
                        if (endsAtOnce) scenario.endsAt = 0;
                        const auto snapshot =
                            trace(scenario, {.crossings = crossings, .byPoint = byPoint, .snapshotEvery = every});
                        QCOMPARE(codes(*snapshot), found);
                    }
    }

    /// Facts and cluster state between two snapshots while legs of one connection find each other.
    void noGhosts() {
        for (const unsigned every : {1u, 2u, 5u}) {
            Scenario scenario;
            const Talk talk = viaNode2();
            addTcp(scenario, talk);
            std::ranges::stable_sort(scenario.packets, {}, &Captured::time);
            tracer::Tracer tracer;
            std::map<std::string, base::CapturePointId> points;
            std::uint64_t number = 0;
            for (const auto &captured : scenario.packets) {
                const auto [point, isNew] =
                    points.try_emplace(captured.point, base::CapturePointId{static_cast<unsigned>(points.size())});
                if (isNew) tracer.addCapturePoint(point->second, captured.point, packet::LinkType::ethernet);
                tracer.addPacket(point->second, base::Timestamp{kStart + captured.time}, base::PacketNumber{++number},
                                 captured.crossing, static_cast<std::uint32_t>(captured.bytes.size()), captured.bytes);
                if (number % every != 0) continue;
                (void)tracer.snapshot();
                tracer.addFacts("node2", base::Timestamp{kStart + captured.time}, "{\"conntrack\":{\"count\":1}}");
                tracer.addClusterState(base::Timestamp{kStart + captured.time}, "{\"kind\":\"List\",\"items\":[]}");
            }
            tracer.finish();
            QCOMPARE(tracer.snapshot()->paths.size(), 1u);
        }
    }
};

NATLENS_TEST(TestGrouped)
#include "tst_grouped.moc"
