// Recordings for strangers: nothing of the addresses and payloads is left, and the paths stay what they were.
#include "app/session/anonymize_packet.h"
#include "app/session/session.h"
#include "capture/packet/checksum.h"
#include "recording.h"
#include "tracer/path/path_json.h"

#include <QTemporaryDir>
#include "tests/test_program.h"
#include <algorithm>
#include <bit>
#include <random>

using namespace natlens;
using namespace std::chrono_literals;
using packet::IpAddress;
using packet::LinkType;
using packet::PacketBuilder;
using session::AddressMapper;
using session::KeyedHash;
using session::PacketAnonymizer;

namespace {

using Bytes = std::vector<std::byte>;

constexpr KeyedHash::Key kKey{0x0123456789abcdef, 0xfedcba9876543210};
constexpr std::string_view kSecret =
    "GET /patients/4711 HTTP/1.1\r\nX-Forwarded-For: 203.0.113.77\r\nCookie: session=abcdefghijkl\r\n\r\n";

IpAddress ip(const char *text) {
    return *IpAddress::parse(text);
}

Bytes bytesOf(std::initializer_list<int> values) {
    Bytes bytes;
    for (const int value : values)
        bytes.push_back(std::byte(value));
    return bytes;
}

Bytes joined(std::initializer_list<Bytes> parts) {
    Bytes all;
    for (const Bytes &part : parts)
        all.insert(all.end(), part.begin(), part.end());
    return all;
}

bool contains(std::span<const std::byte> bytes, std::span<const std::byte> what) {
    return std::search(bytes.begin(), bytes.end(), what.begin(), what.end()) != bytes.end();
}

bool contains(std::span<const std::byte> bytes, const IpAddress &address) {
    return contains(bytes, std::as_bytes(std::span(address.bytes)).first(address.size()));
}

/// Leading bits that two addresses share.
unsigned shared(const IpAddress &a, const IpAddress &b) {
    for (unsigned i = 0; i < a.size(); ++i)
        if (const auto differ = static_cast<std::uint8_t>(a.bytes[i] ^ b.bytes[i]); differ != 0)
            return i * 8 + static_cast<unsigned>(std::countl_zero(differ));
    return static_cast<unsigned>(a.size()) * 8;
}

PacketBuilder request(const char *src = "104.132.1.79", const char *dst = "10.240.0.5") {
    return PacketBuilder()
        .ip(ip(src), ip(dst))
        .mac({0x00, 0x1b, 0x21, 0xaa, 0xbb, 0xcc}, {0x00, 0x1b, 0x21, 0xdd, 0xee, 0xff})
        .tcp(53210, 32080, packet::TcpFlags::ack | packet::TcpFlags::psh)
        .seq(1'000'001)
        .ack(7'000'001)
        .timestamps(11, 22)
        .ipId(77)
        .ttl(61)
        .payload(kSecret);
}

/// What no packet may contain: the addresses, in bytes, that the cases below use.
const std::vector<IpAddress> &originals() {
    static const std::vector<IpAddress> kAddresses{ip("104.132.1.79"), ip("10.240.0.5"),       ip("192.168.7.9"),
                                                   ip("172.16.3.4"),   ip("2001:db8::1234:9"), ip("fd00:10:244::8")};
    return kAddresses;
}

} // namespace

Q_DECLARE_METATYPE(Bytes)
Q_DECLARE_METATYPE(LinkType)

