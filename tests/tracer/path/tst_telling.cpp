// Which connections are mere housekeeping of a link: they come after all others.
#ifndef Q_MOC_RUN // moc of Qt 6.4 stumbles over <concepts>
#include "tracer/path/telling.h"
#endif

#include "tests/test_program.h"

using namespace natlens;
using namespace natlens::tracer;

class TestTelling : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void housekeeping_data();
    void housekeeping();
};

void TestTelling::housekeeping_data() {
    QTest::addColumn<QString>("client");
    QTest::addColumn<QString>("requested");
    QTest::addColumn<bool>("expected");
    QTest::newRow("multicast listener report") << "fe80::1"
                                               << "ff02::16" << true;
    QTest::newRow("duplicate address detection") << "::"
                                                 << "ff02::1:ffb7:f6b9" << true;
    QTest::newRow("neighbour asked directly") << "2001:db8::1"
                                              << "fe80::2" << true;
    QTest::newRow("answer from a link-local address") << "fe80::1"
                                                      << "2001:db8::2" << true;
    QTest::newRow("IPv4 multicast") << "10.0.0.1"
                                    << "224.0.0.251" << true;
    QTest::newRow("ordinary") << "2001:db8::1"
                              << "2001:db8::2" << false;
    QTest::newRow("IPv4 metadata server") << "10.0.0.1"
                                          << "169.254.169.254" << false;
    QTest::newRow("beyond fe80::/10") << "fec0::1"
                                      << "2001:db8::2" << false;
}

void TestTelling::housekeeping() {
    QFETCH(QString, client);
    QFETCH(QString, requested);
    QFETCH(bool, expected);
    Path path;
    path.client.address.ip = *packet::IpAddress::parse(client.toStdString());
    path.requested.ip = *packet::IpAddress::parse(requested.toStdString());
    path.outcome = Outcome::unanswered;
    QCOMPARE(isHousekeeping(path), expected);
    QVERIFY((tellingOf(path) == Telling::toMany) == expected);
    path.kind = PathKind::service; // whoever asks a Service
    QVERIFY(!isHousekeeping(path));
}

NATLENS_TEST(TestTelling)
#include "tst_telling.moc"
