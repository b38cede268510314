// SVG: well-formed whatever the names, readable in every theme.
#ifndef Q_MOC_RUN // moc of Qt 6.4 stumbles over <concepts>
#include "layout_samples.h"
#include "sample_snapshots.h"
#include "tracer/diagram/diagram.h"
#endif

#include <QDir>
#include <QFile>
#include <QXmlStreamReader>
#include "tests/test_program.h"

#include <cmath>

using namespace natlens;
using namespace natlens::testing;
using namespace natlens::diagram;

namespace {

const char *const kThemes[] = {"light", "dark", "high-contrast"};

/// Relative luminance and contrast as WCAG 2.1 defines them.
double luminance(std::uint32_t rgb) {
    const auto channel = [&](int shift) {
        const double c = ((rgb >> shift) & 0xff) / 255.0;
        return c <= 0.03928 ? c / 12.92 : std::pow((c + 0.055) / 1.055, 2.4);
    };
    return 0.2126 * channel(16) + 0.7152 * channel(8) + 0.0722 * channel(0);
}
double contrast(std::uint32_t a, std::uint32_t b) {
    const double x = luminance(a), y = luminance(b);
    return (std::max(x, y) + 0.05) / (std::min(x, y) + 0.05);
}

} // namespace

class TestSvg : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void wellFormed_data();
    void wellFormed();
    void namesAreEscaped();
    void contrastOfTexts_data();
    void contrastOfTexts();
};

void TestSvg::wellFormed_data() {
    QTest::addColumn<SampleSnapshot>("sample");
    for (const auto &[name, sample] : layoutSamples())
        QTest::newRow(name) << sample;
}

void TestSvg::wellFormed() {
    QFETCH(SampleSnapshot, sample);
    const auto list = layout(sample.snapshot);
    for (const auto *theme : kThemes) {
        const auto svg = QByteArray::fromStdString(renderSvg(list, theme));
        QXmlStreamReader reader(svg);
        int texts = 0, titles = 0, descriptions = 0, arrows = 0;
        while (!reader.atEnd()) {
            if (reader.readNext() != QXmlStreamReader::StartElement) continue;
            texts += reader.name() == u"text";
            titles += reader.name() == u"title";
            descriptions += reader.name() == u"desc";
            arrows += reader.name() == u"polyline";
        }
        QVERIFY2(!reader.hasError(), qPrintable(reader.errorString()));
        QCOMPARE(titles, 1);
        QCOMPARE(descriptions, 1);
        QCOMPARE(texts, static_cast<int>(list.texts.size() + list.badges.size()));
        QCOMPARE(arrows, static_cast<int>(list.arrows.size()));
        if (qEnvironmentVariableIsSet("NATLENS_SVG_DIR")) {
            QFile file(QDir(qEnvironmentVariable("NATLENS_SVG_DIR"))
                           .filePath(QString("%1-%2.svg").arg(QTest::currentDataTag(), theme)));
            QVERIFY(file.open(QIODevice::WriteOnly));
            file.write(svg);
        }
    }
}

void TestSvg::namesAreEscaped() {
    SampleSnapshot s;
    const std::string evil = "<script>&\"'\x01\xff\xed\xa0\x80";
    s.host(evil, tracer::HostRole::node, {});
    const auto svg = QByteArray::fromStdString(renderSvg(layout(s.snapshot)));
    QVERIFY(!svg.contains("<script>"));
    QVERIFY(svg.contains("&lt;script&gt;&amp;&quot;&#39;"));
    QXmlStreamReader reader(svg);
    while (!reader.atEnd())
        reader.readNext();
    QVERIFY2(!reader.hasError(), qPrintable(reader.errorString()));
}

void TestSvg::contrastOfTexts_data() {
    QTest::addColumn<QString>("theme");
    QTest::addColumn<int>("front");
    QTest::addColumn<int>("back");
    using enum Token;
    const auto row = [](const char *theme, Token front, Token back) {
        QTest::addRow("%s %d on %d", theme, static_cast<int>(front), static_cast<int>(back))
            << QString(theme) << static_cast<int>(front) << static_cast<int>(back);
    };
    for (const auto *theme : kThemes) {
        for (const auto front : {text, mutedText, request, reply, drop, healthCheck, probeFail, snat, dnat})
            row(theme, front, background);
        for (const auto front : {text, mutedText})
            for (const auto back : {hostFill, nodeFill, podFill, clientFill, lbFill})
                row(theme, front, back);
        for (const auto back : {badgeFill, snat, dnat, drop, healthCheck, probeFail})
            row(theme, badgeText, back);
    }
}

void TestSvg::contrastOfTexts() {
    QFETCH(QString, theme);
    QFETCH(int, front);
    QFETCH(int, back);
    const auto name = theme.toStdString();
    const double ratio = contrast(colour(static_cast<Token>(front), name), colour(static_cast<Token>(back), name));
    QVERIFY2(ratio >= 4.5, qPrintable(QString("contrast %1").arg(ratio)));
}

NATLENS_TEST(TestSvg)
#include "tst_svg.moc"
