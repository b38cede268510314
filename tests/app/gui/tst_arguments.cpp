#include "app/gui/arguments.h"

#include "tests/test_program.h"

using namespace natlens;
using gui::parseArguments;

class TestArguments : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void refused_data() {
        QTest::addColumn<QStringList>("words");
        QTest::addColumn<QString>("error"); // a part of it
        QTest::newRow("both") << QStringList{"lab:nodeport", "a.pcapng"} << "not both";
        QTest::newRow("two labs") << QStringList{"lab:a", "lab:b"} << "one scenario";
        QTest::newRow("lab without a name") << QStringList{"lab:"} << "one scenario";
        QTest::newRow("theme") << QStringList{"--theme", "pink"} << "choose light";
        QTest::newRow("size") << QStringList{"--size", "big"} << "1280x800";
        QTest::newRow("size too small") << QStringList{"--size", "399x300"} << "from 400x300";
        QTest::newRow("size too large") << QStringList{"--size", "10001x300"} << "to 10000x10000";
        QTest::newRow("profile") << QStringList{"--profile", "x"} << "choose picture";
        QTest::newRow("datapath") << QStringList{"--datapath", "ipvs"} << "choose nftables";
        QTest::newRow("ending") << QStringList{"--screenshot", "x.jpg"} << ".png";
        QTest::newRow("cluster without a file") << QStringList{"--cluster"} << "cluster";
        QTest::newRow("unknown") << QStringList{"--nonsense"} << "nonsense";
    }
    void refused() {
        QFETCH(QStringList, words);
        QFETCH(QString, error);
        const auto parsed = parseArguments(QStringList{"natlens-gui"} + words);
        QVERIFY(!parsed);
        QVERIFY2(QString::fromStdString(parsed.error().sentence()).contains(error),
                 parsed.error().sentence().c_str());
    }

    void nothingSaid() {
        const auto parsed = parseArguments({"natlens-gui"});
        QVERIFY(parsed);
        QCOMPARE(parsed->action, gui::Arguments::Action::run);
        QVERIFY(parsed->scenario.isEmpty() && parsed->files.isEmpty() && parsed->clusterFiles.isEmpty());
        QCOMPARE(parsed->size, QSize(1280, 800));
        QVERIFY(!parsed->simulated);
    }

    void lab() {
        const auto parsed = parseArguments({"natlens-gui", "lab:nodeport", "--simulated", "--profile", "today",
                                            "--datapath", "engine", "--theme", "dark", "--size", "800x600"});
        QVERIFY(parsed);
        QCOMPARE(parsed->scenario, QString("nodeport"));
        QCOMPARE(parsed->profile, QString("today"));
        QCOMPARE(parsed->datapath, QString("engine"));
        QCOMPARE(parsed->theme, gui::ThemeChoice::dark);
        QCOMPARE(parsed->size, QSize(800, 600));
        QVERIFY(parsed->simulated);
    }

    void recordingsWithClusterState() {
        const auto parsed = parseArguments({"natlens-gui", "a.pcapng", "--cluster", "all.json", "b.pcapng",
                                            "--cluster=node1=rules.txt", "--screenshot", "X.PNG"});
        QVERIFY(parsed);
        QCOMPARE(parsed->files, QStringList({"a.pcapng", "b.pcapng"}));
        QCOMPARE(parsed->clusterFiles, QStringList({"all.json", "node1=rules.txt"}));
        QCOMPARE(parsed->screenshot, QString("X.PNG"));
    }

    void helpNamesEveryOption() {
        const auto parsed = parseArguments({"natlens-gui", "--help"});
        QVERIFY(parsed);
        QCOMPARE(parsed->action, gui::Arguments::Action::help);
        for (const char *option : {"--screenshot", "--size", "--cluster", "--theme", "--profile", "--datapath",
                                   "--simulated", "SOURCE"})
            QVERIFY2(parsed->helpText.contains(option), option);
    }
};

NATLENS_TEST(TestArguments)
#include "tst_arguments.moc"
