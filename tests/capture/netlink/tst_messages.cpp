// Recorded conntrack and trace messages (tests/data/netlink), whole, cut, and damaged.
#ifndef Q_MOC_RUN // moc of Qt 6.4 stumbles over <concepts>
#include "capture/netlink/conntrack_message.h"
#include "capture/netlink/message.h"
#include "capture/netlink/trace_message.h"

#include <cstring>
#include <fmt/format.h>
#include <functional>
#include <random>
#include <vector>
#endif

#include "tests/test_program.h"

using namespace natlens;
using Bytes = std::vector<std::byte>;

class MessagesTest : public QObject {
    Q_OBJECT

    static std::vector<Bytes> load(const char *name) {
        QFile file(QStringLiteral(NATLENS_TEST_DATA "/netlink/") + QLatin1String(name));
        std::vector<Bytes> messages;
        if (!file.open(QIODevice::ReadOnly)) return messages;
        while (!file.atEnd()) {
            const QByteArray line = file.readLine().trimmed();
            if (line.isEmpty() || line.startsWith('#')) continue;
            const QByteArray raw = QByteArray::fromHex(line);
            const auto *begin = reinterpret_cast<const std::byte *>(raw.constData());
            messages.emplace_back(begin, begin + raw.size());
        }
        return messages;
    }

    static void decodeAll(std::span<const std::byte> bytes) {
        (void)netlink::decodeConntrack(bytes);
        (void)netlink::decodeTrace(bytes, {{1, "lo"}});
    }

private Q_SLOTS:
    /// What the kernel said, said by us: reading it back gives the same.
    void conntrackWritten() {
        const auto recorded = load("conntrack.hex");
        QVERIFY(recorded.size() > 4);
        for (const auto &bytes : recorded) {
            const auto read = netlink::decodeConntrack(bytes);
            QVERIFY(read.has_value());
            const auto again = netlink::decodeConntrack(netlink::encodeConntrack(*read));
            QVERIFY(again.has_value());
            QVERIFY(*again == *read);
        }
    }

    void conntrack_data() {
        QTest::addColumn<int>("line");
        QTest::addColumn<int>("kind");
        QTest::addColumn<QString>("original");
        QTest::addColumn<QString>("reply");
        QTest::addColumn<uint>("status");
        QTest::addColumn<int>("tcpState");
        const QString tcp = "TCP 10.0.0.1:40000 > 10.0.0.9:80", tcpReply = "TCP 10.0.0.2:8080 > 10.0.0.1:40000";
        QTest::newRow("new TCP, DNAT") << 0 << 0 << tcp << tcpReply << 0x1a8U << 1;
        QTest::newRow("reply seen") << 1 << 1 << tcp << tcpReply << 0x1aaU << 2;
        QTest::newRow("new UDP, IPv6") << 2 << 0 << "UDP [fd00::1]:40001 > [fd00::9]:53"
                                       << "UDP [fd00::2]:5353 > [fd00::1]:40001" << 0x1a8U << 0;
        QTest::newRow("not translated") << 3 << 0 << "UDP 10.0.0.1:40002 > 10.0.0.2:9"
                                        << "UDP 10.0.0.2:9 > 10.0.0.1:40002" << 0x188U << 0;
        QTest::newRow("destroyed") << 4 << 2 << tcp << tcpReply << 0x3aeU << 7;
    }
    void conntrack() {
        QFETCH(int, line);
        QFETCH(int, kind);
        QFETCH(QString, original);
        QFETCH(QString, reply);
        QFETCH(uint, status);
        QFETCH(int, tcpState);
        const auto messages = load("conntrack.hex");
        QCOMPARE(messages.size(), std::size_t{5});
        const auto message = netlink::decodeConntrack(messages[static_cast<std::size_t>(line)]);
        QVERIFY(message);
        QCOMPARE(static_cast<int>(message->kind), kind);
        QCOMPARE(QString::fromStdString(message->original.toString()), original);
        QCOMPARE(QString::fromStdString(message->reply.toString()), reply);
        QCOMPARE(message->status, status);
        QCOMPARE(int{message->tcpState}, tcpState);
        QVERIFY(message->happened);
        QVERIFY(!netlink::decodeTrace(messages[static_cast<std::size_t>(line)]));
    }

