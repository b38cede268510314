// Who may use whom (docs/architecture.md), read from the #include lines of the source tree.

#include "layering/source_tree.h"

#include <QtCore/QHash>
#include <QtCore/QProcess>
#include <QtCore/QSet>
#include "tests/test_program.h"

using namespace natlens::layering;

namespace {

const QString kRoot = QStringLiteral(NATLENS_SOURCE_DIR);

/// A folder (or one file) and the folders whose headers it may include besides its own.
struct Rule {
    QString user;
    QStringList uses;
};

// Abbreviations of the table below.
const QStringList kBytes{"capture/base", "capture/packet"};
const QStringList kCapture{"capture/base", "capture/packet", "capture/live", "capture/file", "capture/netlink"};
const QStringList kPlan{"capture/base", "capture/packet", "proxycore/model", "proxycore/plan"};
const QStringList kProxycore{"proxycore/model", "proxycore/plan", "proxycore/engine", "proxycore/kernel",
                             "proxycore/health", "proxycore/rules"};
const QStringList kTracer{"tracer", "tracer/path", "tracer/stitch", "tracer/findings", "tracer/diagram"};
// What a front end gets from a session: views made of snapshots, whose fields are paths, addresses and times.
const QStringList kFrontEnd{"app/session", "tracer/diagram", "tracer/path", "capture/packet", "capture/base"};

const QList<Rule> kRules{
    {"capture/base", {}},
    {"capture/packet", {"capture/base"}},
    {"capture/live", kBytes},
    {"capture/file", kBytes},
    {"capture/netlink", kBytes},

    {"proxycore/model", kBytes},
    {"proxycore/plan", kBytes + QStringList{"proxycore/model"}},
    {"proxycore/engine", kPlan},
    {"proxycore/kernel", kPlan},
    {"proxycore/health", kPlan},
    {"proxycore/rules", kPlan},

    {"tracer/path", kBytes},
    {"tracer/stitch", kBytes + QStringList{"tracer/path"}},
    {"tracer/findings", kBytes + QStringList{"tracer/path"} + kProxycore},
    {"tracer/diagram", kBytes + QStringList{"tracer/path"}},
    {"tracer", kBytes + QStringList{"tracer/path", "tracer/stitch", "tracer/findings"}}, // the facade, tracer.h

    {"app/probe", kCapture},
    {"app/lab", kCapture + kProxycore + QStringList{"app/probe"}},
    {"app/lab/sim", kCapture + kProxycore + QStringList{"app/lab"}},
    {"app/session", kCapture + kTracer + kProxycore},
    {"app/cli", kFrontEnd},
    {"app/tui", kFrontEnd},
    {"app/gui", kFrontEnd},
    // The composition root: the one program that is a front end and, started by itself again, the lab.
    {"app/natlens_main.cpp", {"app/cli", "app/tui", "app/lab", "app/lab/sim", "app/probe", "capture/base"}},
};

/// A library's headers and the only folders that may include them.
struct Library {
    const char *name;
    QRegularExpression headers;
    QStringList folders;
};

const QList<Library> kLibraries{
    {"Qt", QRegularExpression("^(Q[A-Z]|Qt)"), {"app/gui"}},
    {"libpcap", QRegularExpression("^pcap(/|\\.h)"), {"capture/live", "capture/file"}},
    {"libnl", QRegularExpression("^netlink/"), {"capture/netlink", "proxycore/kernel", "app/lab"}},
    {"libnftables", QRegularExpression("^nftables/"), {"proxycore/kernel"}},
    {"libmicrohttpd", QRegularExpression("^microhttpd"), {"app/lab"}},
    {"libcurl", QRegularExpression("^curl/"), {"app/lab"}},
    {"zlib, zstd", QRegularExpression("^z(lib|std)"), {"capture/file"}},
    {"CLI11", QRegularExpression("^CLI/"), {"app/cli"}},
    {"ncurses", QRegularExpression("^(n?curses|ncursesw/)"), {"app/tui"}},
    {"simdjson", QRegularExpression("^simdjson"), {"proxycore/model"}},
    {"rapidcheck", QRegularExpression("^rapidcheck"), {}},
    {"benchmark", QRegularExpression("^benchmark/"), {}},
};

/// Libraries that one file hides from all others.
const QList<QPair<QString, QRegularExpression>> kOneFile{
    {"CLI11", QRegularExpression("^CLI/")},
    {"simdjson", QRegularExpression("^simdjson")},
    {"zlib, zstd", QRegularExpression("^z(lib|std)")},
    {"ncurses", QRegularExpression("^(n?curses|ncursesw/)")},
};

/// The rule for a file: its own before its folder's.
const Rule *ruleFor(const QString &file) {
    const Rule *found = nullptr;
    for (const Rule &rule : kRules) {
        if (rule.user == file) return &rule;
        if (rule.user == folderOf(file)) found = &rule;
    }
    return found;
}

/// Why `file` must not include `header`; empty when it may. `header` is from the project's root, or beside the file.
QString objection(const QString &file, const QString &header) {
    const Rule *rule = ruleFor(file);
    if (!rule) return "no rule for " + folderOf(file);
    if (!header.contains('/')) return "write the path from the project's root";
    const QString used = folderOf(header);
    if (used == folderOf(file) || rule->uses.contains(used)) return {};
    return rule->user + " may not use " + used;
}

/// Why a <header> must not be in `file`; empty when it may.
QString libraryObjection(const QString &file, const QString &header) {
    for (const Library &library : kLibraries)
        if (library.headers.match(header).hasMatch() && !library.folders.contains(folderOf(file)))
            return QString("%1 may be used in %2 only").arg(library.name, library.folders.join(", "));
    return {};
}

bool isWholeJson(const QString &header) {
    return header.startsWith("nlohmann/") && header != "nlohmann/json_fwd.hpp";
}

/// The library of JSON is slow to compile and must not spread: a header that includes all of it may be included by
/// sources of its own folder only. Others take nlohmann/json_fwd.hpp.
QStringList spreadOfJson(const QList<Include> &includes) {
    QSet<QString> headers;
    for (const Include &include : includes)
        if (include.system && isWholeJson(include.header) && include.file.endsWith(".h")) headers.insert(include.file);
    QStringList wrong;
    for (const Include &include : includes)
        if (headers.contains(include.header) &&
            (folderOf(include.header) != folderOf(include.file) || include.file.endsWith(".h")))
            wrong += QString("%1: %2 includes all of nlohmann/json.hpp and is for sources of its own folder only")
                         .arg(include.place(), include.header);
    return wrong;
}

} // namespace

