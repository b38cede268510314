// Hosts and their addresses.
#ifndef Q_MOC_RUN // moc of Qt 6.4 stumbles over <concepts>
#include "tracer/stitch/capture_points.h"
#endif

#include "tests/test_program.h"

using namespace natlens;

class TestCapturePoints : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void filesThatMixOwnNothing();
};

/// What was taken for a host's address belongs to nobody known once it turns out that the host is several.
void TestCapturePoints::filesThatMixOwnNothing() {
    const auto address = *packet::IpAddress::parse("192.0.2.1");
    tracer::CapturePoints points;
    const base::CapturePointId first{0}, second{1};
    points.add(first, "file", packet::LinkType::ethernet);
    points.add(second, "file/more", packet::LinkType::ethernet);
    const auto host = points.hostIndex("file");
    QVERIFY(points.learnAddress(host, address));
    QCOMPARE(points.ownerOf(address)->name, std::string("file"));
    points.setMixed(first);
    QVERIFY(!points.host(host).mixed); // its other point shows one place
    QCOMPARE(points.ownerOf(address)->name, std::string("file"));
    points.setMixed(second);
    QVERIFY(points.host(host).mixed);
    QVERIFY(points.ownerOf(address) == nullptr);
    QVERIFY(!points.learnAddress(host, *packet::IpAddress::parse("ff02::16"))); // what many have nobody owns
    QVERIFY(!points.learnAddress(host, *packet::IpAddress::parse("224.0.0.251")));
}

NATLENS_TEST(TestCapturePoints)
#include "tst_capture_points.moc"
