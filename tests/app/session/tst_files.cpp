#include "app/session/session.h"
#include "recording.h"
#include "tracer/path/path_json.h"

#include "tests/test_program.h"
#include <QTemporaryDir>
#include <regex>

using namespace natlens;
using namespace std::chrono_literals;
using session::FileSource;
using session::Options;
using session::Session;
using session::View;

namespace {

std::shared_ptr<const View> ended(const Session &session) {
    auto view = session.view();
    for (int i = 0; i < 600 && !view->ended; ++i)
        view = session.waitForChange(view->version, 100ms);
    return view;
}

/// Everything the paths say but for packet numbers, which depend on how the packets were cut into files.
std::string paths(const View &view) {
    std::string text;
    for (const auto &path : view.traced->paths)
        text += tracer::toJsonLine(*path) + "\n";
    return std::regex_replace(text, std::regex(R"("packets?":(\d+|\[[^\]]*\]))"), "");
}

std::uint64_t packetsAt(const View &view, const std::string &point) {
    for (const auto &status : view.traced->points)
        if (status.name == point) return status.packets;
    return 0;
}

} // namespace

class TestFiles : public QObject {
    Q_OBJECT
    QTemporaryDir m_dir;
    std::filesystem::path at(const std::string &name) const {
        return std::filesystem::path(m_dir.path().toStdString()) / name;
    }
    std::shared_ptr<const View> read(const FileSource &source, const Options &options = {}) {
        auto session = Session::open(source, options);
        if (!session) {
            qWarning("%s", session.error().sentence().c_str());
            return nullptr;
        }
        return ended(**session);
    }

private Q_SLOTS:
    void initTestCase() {
        auto frames = testing::conversation(53210);
        const auto second = testing::conversation(53300, 5'000);
        frames.insert(frames.end(), second.begin(), second.end());
        QVERIFY(testing::writeRecording(testing::createFile(at("all.pcapng")), frames));
        for (const std::string point : {"client/eth0", "node2/eth0", "pod/eth0"}) {
            const std::string name = point.substr(0, point.find('/')) + ".pcapng";
            QVERIFY(testing::writeRecording(testing::createFile(at(name)), frames, {point}));
        }
    }

    void oneFile() {
        const auto view = read({{at("all.pcapng")}});
        QVERIFY(view && view->ended);
        QVERIFY2(view->problem.empty(), view->problem.c_str());
        QCOMPARE(view->traced->packets, std::uint64_t(48));
        QCOMPARE(view->progress, 1.0);
        QCOMPARE(view->bytes, std::uint64_t(std::filesystem::file_size(at("all.pcapng"))));
        QVERIFY(view->traced->ended);
        QCOMPARE(view->traced->paths.size(), std::size_t(2));
        for (const auto &path : view->traced->paths) {
            QCOMPARE(path->requested.toString(), std::string("10.240.0.5:32080"));
            QVERIFY(path->seenByEndpoint);
            QCOMPARE(path->seenByEndpoint->ip.toString(), std::string("10.240.0.5"));
        }
    }

    /// Three files of one point each, in any order, say what the one file says: they are merged by time.
    void severalFilesAreOneSource() {
        const auto whole = read({{at("all.pcapng")}});
        std::vector<std::filesystem::path> files{at("client.pcapng"), at("node2.pcapng"), at("pod.pcapng")};
        std::sort(files.begin(), files.end());
        do {
            const auto view = read({files});
            QVERIFY(view && view->problem.empty());
            QCOMPARE(view->traced->packets, std::uint64_t(48));
            QCOMPARE(paths(*view), paths(*whole));
        } while (std::next_permutation(files.begin(), files.end()));
    }

    void truncatedRecordingShowsWhatIsThere() {
        const std::string bytes = testing::contents(at("all.pcapng"));
        testing::writeText(at("cut.pcapng"), std::string_view(bytes).substr(0, bytes.size() - 10));
        const auto view = read({{at("cut.pcapng")}});
        QVERIFY(view && view->ended);
        QCOMPARE(view->traced->packets, std::uint64_t(47));
        QCOMPARE(view->problemStatus, 2);
        QVERIFY2(view->problem.find("cut.pcapng") != std::string::npos, view->problem.c_str());
        QVERIFY(view->problem.find('\n') == std::string::npos);
        QVERIFY(std::regex_search(view->problem, std::regex("[0-9]{3,}"))); // where
    }

    /// One bad file of several does not hide the others.
    void oneOfSeveralIsBroken() {
        testing::writeText(at("noise.pcapng"), "this is no capture file at all, not even a short one");
        const auto view = read({{at("noise.pcapng"), at("all.pcapng")}});
        QVERIFY(view && view->ended);
        QCOMPARE(view->traced->paths.size(), std::size_t(2));
        QCOMPARE(view->problemStatus, 2);
        QVERIFY2(view->problem.find("noise.pcapng") != std::string::npos, view->problem.c_str());
    }

    void badInput_data() {
        QTest::addColumn<QString>("file");
        QTest::addColumn<QString>("filter");
        QTest::addColumn<QString>("cluster");
        QTest::addColumn<QString>("mentions");
        QTest::newRow("missing") << "none.pcapng"
                                 << ""
                                 << ""
                                 << "No such file";
        QTest::newRow("folder") << "."
                                << ""
                                << ""
                                << "folder";
        QTest::newRow("filter") << "all.pcapng"
                                << "tcp prot 80"
                                << ""
                                << "tcp prot 80";
        QTest::newRow("no cluster") << "all.pcapng"
                                    << ""
                                    << "none.json"
                                    << "none.json";
        QTest::newRow("broken JSON") << "all.pcapng"
                                     << ""
                                     << "broken.json"
                                     << "line 3, column 1";
        QTest::newRow("no list") << "all.pcapng"
                                 << ""
                                 << "pod.json"
                                 << "/kind";
        QTest::newRow("no usable item") << "all.pcapng"
                                        << ""
                                        << "item.json"
                                        << "/items/0";
    }
    void badInput() {
        testing::writeText(at("broken.json"), "{\"kind\": \"List\",\n\"items\": [\n}\n");
        testing::writeText(at("pod.json"), R"({"kind":"Pod","metadata":{"name":"p"}})");
        testing::writeText(at("item.json"), R"({"kind":"List","items":[{"kind":"Pod"},{"kind":"Pod"}]})");
        QFETCH(QString, file);
        QFETCH(QString, filter);
        QFETCH(QString, cluster);
        QFETCH(QString, mentions);
        Options options;
        options.filter = filter.toStdString();
        if (!cluster.isEmpty()) options.clusterFiles = {at(cluster.toStdString()).string()};
        const auto session = Session::open(FileSource{{at(file.toStdString())}}, options);
        QVERIFY(!session);
        const std::string sentence = session.error().sentence();
        QVERIFY2(sentence.find(mentions.toStdString()) != std::string::npos, sentence.c_str());
        QVERIFY(sentence.find('\n') == std::string::npos);
        QCOMPARE(base::exitStatus(session.error()), 2);
    }

    /// What is captured on radio or USB is counted, and said not to be looked into; what else there is stays readable.
    void unknownLinkTypes_data() {
        QTest::addColumn<int>("linkType");
        QTest::addColumn<int>("packets");
        QTest::addColumn<QString>("said");
        QTest::newRow("Bluetooth") << 201 << 2 << "radio/mon0: 2 packets are counted but not looked into: ";
        QTest::newRow("USB") << 220 << 1 << "radio/mon0: 1 packet is counted but not looked into: ";
        QTest::newRow("one that nobody knows")
            << 4242 << 3 << "radio/mon0: 3 packets are counted but not looked into: ";
        QTest::newRow("Ethernet") << 1 << 3 << "";
        QTest::newRow("none of its packets") << 220 << 0 << "";
    }
    void unknownLinkTypes() {
        QFETCH(int, linkType);
        QFETCH(int, packets);
        QFETCH(QString, said);
        {
            file::PcapngWriter writer(testing::createFile(at("radio.pcapng")));
            file::CapturePoint point;
            point.name = "radio/mon0";
            point.linkType = static_cast<packet::LinkType>(linkType);
            const auto id = writer.addPoint(point);
            QVERIFY(id);
            const std::vector<std::byte> bytes(60, std::byte{0x45});
            for (int i = 0; i < packets; ++i) {
                file::PacketView view;
                view.point = *id;
                view.time = {1'700'000'000'000'000'000 + i * 1000};
                view.originalLength = 60;
                view.data = bytes;
                QVERIFY(writer.writePacket(view));
            }
            QVERIFY(writer.flush());
        }
        const auto view = read({{at("all.pcapng"), at("radio.pcapng")}});
        QVERIFY(view && view->problem.empty());
        QCOMPARE(view->traced->paths.size(), std::size_t(2));
        QCOMPARE(packetsAt(*view, "radio/mon0"), std::uint64_t(packets));
        QString found;
        for (const std::string &remark : view->remarks)
            if (remark.find("not looked into") != std::string::npos) found += QString::fromStdString(remark);
        QVERIFY2(said.isEmpty() ? found.isEmpty() : found.startsWith(said), qPrintable(found));
        if (!said.isEmpty()) QVERIFY2(found.endsWith(QString("(LINKTYPE %1)").arg(linkType)), qPrintable(found));
    }

    void filterKeepsMatchingPackets() {
        Options options;
        options.filter = "port 53210 or port 54210";
        const auto view = read({{at("all.pcapng")}}, options);
        QVERIFY(view);
        QCOMPARE(view->traced->paths.size(), std::size_t(1));
        QCOMPARE(packetsAt(*view, "client/eth0"), std::uint64_t(6));
    }

    /// What a filter leaves out says how long a capture went on. That nothing came out of a host it cannot say: that may
    /// have been left out, too.
    void filterAndSilence_data() {
        QTest::addColumn<QString>("filter");
        QTest::addColumn<QString>("outcome");
        QTest::newRow("none") << "" << "dropped";
        QTest::newRow("leaves the other interface's packets") << "tcp or udp" << "dropped";
        QTest::newRow("leaves none of them") << "tcp" << "unanswered";
        QTest::newRow("leaves what came in only") << "port 32080" << "unanswered";
    }
    void filterAndSilence() {
        auto frames = testing::conversation(53210);
        frames.resize(2); // a SYN from the client into node2
        for (int i = 1; i < 20; ++i)
            frames.push_back({"node2/cbr0", i * 100'000,
                              packet::PacketBuilder()
                                  .ip(packet::IpAddress::v4(10, 180, 1, 7), packet::IpAddress::v4(10, 180, 1, 8))
                                  .udp(5000, 6000)
                                  .build()});
        QVERIFY(testing::writeRecording(testing::createFile(at("silent.pcapng")), frames,
                                        {"client/eth0", "node2/eth0", "node2/cbr0"}));
        QFETCH(QString, filter);
        QFETCH(QString, outcome);
        Options options;
        options.filter = filter.toStdString();
        const auto view = read({{at("silent.pcapng")}}, options);
        QVERIFY(view);
        const auto &path = *view->traced->paths.front();
        QCOMPARE(QString::fromStdString(std::string(tracer::toString(path.outcome))), outcome);
        QCOMPARE(QString::fromStdString(path.droppedAt), outcome == "dropped" ? "node2" : "");
    }

    void clusterFileNamesTheService() {
        testing::writeText(at("cluster.json"), R"({"apiVersion":"v1","kind":"List","items":[
          {"apiVersion":"v1","kind":"Node","metadata":{"name":"node2"},
           "status":{"addresses":[{"type":"InternalIP","address":"10.240.0.5"}]}},
          {"apiVersion":"v1","kind":"Service","metadata":{"name":"nodeport","namespace":"default"},
           "spec":{"type":"NodePort","clusterIP":"10.0.0.9","clusterIPs":["10.0.0.9"],
                   "ports":[{"port":80,"targetPort":8080,"nodePort":32080,"protocol":"TCP"}]}}]})");
        Options options;
        options.clusterFiles = {at("cluster.json").string()};
        const auto view = read({{at("all.pcapng")}}, options);
        QVERIFY(view);
        QCOMPARE(view->traced->paths.size(), std::size_t(2));
        const auto &path = *view->traced->paths.front();
        QVERIFY(path.service);
        QCOMPARE(path.service->name, std::string("nodeport"));
        QVERIFY(path.kind == tracer::PathKind::service);
    }

    /// record and saveRecording give a file that says the same, also of several files, of which both make one.
    void recordingsOfRecordings() {
        const std::vector<std::filesystem::path> files{at("pod.pcapng"), at("client.pcapng"), at("node2.pcapng")};
        Options options;
        options.record = at("recorded.pcapng").string();
        auto session = Session::open(FileSource{files}, options);
        QVERIFY(session);
        const auto view = ended(**session);
        QVERIFY((*session)->saveRecording(at("saved.pcapng")));
        QVERIFY(!(*session)->saveRecording(at("pod.pcapng"))); // would destroy what is being read
        for (const char *name : {"recorded.pcapng", "saved.pcapng"}) {
            const auto again = read({{at(name)}});
            QVERIFY(again && again->problem.empty());
            QCOMPARE(again->traced->packets, std::uint64_t(48));
            QCOMPARE(paths(*again), paths(*view));
        }
    }

    /// At capture speed a recording with a pause of hours waits; stop ends it at once and keeps what was there.
    void pacedReplayStopsAtOnce() {
        auto frames = testing::conversation(53210);
        const std::size_t before = frames.size();
        const auto late = testing::conversation(53300, std::int64_t(3) * 3600 * 1'000'000);
        frames.insert(frames.end(), late.begin(), late.end());
        QVERIFY(testing::writeRecording(testing::createFile(at("slow.pcapng")), frames));
        Options options;
        options.replayAtCaptureSpeed = true;
        auto session = Session::open(FileSource{{at("slow.pcapng")}}, options);
        QVERIFY(session);
        auto view = (*session)->view();
        for (int i = 0; i < 600 && view->traced->packets < before; ++i)
            view = (*session)->waitForChange(view->version, 100ms);
        QCOMPARE(view->traced->packets, std::uint64_t(before));
        QVERIFY(!view->ended);
        (*session)->stop();
        view = ended(**session);
        QVERIFY(view->ended);
        QCOMPARE(view->traced->packets, std::uint64_t(before));
        QVERIFY((*session)->saveRecording(at("part.pcapng")));
        QCOMPARE(read({{at("part.pcapng")}})->traced->packets, std::uint64_t(before));
    }

    /// Views that nobody looks at are not made; the last one is the same.
    void aLateLookChangesNothing() {
        const auto looked = read({{at("all.pcapng")}});
        Options options;
        options.firstLook = std::chrono::hours(1);
        auto session = Session::open(FileSource{{at("all.pcapng")}}, options);
        QVERIFY(session);
        std::uint64_t version = 0;
        for (auto view = (*session)->view(); !view->ended; view = (*session)->waitForChange(version, 1000ms)) {
            QVERIFY(view->traced->paths.empty());
            version = view->version;
        }
        const auto late = ended(**session);
        QCOMPARE(paths(*late), paths(*looked));
        QCOMPARE(late->traced->packets, looked->traced->packets);
    }

    void versionsGrow() {
        auto session = Session::open(FileSource{{at("all.pcapng")}}, {});
        QVERIFY(session);
        std::uint64_t last = 0;
        for (auto view = (*session)->view(); !view->ended; view = (*session)->waitForChange(last, 1000ms)) {
            QVERIFY(view->version >= last);
            QVERIFY(view->traced);
            last = view->version;
        }
        QCOMPARE((*session)->waitForChange(0, 0ms)->ended, true);
    }
};

NATLENS_TEST(TestFiles)
#include "tst_files.moc"
