// Recordings of the real lab, taken apart into one file a host as people have them, with the clocks of several
// machines.
#include "capture/base/result.h"
#include "capture/file/pcapng_writer.h"
#include "capture/file/reader.h"
#include "natlens_run.h"

#include "tests/test_program.h"
#include <QTemporaryDir>
#include <cmath>
#include <fcntl.h>
#include <map>

using namespace natlens;
using namespace natlens::test;
using nlohmann::json;

namespace {

struct Clock {
    std::int64_t ahead = 0; ///< nanoseconds
    double skew = 0;
};

/// Writes a file for each host.
class Splitter final : public file::StreamSink {
public:
    Splitter(QString folder, std::map<std::string, Clock> clocks)
        : m_folder(std::move(folder))
        , m_clocks(std::move(clocks)) {}

    void onCapturePoint(base::CapturePointId id, const file::CapturePoint &point) override {
        const std::string host = point.name.substr(0, point.name.find('/'));
        if (!m_writers.contains(host)) {
            const QString name = m_folder + "/" + QString::fromStdString(host) + ".pcapng";
            const int fd = ::open(name.toLocal8Bit().constData(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
            m_writers.emplace(host, file::PcapngWriter(base::UniqueFd(fd)));
            files << name;
        }
        m_points[id] = {host, *m_writers.at(host).addPoint(point)};
    }
    void onPacket(const file::PacketView &packet) override {
        auto copy = packet;
        copy.point = m_points[packet.point].second;
        copy.time = read(m_points[packet.point].first, packet.time);
        (void)m_writers.at(m_points[packet.point].first).writePacket(copy);
    }
    void onStatistics(const file::PointStatistics &statistics) override {
        auto copy = statistics;
        copy.point = m_points[statistics.point].second;
        copy.time = read(m_points[statistics.point].first, statistics.time);
        (void)m_writers.at(m_points[statistics.point].first).writeStatistics(copy);
    }
    QStringList files;

private:
    base::Timestamp read(const std::string &host, base::Timestamp time) {
        if (m_first.nanoseconds == 0) m_first = time;
        const Clock clock = m_clocks[host];
        return time + std::chrono::nanoseconds(
                          clock.ahead + std::llround(clock.skew * static_cast<double>((time - m_first).count())));
    }
    QString m_folder;
    std::map<std::string, Clock> m_clocks;
    std::map<std::string, file::PcapngWriter> m_writers;
    std::map<base::CapturePointId, std::pair<std::string, base::CapturePointId>> m_points;
    base::Timestamp m_first;
};

std::int64_t nanoseconds(const json &text) {
    const std::string digits = text.get<std::string>();
    const auto dot = digits.find('.');
    return std::stoll(digits.substr(0, dot)) * 1'000'000'000 + std::stoll(digits.substr(dot + 1));
}

/// A connection, whatever packets and paths are numbered.
std::string keyOf(const json &path) {
    return path["client"]["ip"].get<std::string>() + ":" + path["client"]["port"].dump() + ">" +
           path["requested"].dump();
}

} // namespace

class TestClocks : public QObject {
    Q_OBJECT
    QTemporaryDir m_dir;
    QString at(const QString &name) const { return m_dir.path() + "/" + name; }

