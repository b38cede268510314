// Every diagnosis is whole, and docs/findings.md says what the program says. NATLENS_UPDATE=1 writes the page anew.
#ifndef Q_MOC_RUN // moc of Qt 6.4 stumbles over <concepts>
#include "tracer/findings/finding.h"
#endif

#include <QFile>
#include <QRegularExpression>
#include "tests/test_program.h"

#include <set>

using namespace natlens;

class TestManual : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void everyDiagnosisIsWhole() {
        std::set<std::string_view> codes;
        const QRegularExpression code("^[DP][0-9]{2}$"), url("^https://[^ ]+$");
        for (const auto *d : tracer::diagnoses()) {
            const QByteArray name(d->code.data(), static_cast<qsizetype>(d->code.size()));
            QVERIFY2(code.match(name).hasMatch(), name);
            QVERIFY2(codes.insert(d->code).second, name);
            for (const auto text : {d->title, d->what, d->why, d->field, d->fix, d->cost, d->evidence})
                QVERIFY2(!text.empty(), name);
            QVERIFY2(url.match(QString::fromUtf8(d->reference.data(), static_cast<qsizetype>(d->reference.size())))
                         .hasMatch(),
                     name);
            // It judges single paths, those through proxies, or groups of them.
            QCOMPARE((d->find != nullptr) + (d->findProxied != nullptr) + (d->keys != nullptr && d->judge != nullptr), 1);
        }
        QVERIFY(codes.size() >= 28);
    }

    void thePageSaysTheSame() {
        const QString name = NATLENS_SOURCE_DIR "/docs/findings.md";
        const auto text = QString::fromStdString(tracer::findingsManual());
        if (qEnvironmentVariableIntValue("NATLENS_UPDATE") == 1) {
            QFile file(name);
            QVERIFY(file.open(QIODevice::WriteOnly));
            file.write(text.toUtf8());
        }
        QFile file(name);
        QVERIFY2(file.open(QIODevice::ReadOnly), qPrintable(name));
        QCOMPARE(QString::fromUtf8(file.readAll()), text);
    }
};

NATLENS_TEST(TestManual)
#include "tst_manual.moc"
