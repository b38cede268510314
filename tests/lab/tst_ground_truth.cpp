// Every scenario of the document, alone and all at once, with many connections: what `natlens replay` makes of classic
// capture files, without conntrack and cluster state, against what clients and servers themselves say and conntrack
// told; the same with the files spoilt. NATLENS_LONG=1: thousands of connections, several seeds; NATLENS_PROOF=FILE:
// figures as tab-separated lines (scripts/prove-stitching makes docs/stitching-proof.md of them).
#ifndef Q_MOC_RUN // moc of Qt 6.4 stumbles over <concepts>
#include "tests/lab/replayed_tuples.h"
#include "tests/lab/talking_lab.h"
#endif

#include "tests/test_program.h"

using namespace natlens;
using namespace natlens::test;
using nlohmann::json;

namespace {

bool thorough() {
    return qEnvironmentVariableIntValue("NATLENS_LONG") == 1;
}

/// The files break off in the middle of a packet, each at its own moment.
void breakOff(Packets &packets, std::uint32_t seed) {
    std::map<std::string, std::vector<std::int64_t>> times;
    for (const Captured &packet : packets)
        times[packet.point].push_back(packet.time);
    std::mt19937 random(seed);
    std::map<std::string, std::int64_t> ends;
    for (auto &[point, all] : times) {
        std::ranges::sort(all);
        ends[point] = all[all.size() * (70 + random() % 30) / 100];
    }
    std::erase_if(packets, [&](const Captured &packet) { return packet.time > ends.at(packet.point); });
}

void appendHalfPacket(const QStringList &arguments) {
    for (const QString &file : arguments) {
        if (!file.endsWith(".pcap") || !QFile::exists(file)) continue;
        std::ofstream out(file.toStdString(), std::ios::binary | std::ios::app);
        const std::uint32_t words[] = {1'800'000'000, 0, 100, 100, 0xffffffff, 0xffffffff, 0x00450008};
        out.write(reinterpret_cast<const char *>(words), sizeof(words) - 1);
    }
}

constexpr auto kCut = "cut in mid-packet";

/// Those of tests/tracer, and what needs files and hosts of these scenarios.
const std::vector<Impairment> &spoilings() {
    static const std::vector<Impairment> all = [] {
        std::vector<Impairment> list = impairments();
        list.push_back({kCut, breakOff});
        list.push_back({"clients missing", [](Packets &p, std::uint32_t) {
                            for (const char *host : {"client", "client-b", "busybox", "busybox-b", "busybox-c"})
                                impair::withoutHost(p, host);
                        }});
        list.push_back({"load balancer missing", [](Packets &p, std::uint32_t) { impair::withoutHost(p, "lb"); }});
        list.push_back({"nodes alone", [](Packets &p, std::uint32_t) {
                            std::erase_if(p, [](const Captured &c) { return !c.point.starts_with("node"); });
                        }});
        list.push_back({"clocks wrong, mid-connection, 2 % lost, snap length 96", [](Packets &p, std::uint32_t s) {
                            impair::window(p, s, 0.3);
                            impair::lose(p, s);
                            impair::snap(p, 96);
                            impair::clocks(p, s);
                        }});
        return list;
    }();
    return all;
}

} // namespace

class TestGroundTruth : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void initTestCase() { QVERIFY(m_folder.isValid()); }
    void everyConnection_data();
    void everyConnection();

private:
    /// Made once for several rows.
    const Recorded &recorded(std::size_t setting, unsigned seed);

    QTemporaryDir m_folder;
    std::pair<std::size_t, unsigned> m_which{~0U, 0};
    Recorded m_recorded;
};

const Recorded &TestGroundTruth::recorded(std::size_t setting, unsigned seed) {
    if (std::exchange(m_which, std::pair(setting, seed)) == std::pair(setting, seed)) return m_recorded;
    for (int attempt = 0; attempt == 0 || (attempt < 3 && m_recorded.lost != 0); ++attempt)
        m_recorded = recordTalks(settings()[setting], thorough() ? 2400 : 160, seed, m_folder.path());
    if (m_recorded.lost != 0) qInfo("the captures lost %llu packets", static_cast<unsigned long long>(m_recorded.lost));
    std::int64_t begin = std::numeric_limits<std::int64_t>::max();
    for (const Captured &packet : m_recorded.packets)
        begin = std::min(begin, packet.time);
    for (Captured &packet : m_recorded.packets)
        packet.time -= begin;
    return m_recorded;
}

