// Connections that a program opened in place of others: joined by what they carry, called proxied, never guessed.
#ifndef Q_MOC_RUN // moc of Qt 6.4 stumbles over <concepts>
#include "tests/tracer/named.h"
#include "tests/tracer/traffic.h"

#include <fmt/format.h>
#endif

#include "tests/test_program.h"

using namespace natlens;
using namespace natlens::test;
using tracer::Direction;

namespace {

const std::string kAnswer = "HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\nwho asks me so";

std::string request(const std::string &host, const std::string &more = "", const std::string &target = "/cart?id=17") {
    return "GET " + target + " HTTP/1.1\r\nHost: " + host + "\r\nUser-Agent: curl/7.88.1\r\nAccept: */*\r\n" + more +
           "\r\n";
}

/// client -> proxy host, with captures at both.
Talk toProxy(const std::string &client = "104.132.1.79:40000", const std::string &proxy = "10.240.0.9:80") {
    const Tuple tuple = tcp(client.c_str(), proxy.c_str());
    Talk talk;
    talk.request = {{"client/eth0", kOut, 64, tuple}, {"proxy/eth0", kIn, 64, tuple}};
    talk.reply = {{"proxy/eth0", kOut, 64, tuple}, {"client/eth0", kIn, 64, tuple}};
    talk.ask = request("shop.example");
    talk.answer = kAnswer;
    return talk;
}

/// proxy host -> server, opened while the other one waits.
Talk fromProxy(unsigned n = 0, const std::string &proxy = "10.240.0.9", const char *server = "10.180.1.136:8080") {
    const Tuple tuple = tcp(fmt::format("{}:{}", proxy, 50000 + n).c_str(), server);
    Talk talk;
    talk.request = {{"proxy/eth1", kOut, 64, tuple}, {"server/eth0", kIn, 64, tuple}};
    talk.reply = {{"server/eth0", kOut, 64, tuple}, {"proxy/eth1", kIn, 64, tuple}};
    talk.clientIsn = 333'000'000 + n * 17;
    talk.serverIsn = 444'000'000 + n * 31;
    talk.ts = 77'000'000 + n;
    talk.ipId = static_cast<std::uint16_t>(0x7000 + n);
    talk.ask = request("shop.example");
    talk.answer = kAnswer;
    return talk;
}

/// Puts the second conversation into the first: it opens after the first's request has come, and its answer is there
/// before the first one's.
void nest(Scenario &scenario, Talk outer, Talk inner) {
    Scenario one, two;
    addTcp(one, outer);
    inner.begin = outer.begin + 3 * kMilli + 300 * kMicro;
    addTcp(two, inner);
    for (auto &captured : one.packets) // the answer and all that follows wait for the server
        if (captured.time >= outer.begin + 4 * kMilli) captured.time += 6 * kMilli;
    for (auto *part : {&one, &two})
        scenario.packets.insert(scenario.packets.end(), part->packets.begin(), part->packets.end());
}

unsigned proxied(const tracer::Snapshot &snapshot) {
    unsigned count = 0;
    for (const auto &path : snapshot.paths)
        count += route(*path).find("proxied") != std::string::npos;
    return count;
}

bool saysAmbiguous(const tracer::Snapshot &snapshot) {
    for (const auto &path : snapshot.paths)
        for (const auto &note : path->notes)
            if (note.starts_with("ambiguous")) return true;
    return false;
}

const tracer::Hop *proxyHop(const tracer::Path &path) {
    for (const auto &hop : path.hops)
        if (hop.nat == std::vector{tracer::Nat::proxied}) return &hop;
    return nullptr;
}

std::string binaryPreface(std::uint8_t command) {
    std::string bytes("\r\n\r\n\0\r\nQUIT\n", 12);
    bytes += static_cast<char>(0x20 | command);
    bytes += std::string("\x11\x00\x0c\x68\x84\x01\x4f\x0a\xf0\x00\x09\x9c\x40\x00\x50", 15);
    return bytes;
}

} // namespace

class TestProxies : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void joined_data();
    void joined();
    void notJoined_data();
    void notJoined();
    void throughNat();
    void proxyNotCaptured();
    void oneArmedWithoutDirections();
    void inPiecesAndByFile();
    void equalRequestsAtOnce();
    void equalRequestsOneAfterTheOther();
    void tellsWhichByName();
    void chain();
    void translationWithAMissingSide();
};