    void lifetimeAndIdentity() {
        const auto messages = load("conntrack.hex");
        const auto first = netlink::decodeConntrack(messages[0]), last = netlink::decodeConntrack(messages[4]);
        QVERIFY(first && last);
        QCOMPARE(first->id, 0xb61a36caU);
        QCOMPARE(last->id, first->id);
        QVERIFY(last->started && last->stopped);
        QVERIFY(!first->started); // only the last message carries both ends
        QCOMPARE(last->started->toString(), std::string("1795493432.790571018"));
        QCOMPARE(last->stopped->toString(), std::string("1795493432.834488714"));
        QCOMPARE(first->happened->toString(), std::string("1795493432.790477159"));
        QVERIFY(!first->seenReply());
        QVERIFY(last->seenReply());
    }

    void trace_data() {
        QTest::addColumn<int>("line");
        QTest::addColumn<QString>("expected");
        QTest::newRow("first rule")
            << 0 << "rule tracing #10 continue/ policy= in= out=lo nf=2 TCP 10.0.0.1:40000 > 10.0.0.9:80";
        QTest::newRow("policy accept") << 1 << "policy tracing #0 / policy=accept in= out= nf=2 ";
        QTest::newRow("jump") << 2
                              << "rule output #6 jump/service policy= in= out=lo nf=2 TCP 10.0.0.1:40000 > 10.0.0.9:80";
        QTest::newRow("DNAT") << 3 << "rule service #8 accept/ policy= in= out= nf=2 ";
        QTest::newRow("input")
            << 4 << "rule filtering #12 accept/ policy= in=lo out= nf=2 TCP 10.0.0.1:40000 > 10.0.0.2:8080";
        QTest::newRow("IPv6") << 5
                              << "rule output #7 accept/ policy= in= out=lo nf=10 UDP [fd00::1]:40001 > [fd00::9]:53";
        QTest::newRow("policy drop") << 6 << "policy filtering #0 / policy=drop in= out= nf=2 ";
    }
    void trace() {
        QFETCH(int, line);
        QFETCH(QString, expected);
        const auto messages = load("nftrace.hex");
        QCOMPARE(messages.size(), std::size_t{7});
        const auto &bytes = messages[static_cast<std::size_t>(line)];
        const auto step = netlink::decodeTrace(bytes, {{1, "lo"}});
        QVERIFY(step);
        const char *types[] = {"unknown", "policy", "returned", "rule"};
        const std::string text =
            fmt::format("{} {} #{} {}/{} policy={} in={} out={} nf={} {}", types[static_cast<int>(step->type)],
                        step->chain, step->ruleHandle, step->verdict, step->jumpTarget, step->policy, step->inInterface,
                        step->outInterface, step->protocolFamily, step->tuple ? step->tuple->toString() : "");
        QCOMPARE(QString::fromStdString(text), expected);
        QCOMPARE(step->table, std::string("natlens-test"));
        QVERIFY(step->traceId != 0);
        QVERIFY(!netlink::decodeConntrack(bytes));
    }

    void traceNamesTheConnection() {
        const auto step = netlink::decodeTrace(load("nftrace.hex")[2]);
        const auto entry = netlink::decodeConntrack(load("conntrack.hex")[0]);
        QVERIFY(step && entry && step->conntrackId);
        QCOMPARE(*step->conntrackId, entry->id);
        QCOMPARE(step->outIndex, 1U);
        QVERIFY(step->outInterface.empty()); // no map, no name
    }

