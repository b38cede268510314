// Files that one capture wrote one after the other are one capture point, in order of time.
#include "app/session/file_merge.h"
#include "app/session/point_naming.h"
#include "app/session/rotated_files.h"
#include "app/session/session.h"
#include "recording.h"
#include "tracer/path/path_json.h"

#include "tests/test_program.h"
#include <QTemporaryDir>
#include <regex>

using namespace natlens;
using namespace std::chrono_literals;

namespace {

std::shared_ptr<const session::View> viewOfFiles(std::vector<std::filesystem::path> files) {
    session::FileSource source;
    source.files = std::move(files);
    auto opened = session::Session::open(source, {});
    if (!opened) return nullptr;
    auto view = (*opened)->view();
    for (int i = 0; i < 600 && !view->ended; ++i)
        view = (*opened)->waitForChange(view->version, 100ms);
    return view;
}

std::string pathsWithoutNumbers(const session::View &view) {
    std::string text;
    for (const auto &path : view.traced->paths)
        text += tracer::toJsonLine(*path) + "\n";
    return std::regex_replace(text, std::regex("\"packets?\":(\\d+|\\[[^\\]]*\\])"), "");
}

/// The packets in the order in which they come.
struct Collector final : file::StreamSink {
    void onCapturePoint(base::CapturePointId, const file::CapturePoint &) override {}
    void onPacket(const file::PacketView &packet) override {
        packets.emplace_back(packet.data.begin(), packet.data.end());
    }
    void onStatistics(const file::PointStatistics &) override {}
    std::vector<std::vector<std::byte>> packets;
};

} // namespace

class TestRotatedFiles : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void names_data();
    void names();
    void overlapping_data();
    void overlapping();
    void twoPoints();
    void borders();
    void folders_data();
    void folders();
    void oneName();
    void onePoint_data();
    void onePoint();
};

void TestRotatedFiles::names_data() {
    QTest::addColumn<QByteArrayList>("files");
    QTest::addColumn<QByteArrayList>("series");
    const auto row = [](const char *name, const QByteArrayList &files, const QByteArrayList &series) {
        QTest::newRow(name) << files << series;
    };
    row("tcpdump -C", {"a.pcap", "a.pcap1", "a.pcap2", "b.pcap"}, {"a.pcap", "a.pcap", "a.pcap", ""});
    row("tcpdump -C -W", {"d/a.pcap00", "d/a.pcap01"}, {"d/a.pcap", "d/a.pcap"});
    row("tcpdump -G", {"n1-eth0_2024-01-31_12:00:00.pcap", "n1-eth0_2024-01-31_12:05:00.pcap"},
        {"n1-eth0.pcap", "n1-eth0.pcap"});
    row("-G with a plain date", {"n1-eth0-20240131-120000.pcap", "n1-eth0-20240131-120500.pcap"},
        {"n1-eth0.pcap", "n1-eth0.pcap"});
    row("-G with seconds", {"t_1706700000.pcap.gz", "t_1706700300.pcap"}, {"t.pcap", "t.pcap"});
    row("dumpcap", {"x_00001_20240131120000.pcapng", "x_00002_20240131120500.pcapng"}, {"x.pcapng", "x.pcapng"});
    row("one alone", {"a.pcap1", "b.pcap2", "x_00001_20240131120000.pcapng"}, {"", "", ""});
    row("two folders", {"d/a.pcap", "e/a.pcap1"}, {"", ""});
    row("nodes with numbers", {"node1.pcap", "node2.pcap", "node1-eth0.pcap", "node1-eth1.pcap"}, {"", "", "", ""});
    row("places as extensions", {"a.eth0", "a.eth1", "b.node1", "b.node2"}, {"", "", "", ""});
    row("a date alone", {"20240131-120000.pcap", "20240131-120500.pcap"}, {"", ""});
    row("standard input", {"-", "a.pcap"}, {"", ""});
}

void TestRotatedFiles::names() {
    QFETCH(QByteArrayList, files);
    QFETCH(QByteArrayList, series);
    std::vector<std::filesystem::path> paths;
    for (const QByteArray &file : files)
        paths.emplace_back(file.toStdString());
    QByteArrayList found;
    for (const std::string &name : session::seriesOf(paths))
        found.push_back(QByteArray::fromStdString(name));
    QCOMPARE(found, series);
}

