// The document, live: its five scenarios in the real lab, against conntrack, against its own pictures, from recordings.
#include "tests/test_program.h"

#include "capture/netlink/conntrack_message.h"
#include "capture/netlink/message.h"
#include "capture/packet/decode.h"
#include "lab/natlens_run.h"
#include "lab/recording_filter.h"

#include <QRegularExpression>
#include <QStandardPaths>
#include <QTemporaryDir>
#include <set>

using namespace natlens;
using namespace natlens::test;
using nlohmann::json;

namespace {

/// Everything conntrack said on one host, as (original, reply) in natlens' "ip:port" text.
class ConntrackReferee final : public file::StreamSink {
public:
    void onCapturePoint(base::CapturePointId id, const file::CapturePoint &point) override { m_names[id] = point.name; }
    void onStatistics(const file::PointStatistics &) override {}
    void onPacket(const file::PacketView &packet) override {
        const std::string &name = m_names[packet.point];
        if (!name.ends_with("/conntrack")) return;
        const auto unwrapped = netlink::unwrap(packet.data);
        const auto message = unwrapped ? netlink::decodeConntrack(unwrapped->message) : std::nullopt;
        if (message) m_said[name.substr(0, name.find('/'))].insert(key(message->original, message->reply));
    }
    bool confirms(const std::string &host, const std::string &inSrc, const std::string &inDst,
                  const std::string &outSrc, const std::string &outDst) const {
        const auto found = m_said.find(host);
        return found != m_said.end() && found->second.contains(inSrc + ">" + inDst + "|" + outDst + ">" + outSrc);
    }
    std::size_t count() const {
        std::size_t sum = 0;
        for (const auto &[host, lines] : m_said) sum += lines.size();
        return sum;
    }

private:
    static std::string key(const packet::Tuple &original, const packet::Tuple &reply) {
        return original.src.toString() + ">" + original.dst.toString() + "|" + reply.src.toString() + ">" + reply.dst.toString();
    }
    std::map<base::CapturePointId, std::string> m_names;
    std::map<std::string, std::set<std::string>> m_said;
};

/// A path without what may differ from run to run and from live to replay.
json comparable(json path) {
    path.erase("id");
    for (const char *key : {"firstSeen", "lastSeen"}) path.erase(key);
    for (auto &hop : path["hops"])
        for (const char *end : {"in", "out"})
            if (hop[end].is_object()) hop[end].erase("time");
    return path;
}

std::vector<std::string> comparable(const std::vector<json> &paths) {
    std::vector<std::string> texts;
    for (const auto &path : paths) texts.push_back(comparable(path).dump());
    std::ranges::sort(texts);
    return texts;
}

} // namespace

