// Addresses, prefixes, socket addresses and tuples as text; hashing.
#include "tests/test_program.h"

#include "capture/packet/address.h"

#include <unordered_set>

using namespace natlens::packet;

namespace {

QString text(const std::string &value) {
    return QString::fromStdString(value);
}

template<class T>
QString parsedText(const QString &input) {
    const auto value = T::parse(input.toStdString());
    return value ? text(value->toString()) : QStringLiteral("refused");
}

} // namespace

class TestAddress : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void address_data();
    void address() { compareParsed<IpAddress>(); }
    void prefix_data();
    void prefix() { compareParsed<IpPrefix>(); }
    void socketAddress_data();
    void socketAddress() { compareParsed<SocketAddress>(); }
    void contains_data();
    void contains();
    void families();
    void protocols_data();
    void protocols();
    void tuples();
    void embeddedNulIsRefused();
    void hashesDiffer();

private:
    template<class T>
    void compareParsed() {
        QFETCH(QString, input);
        QTEST(parsedText<T>(input), "expected");
    }
    static void columns() {
        QTest::addColumn<QString>("input");
        QTest::addColumn<QString>("expected");
    }
    static void same(const char *input) { QTest::newRow(input) << input << input; }
    static void becomes(const char *input, const char *expected) { QTest::newRow(input) << input << expected; }
    static void refused(const char *input) { QTest::newRow(*input ? input : "(empty)") << input << "refused"; }
};

void TestAddress::address_data() {
    columns();
    for (const char *good : {"0.0.0.0", "10.244.1.5", "255.255.255.255", "::", "::1", "fd00:10:96::a",
                             "2001:db8::1:0:0:1", "::ffff:10.0.0.1", "1:2:3:4:5:6:7:8"})
        same(good);
    becomes("2001:0DB8:0000:0000:0000:0000:0000:0001", "2001:db8::1");
    becomes("1:0:0:2:0:0:0:3", "1:0:0:2::3");   // the longest run is shortened
    becomes("1:0:0:2:0:0:3:4", "1::2:0:0:3:4"); // of two equal ones the first
    becomes("1:0:2:3:4:5:6:7", "1:0:2:3:4:5:6:7");
    becomes("64:ff9b::192.0.2.33", "64:ff9b::c000:221");
    for (const char *bad : {"",
                            ".",
                            "1",
                            "1.2.3",
                            "1.2.3.4.5",
                            "1.2.3.256",
                            "01.2.3.4",
                            "1.2.3.04",
                            " 1.2.3.4",
                            "1.2.3.4 ",
                            "+1.2.3.4",
                            "1.2.3.-4",
                            "0x1.2.3.4",
                            "1..2.3",
                            ":",
                            ":::",
                            "1::2::3",
                            "1:2:3:4:5:6:7",
                            "1:2:3:4:5:6:7:8:9",
                            "12345::",
                            "fe80::1%eth0",
                            "[::1]",
                            "g::",
                            "::1.2.3",
                            "10.0.0.1/8",
                            "2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff:0000:1111:2222:3333"})
        refused(bad);
}

void TestAddress::prefix_data() {
    columns();
    for (const char *good : {"0.0.0.0/0", "10.0.0.0/8", "10.96.0.0/12", "192.168.1.1/32", "::/0", "fd00:10:244::/56"})
        same(good);
    becomes("10.1.2.3", "10.1.2.3/32");
    becomes("::1", "::1/128");
    becomes("10.255.255.255/8", "10.0.0.0/8");
    becomes("10.127.255.255/9", "10.0.0.0/9");
    becomes("10.128.0.1/9", "10.128.0.0/9");
    becomes("fd00:10:244:1ff:ffff::1/60", "fd00:10:244:1f0::/60");
    for (const char *bad : {"", "/", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/08", "10.0.0.0/8 ",
                            "10.0.0.0/255.0.0.0", "::/129", "10.0.0.0/8/8", "10.0.0.0/99999999999"})
        refused(bad);
}

void TestAddress::socketAddress_data() {
    columns();
    for (const char *good : {"10.0.0.1:80", "10.0.0.1:0", "10.0.0.1:65535", "[fd00::1]:80"})
        same(good);
    for (const char *bad : {"", ":", "10.0.0.1", "10.0.0.1:", ":80", "10.0.0.1:65536", "10.0.0.1:080", "10.0.0.1:-1",
                            "10.0.0.1:80x", "::1:80", "[::1]", "[::1]80", "[10.0.0.1]:80", "[]:80", "localhost:80"})
        refused(bad);
}

