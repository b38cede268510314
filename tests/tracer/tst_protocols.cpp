// Protocols beside TCP and UDP across a translation, and traffic that looks alike without being one conversation.
#ifndef Q_MOC_RUN // moc of Qt 6.4 stumbles over <concepts>
#include "tests/tracer/named.h"

#include <fmt/format.h>
#endif

#include "tests/test_program.h"

using namespace natlens;
using namespace natlens::test;
using packet::PacketBuilder;
using packet::Protocol;

namespace {

Tuple tupleOf(Protocol protocol, const std::string &src, const std::string &dst) {
    return {protocol, at(src.c_str()), at(dst.c_str())};
}

using Fill = std::function<void(PacketBuilder &, const Tuple &)>;

/// client -> router, which replaces both addresses -> server, and back; one packet each way.
void exchange(Scenario &scenario, const Tuple &before, const Tuple &after, std::int64_t time, const Fill &request,
              const Fill &reply) {
    send(scenario,
         {{"client/eth0", kNoWay, 64, before},
          {"router/eth0", kNoWay, 64, before},
          {"router/eth1", kNoWay, 63, after},
          {"server/eth0", kNoWay, 63, after}},
         time, false, request);
    send(scenario,
         {{"server/eth0", kNoWay, 64, after},
          {"router/eth1", kNoWay, 64, after},
          {"router/eth0", kNoWay, 63, before},
          {"client/eth0", kNoWay, 63, before}},
         time + kMilli, true, reply);
}

std::string routes(const tracer::Snapshot &snapshot) {
    std::vector<std::string> all;
    for (const auto &path : snapshot.paths)
        all.push_back(route(*path));
    std::ranges::sort(all);
    std::string text;
    for (const auto &one : all)
        text += one + "\n";
    return text;
}

} // namespace

class TestProtocols : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void echo_data();
    void echo();
    void sctp();
    void segmentsWithoutFlags();
    void associationsEnd_data();
    void associationsEnd();
    void lookAlikes_data();
    void lookAlikes();
};

void TestProtocols::echo_data() {
    QTest::addColumn<QByteArray>("addresses");
    QTest::addColumn<int>("translatedId");
    QTest::newRow("IPv4") << QByteArray("192.0.2.11 10.9.0.11 10.9.0.1") << 700;
    QTest::newRow("IPv4, the number was taken") << QByteArray("192.0.2.11 10.9.0.11 10.9.0.1") << 701;
    QTest::newRow("IPv6") << QByteArray("2001:db8::11 2001:db8:9::11 2001:db8:9::1") << 700;
}

/// ping through a masquerade: the echo's number is its port.
void TestProtocols::echo() {
    QFETCH(QByteArray, addresses);
    QFETCH(int, translatedId);
    const auto words = addresses.split(' ');
    const bool v6 = addresses.contains(':');
    const auto socket = [&](int i, int id) {
        SocketAddress made;
        made.ip = *packet::IpAddress::parse(words[i].toStdString());
        made.port = static_cast<packet::Port>(id);
        return made;
    };
    const auto protocol = v6 ? Protocol::icmpv6 : Protocol::icmp;
    const Tuple before{protocol, socket(0, 700), socket(1, 700)},
        after{protocol, socket(2, translatedId), socket(1, translatedId)};
    Scenario scenario;
    for (std::uint16_t n = 1; n <= 3; ++n) {
        const std::string text = fmt::format("{:08x} abcdefghijklmnopqrstuvwabcdefghi", n * 7919);
        const auto fill = [&](bool reply) {
            return [&, reply](PacketBuilder &builder, const Tuple &tuple) {
                const packet::Port id = tuple.src.port;
                (reply ? builder.icmpEchoReply(id, n) : builder.icmpEchoRequest(id, n))
                    .ipId(static_cast<std::uint16_t>((reply ? 900 : 500) + n))
                    .payload(std::string_view(text));
            };
        };
        exchange(scenario, before, after, n * 1000 * kMilli, fill(false), fill(true));
    }
    for (const bool byPoint : {false, true}) {
        const auto snapshot = trace(scenario, {.byPoint = byPoint});
        QCOMPARE(QString::fromStdString(routes(*snapshot)), QString("client>router[SNAT]>server\n"));
        QVERIFY(snapshot->paths[0]->outcome == tracer::Outcome::delivered);
    }
}

