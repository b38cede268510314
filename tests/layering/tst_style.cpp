// House rules that can be read off the files themselves: CONTRIBUTING.md.

#include "layering/source_tree.h"

#include "tests/test_program.h"

using namespace natlens::layering;

namespace {

const QString kSourceRoot = QStringLiteral(NATLENS_SOURCE_DIR);
constexpr int kMostLines = 500;

/// A place that exists only on the machine where someone wrote this: a fixed temporary file, a private checkout.
/// Put together from pieces so that this file does not contain what it looks for.
QRegularExpression privatePlaces() {
    return QRegularExpression(QStringLiteral("(^|[\\s\"'`(=])(/wo") + QStringLiteral("rk/|/tm") +
                              QStringLiteral("p/[A-Za-z]|/ho") + QStringLiteral("me/[a-z]|\\.\\./sha") +
                              QStringLiteral("red|\\.lib") + QStringLiteral("rary/)"));
}

} // namespace

class StyleTest final : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void filesAreShort() {
        QStringList tooLong;
        int files = 0;
        for (const char *top : {"capture", "proxycore", "tracer", "app", "tests"})
            for (const QString &file : filesBelow(kSourceRoot, top, {"*.h", "*.cpp"})) {
                ++files;
                const auto lines = contentOf(kSourceRoot, file).count('\n');
                if (lines > kMostLines) tooLong += QString("%1: %2 lines, split it").arg(file).arg(lines);
            }
        QVERIFY2(files > 20, "the source tree was not found");
        QVERIFY2(tooLong.isEmpty(), qPrintable('\n' + tooLong.join('\n')));
    }

    void findsPrivatePlaces_data() {
        QTest::addColumn<QString>("line");
        QTest::addColumn<bool>("found");
        QTest::newRow("temporary file") << QString("open(\"/tm%1p/x\")").arg("") << true;
        QTest::newRow("someone's home") << QString("cd /ho%1me/ann").arg("") << true;
        QTest::newRow("template for mkdtemp") << "QTemporaryDir dir;" << false;
        QTest::newRow("an address") << "http://10.240.0.5:32080/" << false;
        QTest::newRow("part of a longer path") << QString("net/wo%1rk/item").arg("") << false;
    }
    void findsPrivatePlaces() {
        QFETCH(QString, line);
        QFETCH(bool, found);
        QCOMPARE(privatePlaces().match(line).hasMatch(), found);
    }

    void nothingNamesAPrivatePlace() {
        const QRegularExpression pattern = privatePlaces();
        QStringList wrong;
        int files = 0;
        for (const QString &file : filesBelow(kSourceRoot, {}, {})) {
            const QByteArray content = contentOf(kSourceRoot, file);
            if (content.contains('\0')) continue; // a recording or a picture
            ++files;
            const QStringList lines = QString::fromUtf8(content).split('\n');
            for (int i = 0; i < lines.size(); ++i)
                if (pattern.match(lines[i]).hasMatch())
                    wrong += QString("%1:%2: %3").arg(file).arg(i + 1).arg(lines[i]);
        }
        QVERIFY(files > 50);
        QVERIFY2(wrong.isEmpty(), qPrintable('\n' + wrong.join('\n')));
    }

    // A package that is installed has its reason in the record of libraries, and the other way round.
    void everyPackageHasAReason() {
        const QString record = QString::fromUtf8(contentOf(kSourceRoot, "docs/adr/0002-libraries.md"));
        int packages = 0;
        for (const QString &line : QString::fromUtf8(contentOf(kSourceRoot, "scripts/packages.txt")).split('\n')) {
            const QStringList words = line.simplified().split(' ');
            if (line.startsWith('#') || words.size() < 2) continue;
            ++packages;
            QVERIFY2(words.size() > 2, qPrintable(words[1] + ": what for?"));
            QVERIFY2(record.contains('`' + words[1] + '`'),
                     qPrintable(words[1] + " is not in docs/adr/0002-libraries.md"));
        }
        QVERIFY(packages > 15);
    }
};

NATLENS_TEST(StyleTest)
#include "tst_style.moc"
