// A capture of one host alone that does not tell which way packets went: request and reply still go opposite ways.
#ifndef Q_MOC_RUN // moc of Qt 6.4 stumbles over <concepts>
#include "tests/tracer/named.h"
#endif

#include "tests/test_program.h"
#include <QStringList>

using namespace natlens;
using namespace natlens::test;

namespace {

/// One conversation at the point, with the time to live of either way.
struct Seen {
    const char *client, *server;
    std::uint8_t requestTtl, replyTtl;
};

/// "from -> to" of all segments, "?" for who is not known.
QStringList segmentsOf(const tracer::Path &path) {
    QStringList words;
    const auto name = [](const std::string &host) { return host.empty() ? std::string("?") : host; };
    for (const auto &segment : path.segments)
        words += QString::fromStdString(name(segment.from) + " -> " + name(segment.to));
    return words;
}

} // namespace

class TestLoneHosts : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void sides_data();
    void sides();
};

void TestLoneHosts::sides_data() {
    QTest::addColumn<QList<Seen>>("conversations");
    QTest::addColumn<QStringList>("segments"); // of the first
    QTest::addColumn<QString>("client");
    QTest::addColumn<QString>("endpoint");
    const Seen first{"104.132.1.79:1000", "10.240.0.4:32080", 64, 63},
        second{"104.132.1.79:1001", "10.240.0.5:32080", 64, 62};
    const QStringList asks{"me -> 10.240.0.4", "10.240.0.4 -> me"}, answers{"? -> me", "me -> ?"};
    QTest::newRow("client, one conversation") << QList<Seen>{first} << asks << "me"
                                              << "10.240.0.4";
    QTest::newRow("client, several") << QList<Seen>{first, second} << asks << "me"
                                     << "10.240.0.4";
    QTest::newRow("client of its neighbours")
        << QList<Seen>{{"104.132.1.79:1000", "10.240.0.4:32080", 64, 64}, second} << asks << "me"
        << "10.240.0.4";
    QTest::newRow("endpoint") << QList<Seen>{{"10.180.1.1:1000", "10.180.1.136:8080", 63, 64}} << answers << ""
                              << "me";
    QTest::newRow("endpoint of neighbours") << QList<Seen>{{"10.180.1.1:1000", "10.180.1.136:8080", 64, 64},
                                                           {"10.240.0.5:1000", "10.180.1.136:8080", 63, 64}}
                                            << answers << ""
                                            << "me";
    QTest::newRow("router, before it") << QList<Seen>{{"104.132.1.79:1000", "104.198.149.140:80", 63, 63}} << answers
                                       << ""
                                       << "104.198.149.140";
    QTest::newRow("router for many") << QList<Seen>{first,
                                                    {"10.240.0.3:4000", "10.180.1.136:8080", 63, 63},
                                                    {"10.240.0.5:4000", "10.180.1.137:8080", 63, 63}}
                                     << answers << ""
                                     << "10.240.0.4";
    QTest::newRow("neighbours") << QList<Seen>{{"10.240.0.2:1000", "10.240.0.5:10256", 64, 64}} << answers << ""
                                << "10.240.0.5";
}

void TestLoneHosts::sides() {
    QFETCH(QList<Seen>, conversations);
    QFETCH(QStringList, segments);
    QFETCH(QString, client);
    QFETCH(QString, endpoint);
    Scenario scenario;
    std::int64_t begin = 0;
    for (const Seen &seen : conversations) {
        const Tuple tuple = tcp(seen.client, seen.server);
        Talk talk;
        talk.request = {{"me/eth0", tracer::Crossing::unknown, seen.requestTtl, tuple}};
        talk.reply = {{"me/eth0", tracer::Crossing::unknown, seen.replyTtl, tuple}};
        talk.begin = begin;
        talk.clientIsn += static_cast<std::uint32_t>(begin);
        begin += 20 * kMilli;
        addTcp(scenario, talk);
    }
    const auto snapshot = trace(std::move(scenario), {.crossings = false});
    QCOMPARE(snapshot->paths.size(), static_cast<std::size_t>(conversations.size()));
    const tracer::Path &path = *snapshot->paths.front();
    QCOMPARE(segmentsOf(path), segments);
    QCOMPARE(QString::fromStdString(path.client.node), client);
    QVERIFY(path.endpoint);
    QCOMPARE(QString::fromStdString(path.endpoint->host), endpoint);
    QVERIFY(path.outcome == tracer::Outcome::delivered);
    // What was only likely is not taken for known.
    for (const auto &host : snapshot->hosts)
        if (host.name == "me") QVERIFY(host.addresses.empty());
}

NATLENS_TEST(TestLoneHosts)
#include "tst_lone_hosts.moc"
