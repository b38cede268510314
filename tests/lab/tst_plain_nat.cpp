// Captures as people make them, of routers with plain NAT rules: tcpdump's formats and places, merged, cut, begun late.
// tests/lab/plain_nat.sh makes the traffic; what is joined is compared with what clients, servers and conntrack say.
#ifndef Q_MOC_RUN // moc of Qt 6.4 stumbles over <concepts>
#include "tests/lab/natlens_run.h"
#include "tests/lab/replayed_tuples.h"
#endif

#include "tests/test_program.h"

#include <QDir>
#include <QRegularExpression>
#include <QTemporaryDir>

using namespace natlens;
using namespace natlens::test;

namespace {

/// "[NEW] tcp 6 120 SYN_SENT src=A dst=B sport=1 dport=2 [UNREPLIED] src=C dst=D sport=3 dport=4": before and after.
std::optional<std::pair<Tuple, Tuple>> entryOf(const QString &line) {
    static const QRegularExpression protocol("\\b(tcp|udp)\\b"),
        tuple("src=(\\S+) dst=(\\S+) sport=(\\d+) dport=(\\d+)");
    const auto which = protocol.match(line);
    auto found = tuple.globalMatch(line);
    std::vector<Tuple> tuples;
    while (found.hasNext()) {
        const auto match = found.next();
        const auto end = [&](int ip, int port) {
            return at((match.captured(ip) + ":" + match.captured(port)).toLatin1().constData());
        };
        tuples.push_back({which.captured(1) == "tcp" ? Protocol::tcp : Protocol::udp, end(1, 3), end(2, 4)});
    }
    if (!which.hasMatch() || tuples.size() != 2) return std::nullopt;
    return std::pair(tuples[0], tuples[1].reversed());
}

struct PlainCaptures {
    QString folder;
    QByteArray error = {};
    std::set<std::pair<Tuple, Tuple>> said = {}, tracked = {};
    unsigned failed = 0;
};

/// `files`: shell words, relative to the captures of the topology; `derive`: a shell script that makes them.
struct PlainRow {
    const char *name, *topology, *files;
    double least = 1; ///< share of all that must be joined
    const char *derive = "";
};

const std::vector<PlainRow> &plainRows() {
    static constexpr auto kHalf = "for i in 0 1; do f=router-eth$i.pcap; "
                                  "n=$(capinfos -Mc $f | sed -n 's/^Number of packets: *//p'); "
                                  "editcap -F pcap $f late-eth$i.pcap 1-$((n / 2)); done";
    static const std::vector<PlainRow> all = {
        {"one arm", "one-arm", "router-eth0.pcap"},
        {"one arm, at its switch", "one-arm", "switch-any.pcap"},
        {"one arm, both", "one-arm", "router-eth0.pcap switch-any.pcap"},
        {"two arms", "two-arms", "router-eth0.pcap router-eth1.pcap"},
        {"two arms, other names", "two-arms", "x.pcap y.pcap", 1,
         "cp router-eth0.pcap x.pcap; cp router-eth1.pcap y.pcap"},
        {"mergecap", "two-arms", "merged.pcap", 1, "mergecap -F pcap -w merged.pcap router-eth?.pcap"},
        {"one after the other in one file", "two-arms", "appended.pcap", 1,
         "mergecap -a -F pcap -w appended.pcap router-eth?.pcap"},
        {"reordercap", "two-arms", "ordered.pcapng", 1,
         "mergecap -a -w mess.pcapng router-eth?.pcap; reordercap mess.pcapng ordered.pcapng"},
        {"snap length 96", "two-arms", "cut-eth0.pcap cut-eth1.pcap", 1,
         "for i in 0 1; do editcap -F pcap -s 96 router-eth$i.pcap cut-eth$i.pcap; done"},
        {"clocks three seconds apart", "two-arms", "a.pcap b.pcap", 1,
         "cp router-eth0.pcap a.pcap; editcap -F pcap -t -3.125 router-eth1.pcap b.pcap"},
        {"begun late", "two-arms", "late-eth0.pcap late-eth1.pcap", 0.2, kHalf},
        {"a bridge with addresses, any", "bridge", "router-any1.pcap"},
        {"a bridge with addresses, any, newer format", "bridge", "router-any.pcap"},
        {"back through the same bridge, any", "hairpin", "router-any1.pcap"},
        {"back through the same bridge, any, newer format", "hairpin", "router-any.pcap"},
        {"back through the same bridge, its ports", "hairpin", "router-a0.pcap router-b0.pcap router-s0.pcap"},
    };
    return all;
}

} // namespace

