// Thousands of connections of a whole lab, joined without conntrack and cluster state, against what conntrack, the
// clients and the servers themselves say; then the same with the captures spoilt.
#ifndef Q_MOC_RUN // moc of Qt 6.4 stumbles over <concepts>
#include "capture/file/reader.h"
#include "capture/netlink/conntrack_message.h"
#include "capture/netlink/message.h"
#include "tests/tracer/referee.h"

#include <fstream>
#endif

#include "lab/natlens_run.h"
#include "tests/test_program.h"

#include <QTemporaryDir>

using namespace natlens;
using namespace natlens::test;
using nlohmann::json;

namespace {

json scenarioNamed(const char *name) {
    std::ifstream file(std::string(NATLENS_SOURCE_DIR "/resources/scenarios/") + name + ".json");
    return json::parse(file);
}

/// The document's Services of all types in one cluster, asked again and again.
json everythingAtOnce(unsigned rounds) {
    json all = scenarioNamed("clusterip");
    std::set<std::pair<std::string, std::string>> known;
    auto &items = all["cluster"]["items"];
    const auto nameOf = [](const json &item) {
        return std::pair(item["kind"].get<std::string>(), item["metadata"]["name"].get<std::string>());
    };
    for (const auto &item : items)
        known.insert(nameOf(item));
    const json balanced = scenarioNamed("loadbalancer"), nodePort = scenarioNamed("nodeport");
    for (const json *other : {&balanced, &nodePort})
        for (const auto &item : (*other)["cluster"]["items"])
            if (known.insert(nameOf(item)).second) items.push_back(item);
    for (const char *field : {"outside", "loadBalancer"})
        all[field] = balanced[field];
    json steps = json::array({balanced["steps"][0]});
    for (unsigned i = 0; i < rounds; ++i) {
        json urls = json::array();
        for (const char *url : {"http://10.240.0.4:32080/", "http://10.240.0.5:32080/", "http://10.240.0.3:32080/",
                                "http://104.198.149.140/"})
            urls.push_back(url);
        steps.push_back({{"do", "request"}, {"from", "client"}, {"together", true}, {"urls", urls}});
        steps.push_back({{"do", "request"}, {"from", "busybox"}, {"url", "http://10.0.170.92/"}});
    }
    all["steps"] = steps;
    all["expect"] = json::array();
    return all;
}

/// What a recording holds: the packets, and the translations that conntrack told of.
class Recording final : public file::StreamSink {
public:
    void onCapturePoint(base::CapturePointId id, const file::CapturePoint &point) override { m_points[id] = point; }
    void onStatistics(const file::PointStatistics &) override {}
    void onPacket(const file::PacketView &view) override {
        const auto &point = m_points.at(view.point);
        if (point.linkType == packet::LinkType::user0) return;
        if (point.linkType == packet::LinkType::netlink) return translation(view, point.name);
        if (m_begin == 0) m_begin = view.time.nanoseconds - kMilli;
        const auto crossing = view.direction == file::PacketDirection::inbound    ? kIn
                              : view.direction == file::PacketDirection::outbound ? kOut
                                                                                  : tracer::Crossing::unknown;
        scenario.packets.push_back({point.name,
                                    view.time.nanoseconds - m_begin,
                                    crossing,
                                    {view.data.begin(), view.data.end()},
                                    view.originalLength});
    }

    Scenario scenario;
    std::vector<Truth> truths;

private:
    void translation(const file::PacketView &view, const std::string &name) {
        if (!name.ends_with("/conntrack")) return;
        const auto unwrapped = netlink::unwrap(view.data);
        const auto message = unwrapped ? netlink::decodeConntrack(unwrapped->message) : std::nullopt;
        if (!message || message->original == message->reply.reversed()) return;
        const std::string host = name.substr(0, name.find('/'));
        if (message->kind == netlink::ConntrackMessage::Kind::created)
            truths.push_back({{message->original, message->reply.reversed()}, view.time.nanoseconds});
    }

    std::map<base::CapturePointId, file::CapturePoint> m_points;
    std::int64_t m_begin = 0;
};

} // namespace

class TestGroundTruth : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void initTestCase() { QVERIFY(m_folder.isValid()); }
    void everyConnection_data();
    void everyConnection();

private:
    /// Recordings are made once a lab.
    const Recording *recording(bool simulated);

    QTemporaryDir m_folder;
    std::map<bool, Recording> m_recordings;
};

const Recording *TestGroundTruth::recording(bool simulated) {
    if (const auto found = m_recordings.find(simulated); found != m_recordings.end()) return &found->second;
    const bool thorough = qEnvironmentVariableIntValue("NATLENS_LONG") == 1;
    const QString scenario = m_folder.filePath("everything.json"), stream = m_folder.filePath("everything.pcapng");
    std::ofstream(scenario.toStdString()) << everythingAtOnce(thorough ? 1000 : 40).dump();
    QStringList arguments{"lab", "run", scenario, "--quiet", "--record", stream};
    if (simulated) arguments << "--simulated";
    const Run lab = run(arguments, program(), 280'000);
    if (lab.status != 0) qWarning("%s", lab.said().constData());
    Recording &made = m_recordings[simulated];
    const auto status = file::readFile(stream.toStdString(), made);
    return lab.status == 0 && status ? &made : nullptr;
}

void TestGroundTruth::everyConnection_data() {
    QTest::addColumn<bool>("simulated");
    QTest::addColumn<int>("which");
    for (const bool simulated : {true, false})
        for (std::size_t i = 0; i < impairments().size(); ++i)
            QTest::addRow("%s: %s", simulated ? "simulated" : "namespaces", impairments()[i].name)
                << simulated << static_cast<int>(i);
}

void TestGroundTruth::everyConnection() {
    QFETCH(bool, simulated);
    QFETCH(int, which);
    if (!simulated) NATLENS_NEEDS_LAB();
    const Recording *made = recording(simulated);
    QVERIFY(made);
    QVERIFY(made->truths.size() > 100);
    Scenario scenario = made->scenario;
    impairments()[static_cast<std::size_t>(which)].spoil(scenario.packets, 5);
    const Referee referee(made->truths, scenario.packets);
    const auto snapshot = trace(std::move(scenario), {.byPoint = which % 2 == 1});
    const Score score = referee.judge(*snapshot);
    qInfo("%s", score.text().c_str());
    QCOMPARE(score.wrong, 0u);
    QVERIFY2(score.share() >= (which == 0 ? 1.0 : 0.99), score.text().c_str());
    QVERIFY(score.right > 0);
    if (which != 0) return;
    // What the server said it saw, as the client heard it.
    for (const auto &path : snapshot->paths)
        if (path->http && !path->http->clientAddress.empty() && path->seenByEndpoint)
            QCOMPARE(path->http->clientAddress, path->seenByEndpoint->ip.toString());
}

NATLENS_TEST(TestGroundTruth)
#include "tst_ground_truth.moc"