void TestRotatedFiles::overlapping_data() {
    QTest::addColumn<QByteArrayList>("files"); ///< "name first last", in seconds
    QTest::addColumn<QByteArrayList>("series");
    const auto row = [](const char *name, const QByteArrayList &files, const QByteArrayList &series) {
        QTest::newRow(name) << files << series;
    };
    row("one after the other",
        {"d/t-1700000000.pcap 0 59.9", "d/t-1700000060.pcap 60 119", "d/t-1700000120.pcap 120 130"},
        {"d/t.pcap", "d/t.pcap", "d/t.pcap"});
    row("a border a little out of order", {"t-1700000000.pcap 0 60.02", "t-1700000060.pcap 60 119"},
        {"t.pcap", "t.pcap"});
    row("two captures",
        {"t-1700000000.pcap 0 59.9", "t-1700000007.pcap 7 66.9", "t-1700000060.pcap 60 119.9",
         "t-1700000067.pcap 67 126"},
        {"t.pcap", "t#2.pcap", "t.pcap", "t#2.pcap"});
    row("in another order",
        {"t-1700000067.pcap 67 126", "t-1700000060.pcap 60 119.9", "t-1700000007.pcap 7 66.9",
         "t-1700000000.pcap 0 59.9"},
        {"t#2.pcap", "t.pcap", "t#2.pcap", "t.pcap"});
    row("one ends, the other goes on",
        {"t-1700000000.pcap 0 59.9", "t-1700000007.pcap 7 66.9", "t-1700000067.pcap 67 126.9",
         "t-1700000127.pcap 127 130"},
        {"t.pcap", "t#2.pcap", "t#2.pcap", "t#2.pcap"});
    row("whose it is cannot be told", {"t-1700000000.pcap 0 30", "t-1700000007.pcap 7 40", "t-1700000060.pcap 60 70"},
        {"t.pcap", "t#2.pcap", "t#3.pcap"});
    row("named after host and interface", {"d/n-1-eth0_1700000000.pcap 0 60", "d/n-1-eth0_1700000007.pcap 7 67"},
        {"d/n-1-eth0.pcap", "d/n-1#2-eth0.pcap"});
    row("dumpcap", {"x_00001_20240131120000.pcapng 0 60", "x_00001_20240131120007.pcapng 7 67"},
        {"x.pcapng", "x#2.pcapng"});
    row("numbers cannot be two captures'", {"a.pcap0 0 60", "a.pcap1 7 67"}, {"a.pcap", "a.pcap"});
    row("one without packets", {"t-1700000000.pcap", "t-1700000007.pcap 7 67"}, {"t.pcap", "t.pcap"});
}

void TestRotatedFiles::overlapping() {
    QFETCH(QByteArrayList, files);
    QFETCH(QByteArrayList, series);
    std::vector<std::filesystem::path> paths;
    std::vector<std::optional<session::TimeSpan>> spans;
    const auto moment = [](const QByteArray &seconds) {
        return base::Timestamp{static_cast<std::int64_t>(seconds.toDouble() * 1000) * 1'000'000};
    };
    for (const QByteArray &file : files) {
        const auto words = file.split(' ');
        paths.emplace_back(words[0].toStdString());
        spans.push_back(words.size() == 3 ? std::optional(session::TimeSpan{moment(words[1]), moment(words[2])})
                                          : std::nullopt);
    }
    auto found = session::seriesOf(paths);
    const auto remarks = session::tellSeriesApart(found, paths, [&](std::size_t i) { return spans[i]; });
    QByteArrayList names;
    for (const std::string &name : found)
        names.push_back(QByteArray::fromStdString(name));
    QCOMPARE(names, series);
    QCOMPARE(remarks.empty(), std::ranges::none_of(series, [](const auto &name) { return name.contains('#'); }));
}

/// Two machines' captures in one folder: each shows one side of the conversation.
void TestRotatedFiles::twoPoints() {
    QTemporaryDir folder;
    const auto at = [&](const char *name) { return std::filesystem::path(folder.path().toStdString()) / name; };
    std::vector<testing::Frame> client, pod;
    for (testing::Frame frame : testing::conversation(53210)) {
        auto *into = frame.point == "client/eth0" ? &client : frame.point == "pod/eth0" ? &pod : nullptr;
        frame.point.clear();
        frame.microseconds *= 1000; // longer than what order is known to
        if (into) into->push_back(std::move(frame));
    }
    QVERIFY(testing::writeRecording(testing::createFile(at("t-1700000000.pcap")), client, {""}));
    QVERIFY(testing::writeRecording(testing::createFile(at("t-1700000007.pcap")), pod, {""}));
    const auto view = viewOfFiles({at("t-1700000007.pcap"), at("t-1700000000.pcap")});
    QVERIFY(view && view->problem.empty());
    QCOMPARE(view->traced->points.size(), std::size_t(2));
    QCOMPARE(view->traced->points[0].host, std::string("t#2"));
    QCOMPARE(view->traced->points[1].host, std::string("t"));
    QCOMPARE(view->traced->paths.size(), std::size_t(1)); // the one translates into the other
    QCOMPARE(view->remarks.size(), std::size_t(1));
    QVERIFY(QString::fromStdString(view->remarks[0]).contains("t-1700000007.pcap is t#2"));
}