    void otherByteOrder() {
        Bytes bytes = load("conntrack.hex")[3];
        const auto expected = netlink::decodeConntrack(bytes);
        const auto swap = [&](std::size_t at, std::size_t size) {
            std::reverse(bytes.begin() + std::ptrdiff_t(at), bytes.begin() + std::ptrdiff_t(at + size));
        };
        const std::function<void(std::size_t, std::size_t, int)> swapAttributes = [&](std::size_t at, std::size_t end,
                                                                                      int depth) {
            while (at + 4 <= end) {
                std::uint16_t length = 0, type = 0;
                std::memcpy(&length, &bytes[at], 2);
                std::memcpy(&type, &bytes[at + 2], 2);
                if ((type & 0x8000) != 0 && depth < 3) swapAttributes(at + 4, at + length, depth + 1);
                swap(at, 2);
                swap(at + 2, 2);
                at += (length + 3U) & ~3U;
            }
        };
        swapAttributes(20, bytes.size(), 0);
        swap(0, 4);
        swap(4, 2);
        swap(6, 2);
        const auto swapped = netlink::decodeConntrack(bytes);
        QVERIFY(swapped);
        QCOMPARE(swapped->original.toString(), expected->original.toString());
        QCOMPARE(swapped->id, expected->id);
    }

    void cutAtEveryLength() {
        for (const char *name : {"conntrack.hex", "nftrace.hex"}) {
            for (const Bytes &message : load(name)) {
                for (std::size_t length = 0; length < message.size(); ++length) {
                    const Bytes cut(message.begin(),
                                    message.begin() + std::ptrdiff_t(length)); // own allocation: ASan sees
                    decodeAll(cut);
                    if (length < 20) QVERIFY(!netlink::decodeConntrack(cut) && !netlink::decodeTrace(cut));
                }
            }
        }
    }

    void damaged() {
        std::mt19937 random(1); // NOLINT: the same damage every time
        for (const char *name : {"conntrack.hex", "nftrace.hex"}) {
            for (const Bytes &message : load(name)) {
                for (int round = 0; round < 2000; ++round) {
                    Bytes broken = message;
                    for (int i = 0; i < 4; ++i)
                        broken[random() % broken.size()] = static_cast<std::byte>(random());
                    decodeAll(broken);
                }
            }
        }
    }

    void wrapping() {
        const Bytes message = load("conntrack.hex")[0];
        const Bytes packet = netlink::wrap(netlink::Family::netfilter, message);
        QCOMPARE(packet.size(), message.size() + 16);
        QCOMPARE(QByteArray(reinterpret_cast<const char *>(packet.data()), 16).toHex(),
                 QByteArray("0006"
                            "0338"
                            "00000000000000000000"
                            "000c"));
        const auto unwrapped = netlink::unwrap(packet);
        QVERIFY(unwrapped);
        QCOMPARE(unwrapped->family, std::uint16_t{12});
        QVERIFY(std::ranges::equal(unwrapped->message, message));
        for (std::size_t length = 0; length < 16; ++length)
            QVERIFY(!netlink::unwrap(std::span(packet).first(length)));
        QVERIFY(!netlink::unwrap(message));
    }

    void interfaceNames() {
        const netlink::InterfaceNames names{{1, "lo"}, {2, "eth0"}, {17, "cbr0"}};
        const std::string text = netlink::describeInterfaceNames(names);
        QCOMPARE(text, std::string("interfaces: 1=lo 2=eth0 17=cbr0"));
        QCOMPARE(netlink::parseInterfaceNames(text), names);
        QVERIFY(netlink::parseInterfaceNames("").empty());
        QVERIFY(netlink::parseInterfaceNames("the nodes' trace 1=lo").empty());
        QCOMPARE(netlink::parseInterfaceNames("interfaces: x=1 =3 5 4=br-4 ").size(), std::size_t{1});
    }
};

NATLENS_TEST(MessagesTest)
#include "tst_messages.moc"
