// Recordings as people name and write them: points that are called otherwise, files that grow.
#include "app/session/session.h"
#include "recording.h"

#include "tests/test_program.h"
#include <QFile>
#include <QTemporaryDir>

using namespace natlens;
using namespace std::chrono_literals;
using session::FileSource;
using session::Session;
using session::View;

namespace {

/// Waits until a view is as it is wanted, for a minute at most; the last one in any case.
template<class Wanted>
std::shared_ptr<const View> viewThat(const Session &session, Wanted &&wanted) {
    auto view = session.view();
    for (int i = 0; i < 600 && !wanted(*view); ++i)
        view = session.waitForChange(view->version, 100ms);
    return view;
}

bool hasEnded(const View &view) {
    return view.ended;
}

QStringList pointsOf(const View &view) {
    QStringList names;
    for (const auto &point : view.traced->points)
        names << QString::fromStdString(point.name);
    names.sort();
    return names;
}

} // namespace

class TestSources : public QObject {
    Q_OBJECT
    QTemporaryDir m_dir;
    std::filesystem::path at(const std::string &name) const {
        return std::filesystem::path(m_dir.path().toStdString()) / name;
    }
    QByteArray bytesOf(const std::string &name) const {
        QFile file(QString::fromStdString(at(name).string()));
        return file.open(QIODevice::ReadOnly) ? file.readAll() : QByteArray();
    }
    void append(const std::string &name, const QByteArray &bytes) const {
        QFile file(QString::fromStdString(at(name).string()));
        QVERIFY(file.open(QIODevice::Append) && file.write(bytes) == bytes.size());
    }

private Q_SLOTS:
    void initTestCase() {
        const auto frames = testing::conversation(53210);
        for (const std::string point : {"client/eth0", "node2/eth0"}) {
            const std::string name = point.substr(0, point.find('/')) + ".pcapng";
            QVERIFY(testing::writeRecording(testing::createFile(at(name)), frames, {point}));
        }
    }

    void pointsAreCalled_data() {
        QTest::addColumn<QStringList>("names"); // FILE=NAME
        QTest::addColumn<QStringList>("expected");
        QTest::newRow("as they are") << QStringList{} << QStringList{"client/eth0", "node2/eth0"};
        QTest::newRow("one of them") << QStringList{"client.pcapng=edge/wan0"}
                                     << QStringList{"edge/wan0", "node2/eth0"};
        QTest::newRow("both") << QStringList{"client.pcapng=a/x", "node2.pcapng=b/y"} << QStringList{"a/x", "b/y"};
    }
    /// Also when files are opened again: to compare their clocks, and to save what was read.
    void pointsAreCalled() {
        QFETCH(QStringList, names);
        QFETCH(QStringList, expected);
        FileSource source{{at("client.pcapng"), at("node2.pcapng")}};
        for (const QString &name : names)
            source.points.push_back(
                {at(name.section('=', 0, 0).toStdString()).string(), name.section('=', 1).toStdString()});
        auto opened = Session::open(source, {});
        QVERIFY(opened);
        QCOMPARE(pointsOf(*viewThat(**opened, hasEnded)), expected);
        QVERIFY((*opened)->saveRecording(at("saved.pcapng")));
        auto saved = Session::open(FileSource{{at("saved.pcapng")}}, {});
        QVERIFY(saved);
        QCOMPARE(pointsOf(*viewThat(**saved, hasEnded)), expected);
        std::filesystem::remove(at("saved.pcapng"));
    }

    void namesThatCannotBe_data() {
        QTest::addColumn<QString>("file");
        QTest::addColumn<QString>("name");
        QTest::newRow("no such file among them") << "other.pcapng"
                                                 << "a/b";
        QTest::newRow("no name") << "client.pcapng"
                                 << "";
        QTest::newRow("no node") << "client.pcapng"
                                 << "/eth0";
        QTest::newRow("no interface") << "client.pcapng"
                                      << "node1/";
    }
    void namesThatCannotBe() {
        QFETCH(QString, file);
        QFETCH(QString, name);
        FileSource source{{at("client.pcapng")}};
        source.points.push_back({at(file.toStdString()).string(), name.toStdString()});
        const auto opened = Session::open(source, {});
        QVERIFY(!opened);
        QCOMPARE(base::exitStatus(opened.error()), 2);
        QVERIFY2(opened.error().sentence().find("--point") != std::string::npos, opened.error().sentence().c_str());
    }

    void growing_data() {
        QTest::addColumn<int>("files");
        QTest::newRow("one file") << 1;
        QTest::newRow("two files") << 2;
    }
    /// A file that is followed is read on where it ended, in the middle of a block, too; it ends when it is told to.
    void growing() {
        QFETCH(int, files);
        FileSource source;
        source.follow = true;
        std::vector<QByteArray> rest;
        std::uint64_t all = 0;
        for (int i = 0; i < files; ++i) {
            const std::string from = i == 0 ? "client.pcapng" : "node2.pcapng", name = "growing-" + from;
            QFile::remove(QString::fromStdString(at(name).string()));
            auto whole = Session::open(FileSource{{at(from)}}, {});
            QVERIFY(whole);
            all += viewThat(**whole, hasEnded)->traced->packets;
            const QByteArray bytes = bytesOf(from);
            append(name, bytes.first(bytes.size() / 2 + 3));
            rest.push_back(bytes.mid(bytes.size() / 2 + 3));
            source.files.push_back(at(name));
        }
        auto opened = Session::open(source, {});
        QVERIFY(opened);
        auto view = viewThat(**opened, [](const View &v) { return v.traced->packets != 0; });
        QVERIFY(view->traced->packets > 0 && view->traced->packets < all);
        QVERIFY(!view->ended);
        for (std::size_t i = 0; i < rest.size(); ++i)
            append(source.files[i].filename().string(), rest[i]);
        view = viewThat(**opened, [&](const View &v) { return v.traced->packets == all; });
        QCOMPARE(view->traced->packets, all);
        QVERIFY(!view->ended);
        (*opened)->stop();
        view = viewThat(**opened, hasEnded);
        QVERIFY(view->ended);
        QVERIFY2(view->problem.empty(), view->problem.c_str());
    }
};

NATLENS_TEST(TestSources)
#include "tst_sources.moc"