void TestProxies::joined_data() {
    QTest::addColumn<QByteArray>("asked");
    QTest::addColumn<QByteArray>("passedOn");
    QTest::addColumn<QByteArray>("answer");
    QTest::addColumn<QByteArray>("evidence");
    const auto row = [](const char *name, const std::string &asked, const std::string &passedOn,
                        const std::string &answer, const char *evidence) {
        QTest::newRow(name) << QByteArray::fromStdString(asked) << QByteArray::fromStdString(passedOn)
                            << QByteArray::fromStdString(answer) << QByteArray(evidence);
    };
    const std::string ask = request("shop.example");
    const std::string hello = "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + detail::textAt(40, 500);
    row("a userland proxy", ask, ask, kAnswer, "payload");
    row("TLS passed on", hello, hello, detail::textAt(9000, 1400), "payload");
    row("X-Forwarded-For", ask, request("shop.example", "X-Forwarded-For: 104.132.1.79\r\n"), kAnswer,
        "proxy-header payload");
    row("X-Forwarded-For with one before", request("shop.example", "X-Forwarded-For: 1.2.3.4\r\n"),
        request("shop.example", "X-Forwarded-For: 1.2.3.4, 104.132.1.79\r\n"), kAnswer, "proxy-header payload");
    row("another Host, Via and HTTP version", ask,
        "GET /cart?id=17 HTTP/1.0\r\nVia: 1.1 edge\r\nhost: backend\r\nconnection: close\r\nuser-agent: "
        "curl/7.88.1\r\naccept: */*\r\n\r\n",
        kAnswer, "payload");
    row("PROXY protocol version 1", ask, "PROXY TCP4 104.132.1.79 10.240.0.9 40000 80\r\n" + ask, kAnswer,
        "proxy-header payload");
    row("PROXY protocol version 2", ask, binaryPreface(1) + ask, kAnswer, "proxy-header payload");
    row("PROXY protocol version 2, speaking for itself", ask, binaryPreface(0) + ask, kAnswer, "payload");
    row("PROXY protocol and TLS that ends at the proxy", hello, "PROXY TCP4 104.132.1.79 10.240.0.9 40000 80\r\n" + ask,
        kAnswer, "proxy-header");
    row("short words", "PING\r\n", "PING\r\n", "+PONG\r\n", "payload");
}

void TestProxies::joined() {
    QFETCH(QByteArray, asked);
    QFETCH(QByteArray, passedOn);
    QFETCH(QByteArray, answer);
    QFETCH(QByteArray, evidence);
    Talk outer = toProxy(), inner = fromProxy();
    outer.ask = asked.toStdString();
    inner.ask = passedOn.toStdString();
    outer.answer = inner.answer = answer.toStdString();
    Scenario scenario;
    nest(scenario, outer, inner);
    const auto snapshot = trace(scenario);
    QCOMPARE(snapshot->paths.size(), 1u);
    const auto &path = *snapshot->paths[0];
    QCOMPARE(text(route(path)), "client>proxy[proxied]>server");
    QCOMPARE(text(route(path, Direction::reply)), "server>proxy[proxied]>client");
    QCOMPARE(named(path.outcome), "delivered");
    QCOMPARE(text(path.requested), "10.240.0.9:80");
    QCOMPARE(text(path.endpoint->address), "10.180.1.136:8080");
    QCOMPARE(text(path.seenByEndpoint), "10.240.0.9:50000");
    QCOMPARE(path.sourcePreserved, std::optional(false));
    const auto *hop = proxyHop(path);
    QVERIFY(hop);
    QByteArray kinds;
    for (const auto kind : hop->evidence)
        kinds += (kinds.isEmpty() ? "" : " ") + QByteArray::fromStdString(std::string(toString(kind)));
    QCOMPARE(kinds, evidence);
    QVERIFY(hop->confidence >= 0.7 && hop->confidence < 1);
    for (const auto &each : path.hops)
        QVERIFY2(each.doubts.empty(), each.doubts.empty() ? "" : each.doubts[0].c_str());
}