/// Two associations through a translation; verification tags are what is left alone.
void TestProtocols::sctp() {
    Scenario scenario;
    for (std::uint32_t n = 0; n < 2; ++n) {
        const Tuple before = tupleOf(Protocol::sctp, fmt::format("192.0.2.11:{}", 40000 + n), "192.0.2.1:3868"),
                    after = tupleOf(Protocol::sctp, fmt::format("10.9.0.1:{}", 50000 + 7 * n), "10.9.0.11:3868");
        for (std::uint32_t turn = 0; turn < 3; ++turn) {
            const std::string text = fmt::format("{:024x}", (n + 1) * 1'000'003 + turn);
            const auto fill = [&](bool reply) {
                return [&, reply](PacketBuilder &builder, const Tuple &tuple) {
                    builder.sctp(tuple.src.port, tuple.dst.port, 0x1000 * (n + 1) + reply)
                        .ipId(static_cast<std::uint16_t>(0x100 * (n + 1) + 0x10 * turn + reply))
                        .payload(std::string_view(text));
                };
            };
            exchange(scenario, before, after, n * 10 * kMilli + turn * 3 * kMilli, fill(false), fill(true));
        }
    }
    for (const bool byPoint : {false, true}) {
        const auto snapshot = trace(scenario, {.byPoint = byPoint});
        QCOMPARE(routes(*snapshot), std::string("client>router[SNAT,DNAT]>server\nclient>router[SNAT,DNAT]>server\n"));
    }
}

/// A scan by segments without a flag: whole packets were captured, and nobody answered.
void TestProtocols::segmentsWithoutFlags() {
    Scenario scenario;
    const Tuple tuple = tupleOf(Protocol::tcp, "192.0.2.11:40000", "192.0.2.1:80");
    for (std::uint16_t n = 1; n <= 2; ++n)
        send(scenario, {{"client/eth0", kNoWay, 64, tuple}}, n * 1000 * kMilli, false,
             [n](PacketBuilder &builder, const Tuple &to) { builder.tcp(to.src.port, to.dst.port, 0).seq(7).ipId(n); });
    const auto snapshot = trace(scenario);
    QCOMPARE(snapshot->paths.size(), std::size_t{1});
    const auto &notes = snapshot->paths.front()->notes;
    QVERIFY(std::ranges::none_of(notes, [](const auto &note) { return note.find("snap length") != note.npos; }));
}

void TestProtocols::associationsEnd_data() {
    QTest::addColumn<QByteArray>("answers"); // types of chunks (RFC 9260 section 3.2)
    QTest::addColumn<tracer::Outcome>("outcome");
    QTest::newRow("established") << QByteArray("\2\13") << tracer::Outcome::delivered;
    QTest::newRow("refused") << QByteArray("\6") << tracer::Outcome::rejected;
    QTest::newRow("given up later") << QByteArray("\2\6") << tracer::Outcome::reset;
}