class TestDocument : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void initTestCase() { QVERIFY(m_folder.isValid()); }

    void scenariosEndWell_data() {
        QTest::addColumn<QString>("scenario");
        QTest::addColumn<QStringList>("seen"); // what the endpoint must have seen, path by path; "" for none
        QTest::addColumn<QStringList>("outcomes");
        QTest::newRow("clusterip") << "clusterip" << QStringList{"10.244.3.8"} << QStringList{"delivered"};
        QTest::newRow("nodeport") << "nodeport" << QStringList{"10.180.1.1", "10.240.0.5", "10.240.0.3"}
                                  << QStringList{"delivered", "delivered", "delivered"};
        QTest::newRow("nodeport-local") << "nodeport-local" << QStringList{"104.132.1.79", "", ""}
                                        << QStringList{"delivered", "dropped", "dropped"};
        QTest::newRow("loadbalancer-local")
            << "loadbalancer-local" << QStringList{"104.132.1.79"} << QStringList{"delivered"};
    }

    void scenariosEndWell() {
        NATLENS_NEEDS_LAB();
        QFETCH(QString, scenario);
        QFETCH(QStringList, seen);
        QFETCH(QStringList, outcomes);
        const Run lab = run({"lab", "run", scenario, "--json"});
        QVERIFY2(lab.status == 0, lab.said());
        const auto paths = lab.pathsOfKind("service");
        QStringList gotSeen, gotOutcomes;
        for (const auto &path : paths) {
            gotSeen << (path["seenByEndpoint"].is_null() ? QString()
                                                         : QString::fromStdString(path["seenByEndpoint"]["ip"]));
            gotOutcomes << QString::fromStdString(path["outcome"]);
        }
        QVERIFY2(gotSeen == seen, lab.said());
        QVERIFY2(gotOutcomes == outcomes, lab.said());
    }

    void loadBalancerShowsANodesAddress() {
        NATLENS_NEEDS_LAB();
        const Run lab = run({"lab", "run", "loadbalancer", "--json"});
        QVERIFY2(lab.status == 0, lab.said());
        const auto paths = lab.pathsOfKind("service");
        QVERIFY2(paths.size() == 1, lab.said());
        const std::string seen = paths[0]["seenByEndpoint"]["ip"];
        QVERIFY2((std::set<std::string>{"10.180.1.1", "10.240.0.5", "10.240.0.3"}.contains(seen)), lab.said());
        QCOMPARE(paths[0]["service"]["via"].get<std::string>(), std::string("loadBalancerIP"));
        QVERIFY(!paths[0]["sourcePreserved"].get<bool>());
    }

    void everyAddressAndPortIsWhatConntrackSaid() {
        NATLENS_NEEDS_LAB();
        const QString file = m_folder.filePath("nodeport.pcapng");
        const Run lab = run({"lab", "run", "nodeport", "--json", "--record", file});
        QVERIFY2(lab.status == 0, lab.said());
        ConntrackReferee referee;
        QVERIFY(file::readFile(file.toStdString(), referee));
        QVERIFY(referee.count() >= 3);
        int compared = 0;
        std::set<std::string> natAt;
        for (const auto &path : lab.pathsOfKind("service")) {
            QCOMPARE(path["client"]["ip"].get<std::string>(), std::string("104.132.1.79"));
            for (const auto &hop : path["hops"]) {
                if (hop["nat"].empty() || hop["direction"] != "request") continue;
                QCOMPARE(hop["nat"], json::array({"SNAT", "DNAT"}));
                natAt.insert(hop["node"]);
                QVERIFY2(referee.confirms(hop["node"], hop["in"]["src"], hop["in"]["dst"], hop["out"]["src"], hop["out"]["dst"]),
                         hop.dump().c_str());
                QCOMPARE(hop["confidence"].get<double>(), 1.0);
                ++compared;
            }
            const auto seen = path["seenByEndpoint"]["ip"].get<std::string>() + ":" +
                              std::to_string(path["seenByEndpoint"]["port"].get<int>());
            bool found = false;
            for (const auto &hop : path["hops"]) found |= hop["out"].is_object() && hop["out"]["src"] == seen;
            QVERIFY(found);
        }
        QCOMPARE(compared, 3);
        QCOMPARE(natAt, (std::set<std::string>{"node1", "node2", "node3"}));
    }

    void picturesAreTheDocuments_data() {
        QTest::addColumn<QString>("scenario");
        QTest::newRow("nodeport") << "nodeport";
        QTest::newRow("nodeport-local") << "nodeport-local";
        QTest::newRow("loadbalancer-local") << "loadbalancer-local";
    }

    // Live, from the recording, and from the recording without what only natlens records.
    void picturesAreTheDocuments() {
        NATLENS_NEEDS_LAB();
        QFETCH(QString, scenario);
        const QByteArray expected = documentPicture((scenario + ".txt").toLatin1());
        const QString file = m_folder.filePath(scenario + "-picture.pcapng");
        const Run live = run({"lab", "run", scenario, "--diagram", "document", "--record", file});
        QVERIFY2(live.status == 0, live.said());
        QCOMPARE(live.out, expected);

        const Run replayed = run({"replay", file, "--diagram", "document"});
        QVERIFY2(replayed.status == 0, replayed.said());
        QCOMPARE(replayed.out, expected);

        const QString bare = m_folder.filePath(scenario + "-bare.pcapng");
        QVERIFY(RecordingFilter::copy(file, bare, isPackets));
        const Run stripped = run({"replay", bare, "--diagram", "document"});
        QVERIFY2(stripped.status == 0, stripped.said());
        QCOMPARE(stripped.out, expected);
    }

    void withoutRepliesThereAreNoReplyArrows() {
        NATLENS_NEEDS_LAB();
        const QString file = m_folder.filePath("requests.pcapng"), filtered = m_folder.filePath("filtered.pcapng");
        const Run live = run({"lab", "run", "nodeport", "--quiet", "--record", file});
        QVERIFY2(live.status == 0, live.said());
        const auto isRequest = [](const file::CapturePoint &point, const file::PacketView &packet) {
            if (!isPackets(point)) return true;
            const auto decoded = packet::decode(point.linkType, packet.data);
            return decoded.tuple.protocol != packet::Protocol::tcp ||
                   (decoded.tuple.src.port != 8080 && decoded.tuple.src.port != 32080);
        };
        QVERIFY(RecordingFilter::copy(file, filtered, [](const auto &) { return true; }, isRequest));
        const Run replayed = run({"replay", filtered, "--diagram", "document"});
        QVERIFY2(replayed.status == 0, replayed.said());
        QCOMPARE(replayed.out, documentPicture("nodeport-no-replies.txt"));
    }

    void replayTellsTheSameAsTheLiveRun_data() {
        QTest::addColumn<QString>("scenario");
        for (const char *name : {"clusterip", "nodeport", "nodeport-local", "loadbalancer", "loadbalancer-local"})
            QTest::newRow(name) << name;
    }

    void replayTellsTheSameAsTheLiveRun() {
        NATLENS_NEEDS_LAB();
        QFETCH(QString, scenario);
        const QString file = m_folder.filePath(scenario + "-same.pcapng");
        const Run live = run({"lab", "run", scenario, "--json", "--record", file});
        QVERIFY2(live.status == 0, live.said());
        const Run replayed = run({"replay", file, "--json"});
        QVERIFY2(replayed.status == 0, replayed.said());
        QVERIFY(!live.paths().empty());
        QCOMPARE(comparable(replayed.paths()), comparable(live.paths()));
    }

    void aBrokenExpectationIsExitStatusOne() {
        NATLENS_NEEDS_LAB();
        QFile original(QString(NATLENS_SOURCE_DIR "/resources/scenarios/nodeport.json"));
        QVERIFY(original.open(QIODevice::ReadOnly));
        QByteArray changed = original.readAll();
        changed.replace("\"seenByEndpoint\": \"10.240.0.5\"", "\"seenByEndpoint\": \"104.132.1.79\"");
        const QString name = m_folder.filePath("broken.json");
        QFile file(name);
        QVERIFY(file.open(QIODevice::WriteOnly));
        file.write(changed);
        file.close();
        const Run lab = run({"lab", "run", name});
        QVERIFY2(lab.status == 1, lab.said());
        QVERIFY2((lab.out + lab.err).contains("10.240.0.5"), lab.said()); // what was seen instead
    }

    void tsharkReadsEveryPacketWithItsInterface() {
        NATLENS_NEEDS_LAB();
        const QString tshark = QStandardPaths::findExecutable("tshark");
        if (tshark.isEmpty()) QSKIP("tshark is not installed");
        const QString file = m_folder.filePath("tshark.pcapng");
        QVERIFY(run({"lab", "run", "nodeport", "--quiet", "--record", file}).status == 0);
        const Run fields = run({"-r", file, "-T", "fields", "-e", "frame.number", "-e", "frame.interface_name"}, tshark);
        QVERIFY2(fields.status == 0, fields.said());
        const auto lines = fields.out.trimmed().split('\n');
        struct Counter final : file::StreamSink {
            int packets = 0;
            std::vector<std::string> names;
            std::vector<std::uint32_t> points;
            void onCapturePoint(base::CapturePointId, const file::CapturePoint &point) override { names.push_back(point.name); }
            void onPacket(const file::PacketView &packet) override { ++packets; points.push_back(packet.point.value); }
            void onStatistics(const file::PointStatistics &) override {}
        } counter;
        QVERIFY(file::readFile(file.toStdString(), counter));
        QCOMPARE(int(lines.size()), counter.packets);
        for (int i = 0; i < counter.packets; ++i) {
            const auto columns = lines[i].split('\t');
            QCOMPARE(columns.value(0).toInt(), i + 1);
            QCOMPARE(columns.value(1).trimmed(), QByteArray::fromStdString(counter.names[counter.points[std::size_t(i)]]));
        }
        for (const char *name : {"node2/eth0", "node2/conntrack", "node2/nftrace", "cluster-state", "client/eth0"})
            QVERIFY2(std::ranges::find(counter.names, name) != counter.names.end(), name);
    }

    void aTruncatedRecordingShowsWhatItHas() {
        NATLENS_NEEDS_LAB();
        const QString whole = m_folder.filePath("whole.pcapng"), cut = m_folder.filePath("cut.pcapng");
        QVERIFY(run({"lab", "run", "nodeport", "--quiet", "--record", whole}).status == 0);
        QFile from(whole), to(cut);
        QVERIFY(from.open(QIODevice::ReadOnly) && to.open(QIODevice::WriteOnly));
        const QByteArray bytes = from.readAll();
        to.write(bytes.left(bytes.size() * 3 / 4 + 1));
        to.close();
        const Run replayed = run({"replay", cut, "--json"});
        QVERIFY2(replayed.status == 2, replayed.said());
        QVERIFY2(!replayed.paths().empty(), replayed.said());
        QVERIFY2(replayed.err.contains("byte"), replayed.said());
        QCOMPARE(replayed.err.trimmed().count('\n'), 0);
    }

    void profilesAnswerHealthChecksDifferently_data() {
        QTest::addColumn<QString>("profile");
        QTest::addColumn<int>("status");
        QTest::newRow("picture") << "picture" << 500;
        QTest::newRow("document") << "document" << 503;
        QTest::newRow("today") << "today" << 503;
    }

    void profilesAnswerHealthChecksDifferently() {
        NATLENS_NEEDS_LAB();
        QFETCH(QString, profile);
        QFETCH(int, status);
        const Run lab = run({"lab", "run", "loadbalancer-local", "--json", "--profile", profile});
        QVERIFY2(lab.status == 0, lab.said());
        std::set<int> statuses;
        for (const auto &path : lab.pathsOfKind("health-check"))
            if (path["requested"]["port"] == 32122 && path["http"].is_object() && path["http"]["status"].is_number())
                statuses.insert(path["http"]["status"].get<int>());
        QVERIFY2(statuses == (std::set<int>{200, status}), lab.said());
    }

private:
    QTemporaryDir m_folder;
};

NATLENS_TEST(TestDocument)
#include "tst_document.moc"