void TestGroundTruth::everyConnection_data() {
    QTest::addColumn<int>("setting");
    QTest::addColumn<int>("spoiling");
    QTest::addColumn<unsigned>("seed");
    for (std::size_t i = 0; i < settings().size(); ++i)
        for (unsigned seed = 1; seed <= (thorough() ? 3U : 1U); ++seed)
            for (std::size_t j = 0; j < spoilings().size(); ++j) {
                // The short form spoils what has everything in it, the others in turn.
                const bool all = settings()[i].name == std::string("all at once");
                if (!thorough() && j != 0 && !all && j % settings().size() != i) continue;
                QTest::addRow("%s: %s, seed %u", settings()[i].name, spoilings()[j].name, seed)
                    << static_cast<int>(i) << static_cast<int>(j) << seed;
            }
}

void TestGroundTruth::everyConnection() {
    QFETCH(int, setting);
    if (settings()[static_cast<std::size_t>(setting)].datapath != std::string("simulated")) NATLENS_NEEDS_LAB();
    QFETCH(int, spoiling);
    QFETCH(unsigned, seed);
    const Recorded &made = recorded(static_cast<std::size_t>(setting), seed);
    QVERIFY2(made.error.isEmpty(), made.error);
    const Impairment &impairment = spoilings()[static_cast<std::size_t>(spoiling)];
    Packets packets = made.packets;
    impairment.spoil(packets, seed + 100);
    const Referee referee(made.said, packets, made.translated);
    for (Captured &packet : packets)
        packet.time += kStart;
    QTemporaryDir files;
    files.setAutoRemove(!qEnvironmentVariableIsSet("NATLENS_KEEP"));
    const QStringList arguments = writePlainFiles(std::move(packets), files.path());
    if (impairment.name == std::string(kCut)) appendHalfPacket(arguments);
    const Run replay =
        run(QStringList{"-n", "10", program(), "replay", "--json", "--quiet"} + arguments, "nice", 250'000);
    if (impairment.name == std::string(kCut))
        QVERIFY2(replay.err.contains("inside a packet"), replay.err);
    else
        QVERIFY2(replay.status == 0, replay.err);
    const Score score = referee.judge(tuplesOf(replay.out));
    qInfo("%s%s", score.text().c_str(), files.autoRemove() ? "" : qPrintable(" " + files.path()));
    if (const QString proof = qEnvironmentVariable("NATLENS_PROOF"); !proof.isEmpty()) {
        std::ofstream out(proof.toStdString(), std::ios::app);
        out << settings()[static_cast<std::size_t>(setting)].name << '\t' << impairment.name << '\t' << seed << '\t'
            << made.said.size() << '\t' << score.right << '\t' << score.missed << '\t' << score.gone << '\t'
            << score.wrong << '\n';
    }
    QCOMPARE(score.wrong, 0U);
    QVERIFY2(score.share() >= (spoiling == 0 && made.lost == 0 ? 1.0 : 0.99), score.text().c_str());
    QVERIFY(score.right + score.gone > 0);
    if (spoiling != 0) return;
    QCOMPARE(made.failed, 0U);
    for (const QByteArray &line : replay.out.split('\n')) {
        const json path =
            line.trimmed().isEmpty() ? json() : json::parse(line.constData(), line.constData() + line.size());
        // The lab's own servers print whom they see.
        if (path.is_null() || path["http"].is_null() || path["http"]["clientAddress"].is_null()) continue;
        QCOMPARE(path["seenByEndpoint"]["ip"].get<std::string>(), path["http"]["clientAddress"].get<std::string>());
    }
    if (made.lost == 0) QCOMPARE(score.right, static_cast<unsigned>(made.said.size()) - made.invisible);
    // Clients and servers say what conntrack says.
    std::set<std::vector<Tuple>> translated;
    for (const Truth &truth : made.translated)
        translated.insert(truth.legs);
    for (const Truth &truth : made.said)
        QVERIFY2(translated.contains(truth.legs), truth.legs[0].toString().c_str());
}

NATLENS_TEST(TestGroundTruth)
#include "tst_ground_truth.moc"