/// What one file ends with comes before what the next one begins with at the same moment, however they are given.
void TestRotatedFiles::borders() {
    QTemporaryDir folder;
    const auto at = [&](const std::string &name) { return std::filesystem::path(folder.path().toStdString()) / name; };
    const std::vector<std::string> names{"t.pcap0", "t.pcap1", "t.pcap2"};
    const auto frames = testing::conversation(53210);
    for (std::size_t i = 0; i < names.size(); ++i) {
        std::vector<testing::Frame> some(frames.begin() + static_cast<std::ptrdiff_t>(2 * i),
                                         frames.begin() + static_cast<std::ptrdiff_t>(2 * i + 2));
        for (std::size_t k = 0; k < some.size(); ++k) {
            some[k].point.clear();
            some[k].microseconds = static_cast<std::int64_t>(i + k);
        }
        QVERIFY(testing::writeRecording(testing::createFile(at(names[i])), some, {""}));
    }
    for (const auto &order : {std::vector<std::size_t>{0, 1, 2}, {2, 1, 0}, {1, 2, 0}}) {
        std::vector<session::CaptureInput> inputs;
        for (const std::size_t i : order) {
            auto input = session::CaptureInput::open(at(names[i]));
            QVERIFY(input.has_value());
            input->series = "t.pcap";
            inputs.push_back(std::move(*input));
        }
        Collector found;
        QVERIFY(session::readMerged(inputs, found, {[](std::uint64_t) { return true; }}).has_value());
        QCOMPARE(found.packets.size(), std::size_t(6));
        for (std::size_t i = 0; i < found.packets.size(); ++i)
            QVERIFY(found.packets[i] == frames[i].bytes);
    }
}

void TestRotatedFiles::folders_data() {
    QTest::addColumn<QByteArrayList>("files");
    QTest::addColumn<QByteArrayList>("names");
    const auto row = [](const char *name, const QByteArrayList &files, const QByteArrayList &names) {
        QTest::newRow(name) << files << names;
    };
    row("one file", {"node1/capture.pcap"}, {"capture"});
    row("one file of an interface", {"node1/eth0.pcap"}, {"eth0"});
    row("names of their own", {"x/node1-eth0.pcap", "y/node2-eth0.pcap", "client.pcap"},
        {"node1/eth0", "node2/eth0", "client"});
    row("a folder for each node", {"d/node1/capture.pcap", "d/node2/capture.pcap", "d/client.pcap"},
        {"node1", "node2", "client"});
    row("a folder for each node, in it interfaces", {"d/node1/eth0.pcap", "d/node1/cbr0.pcap", "d/node2/eth0.pcap"},
        {"node1/eth0", "node1/cbr0", "node2/eth0"});
    row("a folder for each node, in it captures of interfaces",
        {"node1/tcpdump-eth0.pcap", "node1/tcpdump-cbr0.pcap", "node2/tcpdump-eth0.pcap"},
        {"node1/eth0", "node1/cbr0", "node2/eth0"});
    row("in folders of one name", {"node1/logs/capture.pcap", "node2/logs/capture.pcap"}, {"node1", "node2"});
    row("folders of interfaces", {"node1-eth0/capture.pcap", "node1-cbr0/capture.pcap"}, {"node1/eth0", "node1/cbr0"});
    row("one host in two folders", {"x/node1-eth0.pcap", "y/node1-eth1.pcap"}, {"node1/eth0", "node1/eth1"});
    row("rotated", {"node1/c.pcap", "node1/c.pcap1", "node2/c.pcap", "node2/c.pcap1"},
        {"node1", "node1", "node2", "node2"});
    row("numbers", {"d/capture0.pcap", "d/capture1.pcap"}, {"capture0", "capture1"});
    row("a collection", {"d/eth0.pcap", "d/n1-eth0.pcap"}, {"eth0", "n1/eth0"});
    row("of all interfaces, several times", {"d/any1.pcap", "d/any2.pcap"}, {"any1", "any2"});
    row("standard input", {"-", "a.pcap"}, {"stdin", "a"});
}