class TestPlainNat : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void initTestCase() { QVERIFY(m_folder.isValid()); }
    void joined_data();
    void joined();

private:
    const PlainCaptures &made(const QString &topology);

    QTemporaryDir m_folder;
    std::map<QString, PlainCaptures> m_made;
};

const PlainCaptures &TestPlainNat::made(const QString &topology) {
    const auto [entry, isNew] = m_made.try_emplace(topology);
    PlainCaptures &result = entry->second;
    if (!isNew) return result;
    result.folder = m_folder.filePath(topology);
    QDir().mkdir(result.folder);
    const Run script =
        run({"--user", "--map-root-user", "--net", "--mount", "--pid", "--fork", "--kill-child", "bash",
             NATLENS_SOURCE_DIR "/tests/lab/plain_nat.sh", topology, result.folder, NATLENS_TALKER, "24"},
            "unshare", 60'000);
    if (script.status != 0) result.error = script.said();
    const auto lines = [&](const char *name) {
        QFile file(result.folder + "/" + name);
        return file.open(QIODevice::ReadOnly) ? QString::fromUtf8(file.readAll()).split('\n') : QStringList();
    };
    std::map<Tuple, unsigned> uses;
    for (const QString &line : lines("ct.txt"))
        if (const auto entryAt = entryOf(line)) {
            result.tracked.insert(*entryAt);
            ++uses[entryAt->first];
        }
    for (const QString &line : lines("said.txt")) {
        const QStringList words = line.split(' ');
        if (words.size() == 2) ++result.failed;
        if (words.size() != 5) continue;
        const auto tuple = [&](int from) {
            return Tuple{words[0] == "tcp" ? Protocol::tcp : Protocol::udp, at(words[from].toLatin1().constData()),
                         at(words[from + 1].toLatin1().constData())};
        };
        // A port that was given out twice: which packets are whose, nothing tells.
        if (uses[tuple(1)] < 2) result.said.emplace(tuple(1), tuple(3));
    }
    return result;
}

void TestPlainNat::joined_data() {
    QTest::addColumn<int>("row");
    for (std::size_t i = 0; i < plainRows().size(); ++i)
        QTest::newRow(plainRows()[i].name) << static_cast<int>(i);
}

void TestPlainNat::joined() {
    NATLENS_NEEDS_LAB();
    QFETCH(int, row);
    const PlainRow &what = plainRows()[static_cast<std::size_t>(row)];
    const PlainCaptures &all = made(what.topology);
    QVERIFY2(all.error.isEmpty(), all.error);
    QCOMPARE(all.failed, 0u);
    QVERIFY(all.said.size() >= 40);
    for (const auto &pair : all.said)
        QVERIFY2(all.tracked.contains(pair), pair.first.toString().c_str());
    const Run derive = run({"-c", "set -e; cd \"$0\"; " + QString(what.derive), all.folder}, "bash");
    QVERIFY2(derive.status == 0, derive.said());
    QStringList arguments{"replay", "--json", "--quiet"};
    for (const QString &file : QString(what.files).split(' '))
        arguments.push_back(all.folder + "/" + file);
    const Run replay = run(arguments);
    QVERIFY2(replay.status == 0, replay.err);
    std::set<std::pair<Tuple, Tuple>> found;
    for (const auto &tuples : tuplesOf(replay.out)) {
        for (const auto &pair : all.said)
            if (tuples.contains(pair.first) && tuples.contains(pair.second)) found.insert(pair);
        // Whatever shares a path was translated into each other, or is half of such a translation.
        for (const Tuple &tuple : tuples) {
            const bool fits = tuples.size() == 1 || std::ranges::any_of(all.tracked, [&](const auto &pair) {
                                  return tuples.contains(pair.first) &&
                                         (tuple == pair.first || tuple == pair.second ||
                                          tuple == Tuple{tuple.protocol, pair.first.src, pair.second.dst});
                              });
            QVERIFY2(fits, tuple.toString().c_str());
        }
    }
    const double share = static_cast<double>(found.size()) / static_cast<double>(all.said.size());
    QVERIFY2(share >= what.least, qPrintable(QString("%1 of %2").arg(found.size()).arg(all.said.size())));
    // Nobody listens at port 81: the answer is an ICMP error, translated back.
    unsigned refused = 0;
    for (const auto &path : replay.paths())
        refused +=
            path["requested"]["ip"] == "192.0.2.1" && path["requested"]["port"] == 81 && path["outcome"] == "rejected";
    QCOMPARE(refused, 1u);
}

NATLENS_TEST(TestPlainNat)
#include "tst_plain_nat.moc"