void TestProxies::notJoined_data() {
    QTest::addColumn<int>("change");
    QTest::newRow("another answer") << 0;
    QTest::newRow("another target") << 1;
    QTest::newRow("another program asks") << 2;
    QTest::newRow("opened before the first") << 3;
    QTest::newRow("answered after the first") << 4;
    QTest::newRow("opened after the first's end") << 5;
    QTest::newRow("from another place") << 6;
    QTest::newRow("came to the proxy through a router") << 7;
    QTest::newRow("PROXY protocol names somebody else") << 8;
    QTest::newRow("X-Forwarded-For names somebody else") << 9;
    QTest::newRow("the greeting of a protocol, then something else") << 10;
}

void TestProxies::notJoined() {
    QFETCH(int, change);
    Talk outer = toProxy(), inner = fromProxy();
    std::int64_t later = 0;
    switch (change) {
    case 0: inner.answer = "HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\nsomething else"; break;
    case 1: inner.ask = request("shop.example", "", "/cart?id=18"); break;
    case 2: inner.ask = "GET /cart?id=17 HTTP/1.1\r\nUser-Agent: Go-http-client/1.1\r\nAccept: */*\r\n\r\n"; break;
    case 3: later = -30 * kMilli; break;
    case 4: later = 5 * kMilli; break;
    case 5: later = 500 * kMilli; break;
    case 6: inner = fromProxy(0, "10.240.0.77"); break;
    case 8: inner.ask = "PROXY TCP4 104.132.1.80 10.240.0.9 40000 80\r\n" + inner.ask; break;
    case 9: inner.ask = request("shop.example", "X-Forwarded-For: 104.132.1.80\r\n"); break;
    case 10:
        outer.ask = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + detail::textAt(1, 100);
        inner.ask = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + detail::textAt(2, 60);
        outer.answer = detail::textAt(7, 30) + detail::textAt(50, 400);
        inner.answer = detail::textAt(7, 30) + detail::textAt(60, 300);
        break;
    default: break;
    }
    if (change == 6)
        for (auto *way : {&inner.request, &inner.reply})
            for (Stop &stop : *way)
                if (stop.point == "proxy/eth1") stop.point = "other/eth0";
    if (change == 7) {
        inner.request = {{"proxy/eth1", kOut, 63, inner.request[0].tuple},
                         {"server/eth0", kIn, 63, inner.request[0].tuple}};
    }
    Scenario scenario;
    nest(scenario, outer, inner);
    for (auto &captured : scenario.packets)
        if (!captured.point.starts_with("client/") && captured.point != "proxy/eth0") captured.time += later;
    for (auto &captured : scenario.packets)
        captured.time += 100 * kMilli;
    const auto snapshot = trace(scenario);
    QCOMPARE(proxied(*snapshot), 0u);
    QCOMPARE(snapshot->paths.size(), 2u);
}

/// Through a node port and DNAT to the proxy, from the proxy to a cluster IP and DNAT to the endpoint.
void TestProxies::throughNat() {
    const Tuple outside = tcp("104.132.1.79:40000", "10.240.0.4:32080"),
                there = tcp("104.132.1.79:40000", "10.180.1.9:80");
    const Tuple asked = tcp("10.180.1.9:50000", "10.0.170.92:80"), sent = tcp("10.180.1.9:50000", "10.180.1.136:8080");
    Talk outer = toProxy(), inner = fromProxy();
    outer.request = {{"client/eth0", kOut, 64, outside},
                     {"node1/eth0", kIn, 64, outside},
                     {"node1/veth9", kOut, 63, there},
                     {"ingress/eth0", kIn, 63, there}};
    outer.reply = {{"ingress/eth0", kOut, 64, there},
                   {"node1/veth9", kIn, 64, there},
                   {"node1/eth0", kOut, 63, outside},
                   {"client/eth0", kIn, 63, outside}};
    inner.request = {{"ingress/eth0", kOut, 64, asked},
                     {"node1/veth9", kIn, 64, asked},
                     {"node1/veth1", kOut, 63, sent},
                     {"server/eth0", kIn, 63, sent}};
    inner.reply = {{"server/eth0", kOut, 64, sent},
                   {"node1/veth1", kIn, 64, sent},
                   {"node1/veth9", kOut, 63, asked},
                   {"ingress/eth0", kIn, 63, asked}};
    inner.ask = request("shop.example", "X-Forwarded-For: 104.132.1.79\r\n");
    Scenario scenario;
    nest(scenario, outer, inner);
    const auto snapshot = trace(scenario);
    QCOMPARE(snapshot->paths.size(), 1u);
    const auto &path = *snapshot->paths[0];
    QVERIFY(proxyHop(path));
    QCOMPARE(text(proxyHop(path)->host), "ingress");
    QCOMPARE(text(path.requested), "10.240.0.4:32080");
    QCOMPARE(text(path.endpoint->address), "10.180.1.136:8080");
    QCOMPARE(text(path.seenByEndpoint), "10.180.1.9:50000");
    QCOMPARE(text(path.http->forwardedFor), "104.132.1.79"); // as the server was told
}

