// The first lines of HTTP, from segments in any order.
#ifndef Q_MOC_RUN // moc of Qt 6.4 stumbles over <concepts>
#include "tracer/stitch/http_peek.h"

#include <algorithm>
#include <vector>
#endif

#include "tests/test_program.h"

using natlens::tracer::HttpPeek;

namespace {

std::span<const std::byte> bytesOf(std::string_view text) {
    return std::as_bytes(std::span(text.data(), text.size()));
}

constexpr std::string_view kAnswer = "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain\r\n\r\n"
                                     "CLIENT VALUES:\nclient_address=10.240.0.5\ncommand=GET\n";

} // namespace

class TestHttpPeek : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void requestLine_data();
    void requestLine();
    void answerInPieces();
    void sequenceNumbersWrap();
    void bounded();
    void proxyHeader_data();
    void proxyHeader();
};

void TestHttpPeek::requestLine_data() {
    QTest::addColumn<QByteArray>("input");
    QTest::addColumn<QString>("method");
    QTest::addColumn<QString>("target");
    QTest::addColumn<bool>("done");
    QTest::newRow("GET") << QByteArray("GET /healthz?x=1 HTTP/1.1\r\n") << "GET"
                         << "/healthz?x=1" << true;
    QTest::newRow("not complete yet") << QByteArray("GET /heal") << ""
                                      << "" << false;
    QTest::newRow("no HTTP") << QByteArray("SSH-2.0-x\r\n") << ""
                             << "" << true;
    QTest::newRow("binary") << QByteArray("\x16\x03\x01\x02\x00", 5) << ""
                            << "" << true;
    QTest::newRow("method without the rest") << QByteArray("GET \r\n") << ""
                                             << "" << true;
    QTest::newRow("not a version") << QByteArray("GET / FTP/1\r\n") << ""
                                   << "" << true;
}

void TestHttpPeek::requestLine() {
    QFETCH(QByteArray, input);
    QFETCH(QString, method);
    QFETCH(QString, target);
    QFETCH(bool, done);
    HttpPeek peek(100);
    peek.add(100, bytesOf({input.data(), static_cast<std::size_t>(input.size())}));
    QCOMPARE(QString::fromStdString(peek.lines().method), method);
    QCOMPARE(QString::fromStdString(peek.lines().target), target);
    QCOMPARE(peek.done(), done);
}

void TestHttpPeek::answerInPieces() {
    // Three segments in every order, two of them overlapping.
    std::vector<std::pair<std::size_t, std::size_t>> cuts = {{0, 40}, {35, 75}, {75, kAnswer.size()}};
    do {
        HttpPeek peek(5000);
        for (const auto &[from, to] : cuts)
            peek.add(static_cast<std::uint32_t>(5000 + from), bytesOf(kAnswer.substr(from, to - from)));
        QCOMPARE(peek.lines().status, 503);
        QCOMPARE(QString::fromStdString(peek.lines().clientAddress), "10.240.0.5");
        QVERIFY(peek.done());
    } while (std::ranges::next_permutation(cuts).found);
}

void TestHttpPeek::sequenceNumbersWrap() {
    HttpPeek peek(0xfffffff0);
    peek.add(0xfffffff0, bytesOf(kAnswer.substr(0, 30)));
    peek.add(0xfffffff0 + 30, bytesOf(kAnswer.substr(30)));
    QCOMPARE(peek.lines().status, 503);
    QCOMPARE(QString::fromStdString(peek.lines().clientAddress), "10.240.0.5");
}

void TestHttpPeek::bounded() {
    HttpPeek peek(0);
    peek.add(0, bytesOf("HTTP/1.1 200 OK\r\n\r\n" + std::string(5000, 'x')));
    QCOMPARE(peek.lines().status, 200);
    QVERIFY(peek.done());
    HttpPeek early(1000);
    early.add(900, bytesOf("keep-alive")); // before the stream's beginning
    early.add(90000, bytesOf("far beyond"));
    QVERIFY(!early.found() && !early.done());
}

void TestHttpPeek::proxyHeader_data() {
    QTest::addColumn<QByteArray>("input");
    QTest::addColumn<unsigned>("version");
    QTest::addColumn<QString>("source");
    QTest::addColumn<QString>("method");
    QTest::addColumn<QString>("forwardedFor");
    QTest::addColumn<bool>("headersSeen");
    const QByteArray get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    const QByteArray v1 = "PROXY TCP4 104.132.1.79 10.240.0.9 50000 80\r\n";
    const QByteArray v2 = QByteArray("\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c", 16) +
                          QByteArray("\x68\x84\x01\x4f\x0a\xf0\x00\x09\xc3\x50\x00\x50", 12);
    QTest::newRow("none") << get << 0u << ""
                          << "GET"
                          << "" << true;
    QTest::newRow("version 1") << v1 + get << 1u << "104.132.1.79"
                               << "GET"
                               << "" << true;
    QTest::newRow("version 2") << v2 + get << 2u << "104.132.1.79"
                               << "GET"
                               << "" << true;
    QTest::newRow("version 1, nothing after it yet") << v1 << 1u << "104.132.1.79"
                                                     << ""
                                                     << "" << false;
    QTest::newRow("version 2 broken off") << v2.left(20) << 0u << ""
                                          << ""
                                          << "" << false;
    QTest::newRow("UNKNOWN") << "PROXY UNKNOWN\r\n" + get << 1u << ""
                             << "GET"
                             << "" << true;
    QTest::newRow("forwarded") << QByteArray("GET / HTTP/1.1\r\nx-forwarded-FOR:  104.132.1.79\r\nHost: a\r\n\r\n")
                               << 0u << ""
                               << "GET"
                               << "104.132.1.79" << true;
    QTest::newRow("the header fields are cut") << QByteArray("GET / HTTP/1.1\r\nHost: a") << 0u << ""
                                               << "GET"
                                               << "" << false;
}

void TestHttpPeek::proxyHeader() {
    QFETCH(QByteArray, input);
    const std::string_view text(input.data(), static_cast<std::size_t>(input.size()));
    // At once, and in two segments of which the first ends anywhere.
    for (std::size_t cut = 0; cut < text.size(); ++cut) {
        HttpPeek peek(100);
        if (cut != 0) peek.add(100, bytesOf(text.substr(0, cut)));
        peek.add(static_cast<std::uint32_t>(100 + cut), bytesOf(text.substr(cut)));
        QFETCH(unsigned, version);
        QFETCH(QString, source);
        QFETCH(QString, method);
        QCOMPARE(peek.lines().proxyVersion, version);
        QCOMPARE(QString::fromStdString(peek.lines().proxySource), source);
        QCOMPARE(QString::fromStdString(peek.lines().method), method);
        if (cut != 0) continue; // fields that came later are not waited for
        QFETCH(QString, forwardedFor);
        QFETCH(bool, headersSeen);
        QCOMPARE(QString::fromStdString(peek.lines().forwardedFor), forwardedFor);
        QCOMPARE(peek.lines().headersSeen, headersSeen);
        QVERIFY(HttpPeek::looksLikeHttp(bytesOf(text)));
    }
}

NATLENS_TEST(TestHttpPeek)
#include "tst_http_peek.moc"