    QStringList split(const QString &recording, const QString &folder, std::map<std::string, Clock> clocks) {
        QDir(m_dir.path()).mkpath(folder);
        Splitter splitter(at(folder), std::move(clocks));
        if (!file::readFile(recording.toStdString(), splitter)) return {};
        return splitter.files;
    }

private Q_SLOTS:
    void recordings_data() {
        QTest::addColumn<QString>("scenario");
        for (const char *scenario : {"nodeport", "loadbalancer-local", "clusterip"})
            QTest::newRow(scenario) << scenario;
    }
    void recordings() {
        NATLENS_NEEDS_LAB();
        QFETCH(QString, scenario);
        const QString whole = at(scenario + ".pcapng");
        const Run lab = run({"lab", "run", scenario, "--quiet", "--record", whole});
        QVERIFY2(lab.status == 0, lab.said());
        const Run truth = run({"replay", whole, "--json", "--quiet"});
        QVERIFY2(truth.status == 0 && !truth.paths().empty(), truth.said());
        std::map<std::string, json> expected;
        for (const json &path : truth.paths())
            expected[keyOf(path)] = path;

        // One kernel, one clock: the files say so, and nothing is changed.
        const auto same = split(whole, scenario + "-same", {});
        const Run untouched = run(QStringList{"replay"} + same + QStringList{"--json", "--quiet"});
        QCOMPARE(untouched.paths().size(), truth.paths().size());
        for (const json &path : untouched.paths()) {
            const json &before = expected[keyOf(path)];
            for (std::size_t i = 0; i < path["hops"].size(); ++i) {
                QVERIFY2(path["hops"][i]["clock"].is_null(), path.dump().c_str());
                for (const char *end : {"in", "out"})
                    if (!path["hops"][i][end].is_null())
                        QCOMPARE(path["hops"][i][end]["time"], before["hops"][i][end]["time"]);
            }
        }

        // Three machines.
        const auto apart = split(
            whole, scenario + "-apart",
            {{"node1", {5'000'012'345, 100e-6}}, {"node2", {-3'000'000'000, -100e-6}}, {"node3", {-900'000, 30e-6}}});
        const Run shown = run(QStringList{"replay"} + apart + QStringList{"--json", "--quiet"});
        QCOMPARE(shown.paths().size(), truth.paths().size());
        std::int64_t widest = 0;
        for (const json &path : shown.paths()) {
            QVERIFY(expected.contains(keyOf(path)));
            const json &before = expected[keyOf(path)];
            QCOMPARE(path["outcome"], before["outcome"]);
            QCOMPARE(path["hops"].size(), before["hops"].size());
            for (std::size_t i = 0; i < path["hops"].size(); ++i) {
                const json &hop = path["hops"][i], &trueHop = before["hops"][i];
                QCOMPARE(hop["node"], trueHop["node"]);
                QCOMPARE(hop["nat"], trueHop["nat"]);
                QCOMPARE(hop["rule"], trueHop["rule"]);
                // The reference may be any of those that were left alone.
                const std::int64_t bound = hop["clock"].is_null() ? 0 : nanoseconds(hop["clock"]["bound"]);
                widest = std::max(widest, bound);
                for (const char *end : {"in", "out"})
                    if (!hop[end].is_null()) {
                        const auto error = std::abs(nanoseconds(hop[end]["time"]) - nanoseconds(trueHop[end]["time"]));
                        QVERIFY2(error <= bound,
                                 (std::to_string(error) + " ns, bound " + std::to_string(bound)).c_str());
                    }
            }
        }
        qInfo("widest bound: %lld ns", static_cast<long long>(widest));

        // Annotating writes them with one clock; replaying that is the same.
        const QString annotated = at(scenario + "-annotated.pcapng");
        QCOMPARE(run(QStringList{"replay"} + apart + QStringList{"--quiet", "--record", annotated}).status, 0);
        QCOMPARE(run({"replay", annotated, "--json", "--quiet"}).out, shown.out);

        // For strangers: other addresses, the same ways.
        const QString hidden = at(scenario + "-public.pcapng");
        QCOMPARE(run({"replay", whole, "--quiet", "--record", hidden, "--anonymize", "--anonymize-key", "of this test"})
                     .status,
                 0);
        const auto before = truth.paths(), after = run({"replay", hidden, "--json", "--quiet"}).paths();
        QCOMPARE(after.size(), before.size());
        for (std::size_t i = 0; i < after.size(); ++i) {
            QCOMPARE(after[i]["client"]["port"], before[i]["client"]["port"]);
            QCOMPARE(after[i]["requested"]["port"], before[i]["requested"]["port"]);
            const bool loopback = before[i]["client"]["ip"].get<std::string>().starts_with("127.");
            QCOMPARE(after[i]["client"]["ip"] == before[i]["client"]["ip"], loopback);
            QCOMPARE(after[i]["packets"], before[i]["packets"]);
            QCOMPARE(after[i]["sourcePreserved"], before[i]["sourcePreserved"]);
        }
        QFile file(hidden);
        QVERIFY(file.open(QIODevice::ReadOnly));
        const QByteArray bytes = file.readAll();
        for (const json &path : before)
            for (const json &address : {path["client"]["ip"], path["requested"]["ip"]}) {
                const auto ip = packet::IpAddress::parse(address.get<std::string>());
                if (ip->isLoopback()) continue;
                QVERIFY2(!bytes.contains(
                             QByteArray(reinterpret_cast<const char *>(ip->bytes.data()), qsizetype(ip->size()))),
                         address.dump().c_str());
            }
        for (const char *word : {"GET /", "CLIENT VALUES", "source-ip-app", "node1"})
            QVERIFY2(!bytes.contains(word), word);
    }
};

NATLENS_TEST(TestClocks)
#include "tst_clocks.moc"