void TestProxies::proxyNotCaptured() {
    Scenario scenario;
    nest(scenario, toProxy(), fromProxy());
    std::erase_if(scenario.packets, [](const Captured &captured) { return captured.point.starts_with("proxy/"); });
    const auto snapshot = trace(scenario);
    QCOMPARE(snapshot->paths.size(), 1u);
    QCOMPARE(text(route(*snapshot->paths[0])), "client>10.240.0.9[proxied]?>server");
}

/// A proxy with one interface, captured by somebody who knows nothing of directions: one file.
void TestProxies::oneArmedWithoutDirections() {
    Scenario scenario;
    nest(scenario, toProxy(), fromProxy());
    std::erase_if(scenario.packets, [](const Captured &captured) { return !captured.point.starts_with("proxy/"); });
    for (auto &captured : scenario.packets) {
        captured.point = "proxy";
        captured.crossing = kNoWay;
    }
    const auto snapshot = trace(scenario);
    QCOMPARE(snapshot->paths.size(), 1u);
    QCOMPARE(text(route(*snapshot->paths[0])), "proxy[proxied]");
}

void TestProxies::inPiecesAndByFile() {
    Scenario scenario;
    nest(scenario, toProxy(), fromProxy());
    for (const bool byPoint : {false, true})
        for (const unsigned every : {0u, 1u, 3u}) {
            const auto snapshot = trace(scenario, {.byPoint = byPoint, .snapshotEvery = every});
            QCOMPARE(snapshot->paths.size(), 1u);
            QCOMPARE(proxied(*snapshot), 1u);
            // Beyond the number of paths that are kept all are made when asked for.
            const auto archived =
                trace(scenario, {.byPoint = byPoint, .snapshotEvery = every, .options = {.keepLegs = 1}});
            QCOMPARE(archived->paths.size(), 1u);
            QCOMPARE(text(route(*archived->paths[0])), text(route(*snapshot->paths[0])));
        }
}

/// Two clients ask the same at the same time: nobody can tell whose request is whose.
void TestProxies::equalRequestsAtOnce() {
    Scenario scenario;
    for (unsigned i : {0u, 1u}) {
        Talk outer = toProxy(fmt::format("104.132.1.8{}:40000", i)), inner = fromProxy(i);
        outer.begin = i * 50 * kMicro;
        outer.clientIsn += i * 1000;
        outer.serverIsn += i * 1000;
        nest(scenario, outer, inner);
    }
    const auto snapshot = trace(scenario);
    QCOMPARE(proxied(*snapshot), 0u);
    QCOMPARE(snapshot->paths.size(), 4u);
    QVERIFY(saysAmbiguous(*snapshot));
}

void TestProxies::equalRequestsOneAfterTheOther() {
    // The clients keep their connections open; each request is answered before the next one comes, if only just.
    Scenario scenario;
    constexpr std::int64_t kApart = 11'100 * kMicro;
    for (unsigned i = 0; i < 20; ++i) {
        Talk outer = toProxy(fmt::format("104.132.1.{}:40000", 10 + i)), inner = fromProxy(i);
        outer.begin = i * kApart;
        outer.clientIsn += i * 1000;
        outer.serverIsn += i * 1000;
        outer.close = false;
        nest(scenario, outer, inner);
    }
    const auto snapshot = trace(scenario);
    QCOMPARE(snapshot->paths.size(), 20u);
    for (unsigned i = 0; i < 20; ++i) {
        QCOMPARE(text(route(*snapshot->paths[i])), "client>proxy[proxied]>server");
        QCOMPARE(snapshot->paths[i]->seenByEndpoint->port, 50000 + i);
    }
}