class LayeringTest final : public QObject {
    Q_OBJECT

private:
    QList<Include> m_includes;

private Q_SLOTS:
    void initTestCase() {
        int files = 0;
        for (const char *top : {"capture", "proxycore", "tracer", "app"})
            for (const QString &file : filesBelow(kRoot, top, {"*.h", "*.cpp"})) {
                ++files;
                m_includes += includesOf(file, contentOf(kRoot, file));
            }
        QVERIFY2(files > 20 && m_includes.size() > 50, "the source tree was not found");
    }

    // The rules themselves must be able to say no.
    void decides_data() {
        QTest::addColumn<QString>("file");
        QTest::addColumn<QString>("header");
        QTest::addColumn<bool>("system");
        QTest::addColumn<bool>("allowed");
        QTest::newRow("own folder") << "tracer/path/a.cpp"
                                    << "tracer/path/path.h" << false << true;
        QTest::newRow("layer below") << "tracer/path/a.h"
                                     << "capture/packet/address.h" << false << true;
        QTest::newRow("layer above") << "capture/packet/a.h"
                                     << "tracer/path/path.h" << false << false;
        QTest::newRow("sideways") << "capture/live/a.cpp"
                                  << "capture/file/reader.h" << false << false;
        QTest::newRow("tracer does not read files") << "tracer/tracer.cpp"
                                                    << "capture/file/reader.h" << false << false;
        QTest::newRow("findings predict") << "tracer/findings/d01.cpp"
                                          << "proxycore/plan/plan.h" << false << true;
        QTest::newRow("stitching does not") << "tracer/stitch/a.cpp"
                                            << "proxycore/plan/plan.h" << false << false;
        QTest::newRow("front end, session") << "app/gui/a.cpp"
                                            << "app/session/session.h" << false << true;
        QTest::newRow("front end, lab") << "app/gui/a.cpp"
                                        << "app/lab/topology.h" << false << false;
        QTest::newRow("composition root") << "app/natlens_main.cpp"
                                          << "app/lab/lab.h" << false << true;
        QTest::newRow("short path") << "app/gui/a.cpp"
                                    << "window.h" << false << false;
        QTest::newRow("new folder") << "app/web/a.cpp"
                                    << "app/session/session.h" << false << false;
        QTest::newRow("Qt in the window") << "app/gui/a.h"
                                          << "QWidget" << true << true;
        QTest::newRow("Qt in the core") << "tracer/path/a.h"
                                        << "QtCore/QString" << true << false;
        QTest::newRow("pcap in the tracer") << "tracer/tracer.cpp"
                                            << "pcap/pcap.h" << true << false;
    }
    void decides() {
        QFETCH(QString, file);
        QFETCH(QString, header);
        QFETCH(bool, system);
        QFETCH(bool, allowed);
        QCOMPARE((system ? libraryObjection(file, header) : objection(file, header)).isEmpty(), allowed);
    }