class TestAnonymize : public QObject {
    Q_OBJECT
    QTemporaryDir m_dir;
    std::filesystem::path at(const std::string &name) const {
        return std::filesystem::path(m_dir.path().toStdString()) / name;
    }
    static std::shared_ptr<const session::View> replay(const std::filesystem::path &file,
                                                       const session::Options &options = {}) {
        auto session = session::Session::open(session::FileSource{{file}}, options);
        if (!session) return nullptr;
        auto view = (*session)->view();
        for (int i = 0; i < 600 && !view->ended; ++i)
            view = (*session)->waitForChange(view->version, 100ms);
        return view;
    }

private Q_SLOTS:
    /// The example of the paper's appendix: key 00 01 ... 0f, input 00 01 ... 0e.
    void keyedHashIsSipHash() {
        Bytes input;
        for (int i = 0; i < 15; ++i)
            input.push_back(std::byte(i));
        QCOMPARE(KeyedHash({0x0706050403020100, 0x0f0e0d0c0b0a0908})(input), std::uint64_t(0xa129ca6149be45e5));
        QVERIFY(KeyedHash::randomKey() != KeyedHash::randomKey());
        QVERIFY(KeyedHash::keyOf("a") == KeyedHash::keyOf("a") && KeyedHash::keyOf("a") != KeyedHash::keyOf("b"));
    }

    void prefixesArePreserved() {
        AddressMapper map(kKey);
        std::mt19937 random(5);
        std::vector<IpAddress> addresses;
        for (int i = 0; i < 300; ++i) {
            addresses.push_back(IpAddress::v4(static_cast<std::uint32_t>(random())));
            addresses.push_back(IpAddress::v4((10u << 24 | random() % 4096)));
            IpAddress six = ip("2001:db8::");
            for (std::size_t j = 6; j < 16; ++j)
                six.bytes[j] = static_cast<std::uint8_t>(random() % 3);
            addresses.push_back(six);
        }
        for (const IpAddress &a : addresses)
            for (const IpAddress &b : addresses)
                if (a.family == b.family) QCOMPARE(shared(map(a), map(b)), shared(a, b)); // so it is one to one, too
        AddressMapper again(kKey), other({1, 2});
        QCOMPARE(again(addresses[0]).toString(), map(addresses[0]).toString());
        QVERIFY(other(addresses[0]) != map(addresses[0]));
    }