/// At the same time, but the proxy says for whom.
void TestProxies::tellsWhichByName() {
    Scenario scenario;
    for (unsigned i = 0; i < 20; ++i) {
        const std::string client = fmt::format("104.132.1.{}", 10 + i);
        Talk outer = toProxy(client + ":40000"), inner = fromProxy(i);
        outer.begin = i * 50 * kMicro;
        outer.clientIsn += i * 1000;
        outer.serverIsn += i * 1000;
        inner.ask = i % 2 == 0 ? request("shop.example", "X-Forwarded-For: " + client + "\r\n")
                               : "PROXY TCP4 " + client + " 10.240.0.9 40000 80\r\n" + inner.ask;
        nest(scenario, outer, inner);
    }
    const auto snapshot = trace(scenario);
    QCOMPARE(snapshot->paths.size(), 20u);
    for (unsigned i = 0; i < 20; ++i) {
        QCOMPARE(proxied(*snapshot), 20u);
        QCOMPARE(snapshot->paths[i]->seenByEndpoint->port, 50000 + i);
    }
}

/// One proxy behind another on one host, all at one address.
void TestProxies::chain() {
    const auto talk = [](const char *from, const char *to, unsigned n) {
        const Tuple tuple = tcp(from, to);
        Talk made = fromProxy(n);
        made.request = made.reply = {{"host/lo", kNoWay, 64, tuple}};
        return made;
    };
    Scenario scenario, inner;
    // The third is within the second, the second within the first.
    const Talk first = talk("127.0.0.1:1000", "127.0.0.1:80", 1), second = talk("127.0.0.1:2000", "127.0.0.1:81", 2),
               third = talk("127.0.0.1:3000", "127.0.0.1:82", 3);
    Scenario one, two, three;
    addTcp(one, first);
    Talk s = second, t = third;
    s.begin = 3200 * kMicro;
    t.begin = 6500 * kMicro;
    addTcp(two, s);
    addTcp(three, t);
    for (auto &captured : one.packets)
        if (captured.time >= 4 * kMilli) captured.time += 20 * kMilli;
    for (auto &captured : two.packets)
        if (captured.time >= s.begin + 4 * kMilli) captured.time += 10 * kMilli;
    for (auto *part : {&one, &two, &three})
        scenario.packets.insert(scenario.packets.end(), part->packets.begin(), part->packets.end());
    const auto snapshot = trace(scenario);
    QCOMPARE(snapshot->paths.size(), 1u);
    QCOMPARE(text(snapshot->paths[0]->requested), "127.0.0.1:80");
    QCOMPARE(text(snapshot->paths[0]->endpoint->address), "127.0.0.1:82");
}

/// Everything fits but that packets were made elsewhere: translations of which one side was lost are no proxies.
void TestProxies::translationWithAMissingSide() {
    Scenario scenario;
    for (unsigned i = 0; i < 40; ++i) {
        Talk talk =
            viaNode2(fmt::format("104.132.1.79:{}", 40000 + i).c_str(), fmt::format("10.240.0.5:{}", 4000 + i).c_str());
        talk.begin = i * kMilli;
        talk.clientIsn = 1000 + i * 77;
        talk.serverIsn = 900'000 + i * 33;
        talk.ask = request("shop.example");
        talk.answer = kAnswer;
        Scenario one;
        addTcp(one, talk);
        // Of every other connection only what lies before node2, of the rest only what lies behind it.
        std::erase_if(one.packets, [&](const Captured &captured) {
            const auto packet = packet::decode(packet::LinkType::ethernet, captured.bytes);
            const bool before = packet.tuple.src.port == 32080 || packet.tuple.dst.port == 32080;
            return before == (i % 2 == 0);
        });
        scenario.packets.insert(scenario.packets.end(), one.packets.begin(), one.packets.end());
    }
    const auto snapshot = trace(scenario);
    QCOMPARE(proxied(*snapshot), 0u);
    QCOMPARE(snapshot->paths.size(), 40u);
}

NATLENS_TEST(TestProxies)
#include "tst_proxies.moc"