void TestProtocols::associationsEnd() {
    QFETCH(QByteArray, answers);
    QFETCH(tracer::Outcome, outcome);
    const Tuple before = tupleOf(Protocol::sctp, "192.0.2.11:40000", "192.0.2.1:3868"),
                after = tupleOf(Protocol::sctp, "10.9.0.1:50000", "10.9.0.11:3868");
    Scenario scenario;
    std::uint16_t number = 0;
    for (const char answer : answers) {
        ++number;
        // INIT, then COOKIE ECHO; a chunk has its type, flags and length first.
        const std::string asked{number == 1 ? '\1' : '\12', '\0', '\0', '\4'}, said{answer, '\0', '\0', '\4'};
        const auto fill = [&](std::string_view chunk, std::uint16_t id) {
            return [=](PacketBuilder &builder, const Tuple &tuple) {
                builder.sctp(tuple.src.port, tuple.dst.port, 0x1234).ipId(id).payload(chunk);
            };
        };
        exchange(scenario, before, after, number * 10 * kMilli, fill(asked, static_cast<std::uint16_t>(0x100 + number)),
                 fill(said, static_cast<std::uint16_t>(0x200 + number)));
    }
    const auto snapshot = trace(scenario);
    QCOMPARE(snapshot->paths.size(), std::size_t{1});
    const auto &path = *snapshot->paths.front();
    QCOMPARE(toString(path.outcome), toString(outcome));
    QCOMPARE(std::ranges::count(path.notes, "rejected at server with an SCTP ABORT") == 1,
             outcome == tracer::Outcome::rejected);
}

void TestProtocols::lookAlikes_data() {
    QTest::addColumn<QString>("what");
    for (const char *what : {"ping storm", "QUIC", "DHCP", "GRE keepalives", "SNMP traps", "NTP"})
        QTest::newRow(what) << what;
}

/// Many hosts say the same at the same time, seen at two capture points one router apart: nobody is joined with
/// another.
void TestProtocols::lookAlikes() {
    QFETCH(QString, what);
    Scenario scenario;
    for (unsigned n = 0; n < 40; ++n) {
        const std::string host = fmt::format("10.1.{}.{}", n % 4, 10 + n);
        const bool near = n % 2 == 0;
        const Fill fill = [&](PacketBuilder &builder, const Tuple &tuple) {
            builder.ipId(what == "SNMP traps" ? std::uint16_t{0} : static_cast<std::uint16_t>(n * 1237 + 1));
            if (what == "ping storm")
                builder.icmpEchoRequest(tuple.src.port, 1)
                    .payload(std::string_view("abcdefghijklmnopqrstuvwabcdefghi"));
            else if (what == "QUIC") // the same version and an equal padding; connection ids differ
                builder.udp(tuple.src.port, tuple.dst.port)
                    .payload(fmt::format("\xc3{:c}{:c}{:c}\x01\x08{:08x}", 0, 0, 0, n * 2'654'435'761U) +
                             std::string(1100, '\0'));
            else
                builder.udp(tuple.src.port, tuple.dst.port)
                    .payload(std::string_view("the very same words of the very same program, padded a little"));
        };
        Tuple tuple = tupleOf(Protocol::udp, host + ":40000", "10.2.0.1:443");
        if (what == "ping storm") tuple = {Protocol::icmp, at((host + ":7").c_str()), at("10.2.0.1:7")};
        if (what == "DHCP") tuple = tupleOf(Protocol::udp, "0.0.0.0:68", "255.255.255.255:67");
        if (what == "GRE keepalives") tuple = tupleOf(Protocol::udp, host + ":3386", "10.2.0.1:3386");
        if (what == "SNMP traps") tuple = tupleOf(Protocol::udp, host + ":161", "10.2.0.1:162");
        if (what == "NTP") tuple = tupleOf(Protocol::udp, host + ":123", "10.2.0.1:123");
        send(scenario, {{near ? "near/eth0" : "far/eth0", kNoWay, static_cast<std::uint8_t>(near ? 64 : 63), tuple}},
             n / 2 * kMilli + (near ? 0 : 50 * kMicro), false, fill);
    }
    for (const bool byPoint : {false, true})
        QCOMPARE(translatedPaths(*trace(scenario, {.byPoint = byPoint})), 0U);
}

NATLENS_TEST(TestProtocols)
#include "tst_protocols.moc"
