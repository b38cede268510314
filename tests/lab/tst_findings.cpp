// Every finding in the lab, on every datapath that can show it: its scenario brings it about and nothing unrelated, its
// healthy twin does not.
#include "tests/test_program.h"

#include "lab/natlens_run.h"

#include <QRegularExpression>
#include <atomic>
#include <map>
#include <set>
#include <thread>
#include <vector>

using namespace natlens::test;

class TestFindings : public QObject {
    Q_OBJECT

    using Which = std::pair<QString, QString>; ///< scenario, datapath
    inline static const std::vector<QString> kDatapaths{"nftables", "iptables", "engine", "simulated"};

private Q_SLOTS:
    void initTestCase() {
        const Run list = run({"lab", "list"});
        QCOMPARE(list.status, 0);
        for (const auto &line : list.out.split('\n'))
            if (line.startsWith("findings/")) m_names.push_back(QString::fromUtf8(line.left(line.indexOf(' '))));
        NATLENS_NEEDS_LAB();
        runAll();
    }

    /// The page of findings names every code; each has a scenario and a twin, and no scenario is of an unknown one.
    void everyFindingHasAPair() {
        QFile page(NATLENS_SOURCE_DIR "/docs/findings.md");
        QVERIFY(page.open(QIODevice::ReadOnly));
        std::set<QString> codes, names(m_names.begin(), m_names.end());
        for (const auto &line : page.readAll().split('\n'))
            if (line.startsWith("## ")) codes.insert(QString::fromUtf8(line.mid(3, 3)));
        QVERIFY(codes.size() >= 28);
        for (const auto &code : codes) {
            QVERIFY2(names.contains("findings/" + code), qPrintable(code));
            QVERIFY2(names.contains("findings/" + code + "-healthy"), qPrintable(code));
        }
        for (const auto &name : names)
            QVERIFY2(codes.contains(codeOf(name)), qPrintable(name));
    }

    /// The document's scenarios show what it describes (D01, D13) and nothing else.
    void documentScenariosAreHealthy() {
        NATLENS_NEEDS_LAB();
        for (const char *name : {"clusterip", "nodeport", "nodeport-local", "loadbalancer", "loadbalancer-local"}) {
            const Run &lab = m_runs[{name, "nftables"}];
            for (const auto &path : lab.paths())
                for (const auto &finding : path["findings"])
                    QVERIFY2(finding["code"] == "D01" || finding["code"] == "D13", lab.said());
        }
    }

    void scenario_data() {
        QTest::addColumn<QString>("name");
        QTest::addColumn<QString>("datapath");
        for (const auto &datapath : kDatapaths)
            for (const auto &name : m_names)
                QTest::addRow("%s, %s", qPrintable(name), qPrintable(datapath)) << name << datapath;
    }

    /// `lab run` itself compares the findings with what the scenario declares: the whole set, companions included.
    void scenario() {
        NATLENS_NEEDS_LAB();
        QFETCH(QString, name);
        QFETCH(QString, datapath);
        const Run &lab = m_runs[{name, datapath}];
        if (lab.status == 3) QSKIP(lab.err.trimmed().constData()); // this kernel or datapath cannot do it, and says why
        QVERIFY2(lab.status == 0, lab.said());
        const bool healthy = name.endsWith("-healthy");
        std::set<std::string> codes;
        for (const auto &path : lab.paths()) {
            for (const auto &finding : path["findings"]) {
                codes.insert(finding["code"]);
                QVERIFY2(!finding["evidence"].empty(), lab.said());
                QVERIFY2(finding["fix"].is_string() && finding["cost"].is_string() && finding["reference"].is_string(),
                         lab.said());
            }
        }
        QVERIFY2(codes.contains(codeOf(name).toStdString()) != healthy, lab.said());
    }

private:
    static QString codeOf(const QString &name) { return name.mid(9, 3); }

    /// Labs know nothing of each other, so a few run at once: most of their time they wait. Steps of scenarios have their
    /// milliseconds, which a machine busy with other labs may not give: what failed beside others runs again alone.
    void runAll() {
        std::vector<Which> all;
        for (const auto &datapath : kDatapaths)
            for (const auto &name : m_names)
                all.emplace_back(name, datapath);
        for (const char *name : {"clusterip", "nodeport", "nodeport-local", "loadbalancer", "loadbalancer-local"})
            all.emplace_back(name, "nftables");
        for (const auto &which : all)
            m_runs[which] = {};
        std::atomic<std::size_t> next = 0;
        std::vector<std::jthread> workers;
        for (int i = 0; i < 4; ++i)
            workers.emplace_back([&] {
                for (std::size_t at = next++; at < all.size(); at = next++)
                    m_runs.at(all[at]) = runOne(all[at]);
            });
        workers.clear();
        for (auto &[which, lab] : m_runs) {
            if (lab.status == 0 || lab.status == 3) continue;
            qInfo("%s failed beside others and runs again alone: %s", qPrintable(which.first), lab.err.constData());
            lab = runOne(which);
        }
    }

    static Run runOne(const Which &which) {
        QStringList arguments{"lab", "run", which.first, "--json"};
        if (which.second == "simulated")
            arguments << "--simulated";
        else
            arguments << "--datapath" << which.second;
        return run(arguments);
    }

    std::vector<QString> m_names;
    std::map<Which, Run> m_runs;
};

NATLENS_TEST(TestFindings)
#include "tst_findings.moc"