/// Files of one name in several folders are several hosts.
void TestRotatedFiles::folders() {
    QFETCH(QByteArrayList, files);
    QFETCH(QByteArrayList, names);
    std::vector<std::filesystem::path> paths;
    for (const QByteArray &file : files)
        paths.emplace_back(file.toStdString());
    QByteArrayList found;
    for (const std::string &name : session::pointNamesOf(paths, session::seriesOf(paths)))
        found.push_back(QByteArray::fromStdString(name));
    QCOMPARE(found, names);
}

void TestRotatedFiles::oneName() {
    const std::vector<std::filesystem::path> files{"a.pcap", "a.pcap1", "a.pcap2", "b.pcap"};
    std::vector<session::PointName> names{{"a.pcap1", "node9/eth0"}, {"a.pcap2", "node8/eth0"}, {"b.pcap", "lb/eth0"}};
    session::nameWholeSeries(names, files, session::seriesOf(files));
    QByteArrayList found;
    for (const auto &name : names)
        found.push_back(QByteArray::fromStdString(name.file + "=" + name.name));
    QCOMPARE(found.first(3), (QByteArrayList{"a.pcap1=node9/eth0", "a.pcap2=node8/eth0", "b.pcap=lb/eth0"}));
    QVERIFY(found.contains("a.pcap=node9/eth0")); // the other one keeps its own
    QVERIFY(!found.contains("b.pcap=node9/eth0") && found.count("a.pcap2=node9/eth0") == 0);
}

void TestRotatedFiles::onePoint_data() {
    QTest::addColumn<QByteArrayList>("parts");
    QTest::newRow("-C") << QByteArrayList{"node2-eth0.pcap", "node2-eth0.pcap1", "node2-eth0.pcap2"};
    QTest::newRow("-W, given in another order")
        << QByteArrayList{"node2-eth0.pcap1", "node2-eth0.pcap2", "node2-eth0.pcap0"};
    QTest::newRow("dumpcap") << QByteArrayList{"node2-eth0_00001_20240131120000.pcap",
                                               "node2-eth0_00002_20240131120001.pcap",
                                               "node2-eth0_00003_20240131120002.pcap"};
}

/// The node's capture in three files shows what it shows in one.
void TestRotatedFiles::onePoint() {
    QFETCH(QByteArrayList, parts);
    QTemporaryDir folder;
    const auto at = [&](const std::string &name) { return std::filesystem::path(folder.path().toStdString()) / name; };
    const auto frames = testing::conversation(53210);
    std::vector<testing::Frame> node;
    for (testing::Frame frame : frames)
        if (frame.point == "node2/eth0") {
            frame.point.clear(); // the file's name says it
            node.push_back(std::move(frame));
        }
    QVERIFY(testing::writeRecording(testing::createFile(at("client-eth0.pcap")), frames, {"client/eth0"}));
    QVERIFY(testing::writeRecording(testing::createFile(at("node2-eth0.dump")), node, {""}));
    const auto whole = viewOfFiles({at("client-eth0.pcap"), at("node2-eth0.dump")});
    QVERIFY(whole && whole->problem.empty());
    std::vector<std::filesystem::path> files{at("client-eth0.pcap")};
    QByteArrayList inTime = parts;
    std::ranges::sort(inTime);
    for (qsizetype i = 0; i < parts.size(); ++i) {
        const std::size_t from = node.size() * static_cast<std::size_t>(i) / 3,
                          to = node.size() * static_cast<std::size_t>(i + 1) / 3;
        const std::vector<testing::Frame> some(node.begin() + static_cast<std::ptrdiff_t>(from),
                                               node.begin() + static_cast<std::ptrdiff_t>(to));
        QVERIFY(testing::writeRecording(testing::createFile(at(inTime[i].toStdString())), some, {""}));
        files.push_back(at(parts[i].toStdString()));
    }
    const auto view = viewOfFiles(files);
    QVERIFY(view && view->problem.empty());
    QCOMPARE(view->traced->points.size(), std::size_t(2));
    QCOMPARE(view->traced->points[1].name, std::string("node2/eth0"));
    QCOMPARE(view->traced->points[1].packets, std::uint64_t(node.size()));
    QCOMPARE(pathsWithoutNumbers(*view), pathsWithoutNumbers(*whole));
}

NATLENS_TEST(TestRotatedFiles)
#include "tst_rotated_files.moc"