void TestAddress::contains_data() {
    QTest::addColumn<QString>("prefix");
    QTest::addColumn<QString>("address");
    QTest::addColumn<bool>("expected");
    QTest::newRow("all") << "0.0.0.0/0"
                         << "203.0.113.9" << true;
    QTest::newRow("other family") << "0.0.0.0/0"
                                  << "::1" << false;
    QTest::newRow("first") << "10.96.0.0/12"
                           << "10.96.0.0" << true;
    QTest::newRow("last") << "10.96.0.0/12"
                          << "10.111.255.255" << true;
    QTest::newRow("after") << "10.96.0.0/12"
                           << "10.112.0.0" << false;
    QTest::newRow("before") << "10.96.0.0/12"
                            << "10.95.255.255" << false;
    QTest::newRow("whole bytes") << "10.96.0.0/16"
                                 << "10.97.0.1" << false;
    QTest::newRow("host") << "10.0.0.1/32"
                          << "10.0.0.1" << true;
    QTest::newRow("not host") << "10.0.0.1/32"
                              << "10.0.0.0" << false;
    QTest::newRow("v6 inside") << "fd00:10:244::/57"
                               << "fd00:10:244:7f::1" << true;
    QTest::newRow("v6 outside") << "fd00:10:244::/57"
                                << "fd00:10:244:80::1" << false;
    QTest::newRow("v6 host") << "::1/128"
                             << "::1" << true;
}

void TestAddress::contains() {
    QFETCH(QString, prefix);
    QFETCH(QString, address);
    QTEST(IpPrefix::parse(prefix.toStdString())->contains(*IpAddress::parse(address.toStdString())), "expected");
}

void TestAddress::families() {
    const IpAddress none;
    QVERIFY(none.isNone() && none.toString().empty() && none.size() == 0);
    QVERIFY(!IpPrefix{}.contains(none));
    const IpAddress v4 = IpAddress::v4(0x7f000001);
    QCOMPARE(v4, IpAddress::v4(127, 0, 0, 1));
    QVERIFY(v4.isLoopback() && v4.isV4());
    QCOMPARE(v4.v4HostOrder(), 0x7f000001U);
    QCOMPARE(IpAddress::fromBytes(IpFamily::v4, v4.bytes.data()), v4);
    QVERIFY(IpAddress::parse("::1")->isLoopback());
    QVERIFY(!IpAddress::parse("::2")->isLoopback());
    QVERIFY(!IpAddress::parse("1::1")->isLoopback());
    QVERIFY(!none.isLoopback());
    QVERIFY(*IpAddress::parse("255.255.255.255") < *IpAddress::parse("::"));
}

void TestAddress::protocols_data() {
    QTest::addColumn<int>("number");
    QTest::addColumn<QString>("name");
    QTest::newRow("TCP") << 6 << "TCP";
    QTest::newRow("UDP") << 17 << "UDP";
    QTest::newRow("SCTP") << 132 << "SCTP";
    QTest::newRow("ICMP") << 1 << "ICMP";
    QTest::newRow("ICMPv6") << 58 << "ICMPv6";
}

void TestAddress::protocols() {
    QFETCH(int, number);
    QFETCH(QString, name);
    const auto protocol = static_cast<Protocol>(number);
    QCOMPARE(text(toString(protocol)), name);
    for (const QString &spelling : {name, name.toLower(), name.toUpper()})
        QCOMPARE(parseProtocol(spelling.toStdString()), std::optional(protocol));
    QVERIFY(!parseProtocol(name.toStdString() + " "));
    QCOMPARE(text(toString(Protocol::gre)), QString("47"));
    QVERIFY(!parseProtocol("47"));
    QVERIFY(!parseProtocol(""));
}

void TestAddress::tuples() {
    const Tuple tuple{Protocol::tcp, *SocketAddress::parse("1.2.3.4:5"), *SocketAddress::parse("6.7.8.9:80")};
    QCOMPARE(text(tuple.toString()), QString("TCP 1.2.3.4:5 > 6.7.8.9:80"));
    QCOMPARE(text(tuple.reversed().toString()), QString("TCP 6.7.8.9:80 > 1.2.3.4:5"));
    QCOMPARE(tuple.reversed().reversed(), tuple);
    QVERIFY(SocketAddress{}.toString().empty());
}

void TestAddress::embeddedNulIsRefused() {
    QVERIFY(!IpAddress::parse(std::string_view("1.2.3.4\0", 8)));
    QVERIFY(!IpAddress::parse(std::string_view("1.2.3.4\0x", 9)));
}

void TestAddress::hashesDiffer() {
    // Neighbouring addresses and ports, as one node makes them: no two may share a hash or its low 20 bits too often.
    std::unordered_set<std::uint64_t> whole, low;
    std::size_t count = 0;
    for (unsigned host = 0; host < 64; ++host)
        for (Port port = 1000; port < 1256; ++port, ++count) {
            const Tuple tuple{
                Protocol::tcp, {IpAddress::v4(0x0a000000 + host), port}, {IpAddress::v4(10, 96, 0, 1), 443}};
            for (const Tuple &direction : {tuple, tuple.reversed()}) {
                whole.insert(hashValue(direction));
                low.insert(hashValue(direction) & 0xfffff);
            }
        }
    QCOMPARE(whole.size(), count * 2);
    QVERIFY2(low.size() > count * 2 * 95 / 100, "32768 random values of 20 bits leave about 32260 different ones");
    QVERIFY(hashValue(*IpAddress::parse("1.2.3.4")) != hashValue(*IpAddress::parse("102:304::")));
}

NATLENS_TEST(TestAddress)
#include "tst_address.moc"