    void meaningStays_data() {
        QTest::addColumn<QString>("address");
        QTest::addColumn<QString>("block"); // "" the address itself
        const auto row = [](const char *address, const char *block = "") {
            QTest::newRow(address) << address << block;
        };
        for (const char *same : {"127.0.0.1", "0.0.0.0", "255.255.255.255", "224.0.0.251", "::1", "::", "ff02::fb"})
            row(same);
        row("10.1.2.3", "10.0.0.0/8");
        row("172.20.2.3", "172.16.0.0/12");
        row("192.168.1.2", "192.168.0.0/16");
        row("169.254.1.2", "169.254.0.0/16");
        row("100.100.1.2", "100.64.0.0/10");
        row("fe80::1:2", "fe80::/10");
        row("fd12::1", "fc00::/7");
        row("2001:db8::1", "2000::/3");
        row("::ffff:10.1.2.3", "::ffff:10.0.0.0/104");
        row("64:ff9b::192.168.1.1", "64:ff9b::192.168.0.0/112");
    }
    void meaningStays() {
        QFETCH(QString, address);
        QFETCH(QString, block);
        AddressMapper map(kKey);
        const IpAddress before = ip(address.toLatin1()), after = map(before);
        QCOMPARE(after == before, block.isEmpty());
        if (!block.isEmpty())
            QVERIFY2(packet::IpPrefix::parse(block.toStdString())->contains(after), after.toString().c_str());
        // Nothing else gets into the blocks.
        for (const char *outside :
             {"9.255.255.255", "11.0.0.1", "172.15.0.1", "172.32.0.1", "193.168.1.1", "126.1.1.1", "223.1.1.1"})
            for (const char *inside :
                 {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8", "224.0.0.0/3", "0.0.0.0/8"})
                QVERIFY(!packet::IpPrefix::parse(inside)->contains(map(ip(outside))));
    }

    void macAddresses() {
        const AddressMapper map(kKey);
        using Mac = packet::MacAddress;
        QCOMPARE(map(Mac{}), Mac{});
        QCOMPARE(map(Mac{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}), (Mac{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}));
        QCOMPARE(map(Mac{0, 1, 2, 3, 4, 5})[0] & 3, 2);
        const Mac solicited = map(Mac{0x33, 0x33, 0xff, 1, 2, 3});
        QVERIFY(solicited[0] == 0x33 && solicited[1] == 0x33 && solicited != (Mac{0x33, 0x33, 0xff, 1, 2, 3}));
    }

    void packets_data() {
        QTest::addColumn<LinkType>("link");
        QTest::addColumn<Bytes>("bytes");
        const auto row = [](const char *name, const Bytes &bytes, LinkType link = LinkType::ethernet) {
            QTest::newRow(name) << link << bytes;
        };
        const auto six = request("2001:db8::1234:9", "fd00:10:244::8");
        const Bytes quoted = request().buildIp();
        row("TCP", request().build());
        row("TCP over IPv6", six.build());
        row("tagged twice", request().vlan(5).vlan(7).build());
        for (const LinkType link : {LinkType::linuxSll, LinkType::linuxSll2, LinkType::null, LinkType::rawIp})
            QTest::addRow("link type %d", int(link)) << link << request().link(link).build();
        row("UDP", request().udp(5353, 53).build());
        row("SCTP", request().sctp(1000, 2000, 7).build());
        row("echo", request().icmpEchoRequest(7, 8).build());
        row("later fragment", request().udp(1, 2).fragment(1480, false).build());
        row("ICMP error", request("192.168.7.9", "104.132.1.79").icmpError(3, 1, quoted).build());
        row("ICMPv6 error", request("fd00:10:244::8", "2001:db8::1234:9").icmpError(1, 4, six.buildIp()).build());
        row("redirect", [] {
            Bytes bytes = request().icmpError(5, 1, request().buildIp()).build();
            std::ranges::copy(bytesOf({192, 168, 7, 9}), bytes.begin() + 14 + 20 + 4);
            return bytes;
        }());
        row("IPv4 options", [] {
            Bytes bytes = request().udp(1, 2).build();
            bytes[14] = std::byte(0x47); // 28 bytes of header
            const Bytes recordRoute = bytesOf({7, 7, 4, 192, 168, 7, 9, 0});
            bytes.insert(bytes.begin() + 34, recordRoute.begin(), recordRoute.end());
            return bytes;
        }());
        row("multipath TCP names an address", [] {
            Bytes bytes = request().payload(std::string_view()).build();
            // ADD_ADDR of RFC 8684 in place of the time stamps' ten bytes and two of padding.
            const Bytes option = bytesOf({30, 8, 0x30, 1, 192, 168, 7, 9, 1, 1, 1, 1});
            std::ranges::copy(option, bytes.end() - 12);
            return bytes;
        }());
        const Bytes vxlan = bytesOf({8, 0, 0, 0, 0, 0, 42, 0});
        row("VXLAN", request("192.168.7.9", "172.16.3.4")
                         .udp(40000, 4789)
                         .payload(std::span<const std::byte>(joined({vxlan, request().build()})))
                         .build());
        const Bytes geneve = bytesOf({1, 0, 0x65, 0x58, 0, 0, 42, 0, 192, 168, 7, 9});
        row("Geneve", request("192.168.7.9", "172.16.3.4")
                          .udp(40000, 6081)
                          .payload(std::span<const std::byte>(joined({geneve, six.build()})))
                          .build());
        const auto carried = [](std::uint8_t protocol, const Bytes &inner) {
            Bytes bytes = request("192.168.7.9", "172.16.3.4").udp(1, 2).payload(std::string_view()).build();
            bytes.resize(14 + 20);
            bytes[14 + 9] = std::byte(protocol);
            const auto total = static_cast<std::uint16_t>(20 + inner.size());
            bytes[16] = std::byte(total >> 8);
            bytes[17] = std::byte(total & 0xff);
            return joined({bytes, inner});
        };
        row("IP in IP", carried(4, quoted));
        row("6in4", carried(41, six.buildIp()));
        row("GRE with a key", carried(47, joined({bytesOf({0x20, 0, 8, 0, 0, 0, 0, 1}), quoted})));
        row("ERSPAN", carried(47, joined({bytesOf({0x10, 0, 0x88, 0xbe, 0, 0, 0, 1, 16, 0, 0, 0, 0, 0, 0, 0}),
                                          request().build()})));
        row("ESP", carried(50, joined({bytesOf({1, 2, 3, 4}), quoted})));
        row("ARP", joined({bytesOf({255, 255, 255, 255, 255, 255, 0, 0x1b, 0x21, 0xaa, 0xbb, 0xcc, 8,    6,
                                    0,   1,   8,   0,   6,   4,   0, 1,    0,    0x1b, 0x21, 0xaa, 0xbb, 0xcc,
                                    10,  240, 0,   5,   0,   0,   0, 0,    0,    0,    192,  168,  7,    9})}));
        row("LLDP",
            joined({bytesOf({1, 0x80, 0xc2, 0, 0, 14, 0, 0x1b, 0x21, 0xaa, 0xbb, 0xcc, 0x88, 0xcc}),
                    Bytes(std::as_bytes(std::span(kSecret)).begin(), std::as_bytes(std::span(kSecret)).end())}));
        row("an unknown link type", request().build(), static_cast<LinkType>(999));
    }
    void packets() {
        QFETCH(LinkType, link);
        QFETCH(Bytes, bytes);
        PacketAnonymizer anonymize(kKey);
        AddressMapper map(kKey);
        const auto result = anonymize(link, bytes);
        const Bytes out(result.begin(), result.end());
        QVERIFY(out.size() <= bytes.size());
        for (const IpAddress &address : originals())
            QVERIFY2(!contains(out, address), address.toString().c_str());
        for (const Bytes &mac : {bytesOf({0x21, 0xaa, 0xbb, 0xcc}), bytesOf({0x21, 0xdd, 0xee, 0xff})})
            QVERIFY(!contains(out, mac));
        const auto secret = std::as_bytes(std::span(kSecret));
        for (std::size_t i = 0; i + 6 <= secret.size(); ++i)
            QVERIFY(!contains(out, secret.subspan(i, 6)));
        // What stitching lives on is still there.
        const auto length = static_cast<std::uint32_t>(bytes.size());
        const auto before = packet::decode(link, bytes, length), after = packet::decode(link, out, length);
        QCOMPARE(after.family, before.family);
        if (before.family == packet::IpFamily::none) return;
        QCOMPARE(after.tuple.src.ip.toString(), map(before.tuple.src.ip).toString());
        QCOMPARE(after.tuple.dst.ip.toString(), map(before.tuple.dst.ip).toString());
        QCOMPARE(after.tuple.src.port, before.tuple.src.port);
        QCOMPARE(after.tuple.dst.port, before.tuple.dst.port);
        QCOMPARE(after.ttl, before.ttl);
        QCOMPARE(after.ipId, before.ipId);
        QCOMPARE(after.networkLength, before.networkLength);
        QCOMPARE(after.payloadLength, before.payloadLength);
        QCOMPARE(after.tcpSeq, before.tcpSeq);
        QCOMPARE(after.tcpAck, before.tcpAck);
        QCOMPARE(after.tcpFlags, before.tcpFlags);
        QCOMPARE(after.hasQuoted, before.hasQuoted);
        if (before.hasQuoted) QCOMPARE(after.quoted.src.ip.toString(), map(before.quoted.src.ip).toString());
        if (before.hasQuoted) QCOMPARE(after.quoted.dst.port, before.quoted.dst.port);
        // Cut anywhere, nothing more comes out, and nothing is read beyond the end (a sanitizer would see it).
        for (std::size_t size = 0; size < bytes.size(); ++size) {
            const Bytes cut(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size));
            const auto shown = anonymize(link, cut);
            QVERIFY(shown.size() <= cut.size());
            for (const IpAddress &address : originals())
                QVERIFY(!contains(shown, address));
        }
    }

    /// IPv4 header checksums that were right are right, wrong ones are not made right.
    void headerChecksum() {
        PacketAnonymizer anonymize(kKey);
        Bytes bytes = request().build();
        const auto sum = [&] {
            const auto out = anonymize(LinkType::ethernet, bytes);
            return packet::internetChecksum(out.subspan(14, 20));
        };
        QCOMPARE(sum(), std::uint16_t(0));
        bytes[14 + 10] ^= std::byte(0x55);
        QVERIFY(sum() != 0);
    }

    /// Equal payload stays equal, also its beginning; other payload does not.
    void payloadEquality() {
        PacketAnonymizer anonymize(kKey);
        const auto tail = [&](std::string_view text) {
            const auto out =
                anonymize(LinkType::ethernet, request("10.0.0.1", "10.0.0.2").udp(9, 9).payload(text).build());
            return Bytes(out.begin() + 42, out.end());
        };
        const Bytes all = tail(kSecret), part = tail(kSecret.substr(0, 32)),
                    other = tail("HET" + std::string(kSecret.substr(3)));
        QCOMPARE(all.size(), std::size_t(64));
        QCOMPARE(part.size(), std::size_t(32));
        QVERIFY(std::ranges::equal(part, std::span(all).first(32)));
        QVERIFY(!std::ranges::equal(std::span(other).first(8), std::span(all).first(8)));
    }

    void noise() {
        std::mt19937 random(9);
        PacketAnonymizer anonymize(kKey);
        const Bytes vxlan = request().udp(1, 4789).payload(kSecret).build();
        for (int i = 0; i < 20'000; ++i) {
            Bytes bytes = vxlan;
            bytes.resize(random() % (vxlan.size() + 1));
            for (unsigned j = 0; j < random() % 8 && !bytes.empty(); ++j)
                bytes[random() % bytes.size()] = std::byte(random());
            QVERIFY(anonymize(random() % 2 ? LinkType::ethernet : LinkType::rawIp, bytes).size() <= bytes.size());
        }
    }

    /// The whole way: the file has nothing of the old one, and the same paths.
    void recordings() {
        auto frames = testing::conversation(53210);
        const auto more = testing::conversation(53300, 5'000);
        frames.insert(frames.end(), more.begin(), more.end());
        for (testing::Frame &frame : frames) {
            // Something to say, which the builder of the frames does not know about: behind the IP packet as padding is
            // not allowed to stay either.
            const auto secret = std::as_bytes(std::span(kSecret));
            frame.bytes.insert(frame.bytes.end(), secret.begin(), secret.end());
        }
        QVERIFY(testing::writeRecording(testing::createFile(at("private.pcapng")), frames));
        session::Options options;
        options.record = at("public.pcapng").string();
        options.anonymize = true;
        options.anonymizeKey = "of this test";
        const auto before = replay(at("private.pcapng"), options);
        QVERIFY(before && before->problem.empty());
        const std::string text = testing::contents(at("public.pcapng"));
        const auto bytes = std::as_bytes(std::span(text));
        for (const char *address : {"104.132.1.79", "10.240.0.5", "10.180.1.136"})
            QVERIFY2(!contains(bytes, ip(address)), address);
        for (const std::string_view word : {"patients", "HTTP", "session=", "client", "node2", "pod", "path 1"})
            QVERIFY2(text.find(word) == text.npos, word.data());
        const auto after = replay(at("public.pcapng"));
        QVERIFY(after && after->problem.empty());
        QCOMPARE(after->traced->packets, before->traced->packets);
        QCOMPARE(after->traced->paths.size(), before->traced->paths.size());
        for (std::size_t i = 0; i < after->traced->paths.size(); ++i) {
            const tracer::Path &a = *before->traced->paths[i], &b = *after->traced->paths[i];
            QVERIFY(b.outcome == a.outcome);
            QCOMPARE(b.client.address.port, a.client.address.port);
            QVERIFY(b.sourcePreserved == a.sourcePreserved);
            QCOMPARE(b.hops.size(), a.hops.size());
            for (std::size_t j = 0; j < a.hops.size(); ++j) {
                QVERIFY(b.hops[j].nat == a.hops[j].nat);
                QVERIFY(b.hops[j].direction == a.hops[j].direction);
                QVERIFY(b.hops[j].evidence == a.hops[j].evidence);
                QCOMPARE(b.hops[j].confidence, a.hops[j].confidence);
                QCOMPARE(b.hops[j].in.has_value(), a.hops[j].in.has_value());
                if (a.hops[j].in) QCOMPARE(b.hops[j].in->time.nanoseconds, a.hops[j].in->time.nanoseconds);
            }
        }
        // The same key gives the same file, a random one another.
        const std::string first = text;
        replay(at("private.pcapng"), options);
        QCOMPARE(testing::contents(at("public.pcapng")), first);
        options.anonymizeKey.clear();
        replay(at("private.pcapng"), options);
        QVERIFY(testing::contents(at("public.pcapng")) != first);
    }

    /// A comment per packet, behind those that were there, which stay.
    void annotations() {
        file::PcapngWriter writer(testing::createFile(at("commented.pcapng")));
        std::map<std::string, base::CapturePointId> points;
        std::int64_t number = 0;
        for (const testing::Frame &frame : testing::conversation()) {
            if (!points.contains(frame.point)) {
                file::CapturePoint point;
                point.name = frame.point;
                points[frame.point] = *writer.addPoint(point);
            }
            file::PacketView view;
            view.point = points[frame.point];
            view.time = {1'700'000'000'000'000'000 + frame.microseconds * 1000};
            view.data = frame.bytes;
            using namespace std::string_view_literals;
            if (++number == 2) view.comment = "look at this\0and at that"sv;
            QVERIFY(writer.writePacket(view));
        }
        file::PointStatistics statistics{points["node2/eth0"], {1'700'000'000'500'000'000}, 100, 7};
        QVERIFY(writer.writeStatistics(statistics));
        QVERIFY(writer.flush());
        session::Options options;
        options.record = at("annotated.pcapng").string();
        const auto view = replay(at("commented.pcapng"), options);
        QVERIFY(view && view->problem.empty());
        const std::string text = testing::contents(at("annotated.pcapng"));
        const auto count = [&](std::string_view what) {
            int found = 0;
            for (auto i = text.find(what); i != text.npos; i = text.find(what, i + 1))
                ++found;
            return found;
        };
        QCOMPARE(count("look at this"), 1);
        QCOMPARE(count("and at that"), 1);
        QCOMPARE(count(std::string_view("look at this\0and", 16)), 0); // two comments, not one
        QCOMPARE(count("path 1, hop 1 of 3: client sends"), 4); // four requests
        QCOMPARE(
            count("path 1, hop 2 of 3: SNAT 104.132.1.79 -> 10.240.0.5, DNAT 10.240.0.5:32080 -> 10.180.1.136:8080"),
            8);
        QCOMPARE(count("path 1, hop 3 of 3: pod receives"), 4);
        QCOMPARE(count("path 1, reply hop "), 8);
        const auto again = replay(at("annotated.pcapng"));
        QCOMPARE(again->traced->points[1].dropped, std::uint64_t(7));
        QCOMPARE(tracer::toJsonLine(*again->traced->paths[0]), tracer::toJsonLine(*view->traced->paths[0]));
        // Once more: the comments do not pile up.
        options.record = at("twice.pcapng").string();
        replay(at("annotated.pcapng"), options);
        QCOMPARE(testing::contents(at("twice.pcapng")), text);
    }
};

NATLENS_TEST(TestAnonymize)
#include "tst_anonymize.moc"