    void readsIncludes() {
        const auto found = includesOf("a.cpp", "#include \"b/c.h\"\n//#include <no>\n  #  include <QtGui/QPen> // x\n");
        QCOMPARE(found.size(), 2);
        QCOMPARE(found[0].header, "b/c.h");
        QVERIFY(!found[0].system);
        QCOMPARE(found[1].header, "QtGui/QPen");
        QCOMPARE(found[1].place(), "a.cpp:3");
    }

    void noticesSpreadingJson_data() {
        QTest::addColumn<QString>("header");
        QTest::addColumn<QString>("user");
        QTest::addColumn<bool>("spreads");
        QTest::newRow("forward declarations") << "nlohmann/json_fwd.hpp"
                                              << "b/c.cpp" << false;
        QTest::newRow("own source") << "nlohmann/json.hpp"
                                    << "a/c.cpp" << false;
        QTest::newRow("own header") << "nlohmann/json.hpp"
                                    << "a/c.h" << true;
        QTest::newRow("another folder") << "nlohmann/json.hpp"
                                        << "b/c.cpp" << true;
    }
    void noticesSpreadingJson() {
        QFETCH(QString, header);
        QFETCH(QString, user);
        QFETCH(bool, spreads);
        QCOMPARE(!spreadOfJson({{"a/b.h", 1, header, true}, {user, 1, "a/b.h", false}}).isEmpty(), spreads);
    }

    void foldersUseOnlyWhatTheyMay() {
        QStringList wrong;
        for (const Include &include : m_includes) {
            if (include.system || include.header.endsWith(".moc")) continue;
            const QString why = objection(include.file, include.header);
            if (!why.isEmpty())
                wrong += QString("%1: \"%2\": %3").arg(include.place(), include.header, why);
            else if (!QFile::exists(kRoot + '/' + include.header))
                wrong += include.place() + ": no such file";
        }
        QVERIFY2(wrong.isEmpty(), qPrintable('\n' + wrong.join('\n')));
    }

    void librariesStayInTheirPlace() {
        QStringList wrong = spreadOfJson(m_includes);
        for (const Include &include : m_includes) {
            const QString why = libraryObjection(include.file, include.header);
            if (!why.isEmpty()) wrong += QString("%1: <%2>: %3").arg(include.place(), include.header, why);
        }
        for (const auto &[name, headers] : kOneFile) {
            QSet<QString> files;
            for (const Include &include : m_includes)
                if (headers.match(include.header).hasMatch()) files.insert(include.file);
            if (files.size() > 1) wrong += name + " is in more than one file: " + files.values().join(", ");
        }
        QVERIFY2(wrong.isEmpty(), qPrintable('\n' + wrong.join('\n')));
    }

    // Independent of the table: nobody can reach itself.
    void foldersHaveNoCycle() {
        QHash<QString, QSet<QString>> uses;
        for (const Include &include : m_includes) {
            const QString from = folderOf(include.file), to = folderOf(include.header);
            // app/*_main.cpp put programs together; nothing includes them.
            if (!include.system && !to.isEmpty() && from != to && from != "app") uses[from].insert(to);
        }
        for (auto it = uses.cbegin(); it != uses.cend(); ++it) {
            QSet<QString> seen;
            QStringList open = it.value().values();
            while (!open.isEmpty()) {
                const QString folder = open.takeLast();
                QVERIFY2(folder != it.key(), qPrintable(it.key() + " uses itself by way of others"));
                if (seen.contains(folder)) continue;
                seen.insert(folder);
                open += uses.value(folder).values();
            }
        }
    }

    void commandLineHasNoQt() {
        const QString program = QStringLiteral(NATLENS_PROGRAM_DIR "/natlens");
        QVERIFY2(QFile::exists(program), qPrintable(program + " is missing: build it first"));
        QProcess ldd;
        ldd.start("ldd", {program});
        QVERIFY2(ldd.waitForFinished() && ldd.exitCode() == 0, qPrintable(ldd.errorString()));
        const QString libraries = QString::fromUtf8(ldd.readAllStandardOutput());
        QVERIFY2(libraries.contains("libc.so"), qPrintable(libraries));
        QVERIFY2(!libraries.contains("libQt"), qPrintable(libraries));
    }
};

NATLENS_TEST(LayeringTest)
#include "tst_layering.moc"
