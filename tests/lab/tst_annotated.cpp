// What `replay --record` writes (comments on packets, names of points, clocks corrected) replays to the same paths.
#ifndef Q_MOC_RUN // moc of Qt 6.4 stumbles over <concepts>
#include "tests/lab/recorded_packets.h"
#endif

#include "lab/natlens_run.h"
#include "tests/test_program.h"

#include <QTemporaryDir>

using namespace natlens;
using namespace natlens::test;
using nlohmann::json;

namespace {

/// Removes what counts in order of reading.
void forget(json &value) {
    if (value.is_object())
        for (const char *key : {"id", "packet", "packets", "evidence"})
            if (const auto found = value.find(key);
                found != value.end() && (key != std::string("evidence") || value.contains("code")))
                if (key != std::string("packets") || value.contains("code")) value.erase(found);
    if (value.is_structured())
        for (auto &part : value)
            forget(part);
}

/// All paths in some order.
QStringList pathsOf(const Run &replay) {
    QStringList lines;
    for (json &path : replay.paths()) {
        forget(path);
        lines << QString::fromStdString(path.dump());
    }
    lines.sort();
    return lines;
}

} // namespace

class TestAnnotated : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void replaysAlike_data();
    void replaysAlike();
};

void TestAnnotated::replaysAlike_data() {
    QTest::addColumn<QString>("scenario");
    QTest::addColumn<QString>("form");
    for (const char *scenario : {"clusterip", "nodeport", "nodeport-local", "loadbalancer", "loadbalancer-local"})
        for (const char *form : {"recording", "plain files", "one file", "half of it, snapped, clocks wrong"})
            QTest::addRow("%s: %s", scenario, form) << scenario << form;
}

void TestAnnotated::replaysAlike() {
    QFETCH(QString, scenario);
    QFETCH(QString, form);
    QTemporaryDir place;
    const QString recording = place.filePath("lab.pcapng"), annotated = place.filePath("annotated.pcapng"),
                  again = place.filePath("again.pcapng");
    const Run lab = run({"lab", "run", scenario, "--simulated", "--quiet", "--record", recording});
    QVERIFY2(lab.status == 0, lab.said());
    QStringList source{recording};
    if (form != "recording") {
        RecordedPackets recorded;
        QVERIFY(file::readFile(recording.toStdString(), recorded));
        if (form == "one file") impair::merge(recorded.packets);
        if (form.startsWith("half")) {
            auto &packets = recorded.packets;
            const std::int64_t begin = std::ranges::min(packets, {}, &Captured::time).time;
            const std::int64_t last = std::ranges::max(packets, {}, &Captured::time).time;
            std::erase_if(packets, [&](const Captured &packet) { return packet.time > last - (last - begin) / 4; });
            for (Captured &packet : packets)
                packet.time -= begin;
            impair::snap(packets, 96);
            impair::clocks(packets, 3);
            for (Captured &packet : packets)
                packet.time += begin;
        }
        source = writePlainFiles(std::move(recorded.packets), place.path());
        // As files say themselves what they show: "merged.pcap", "node1-eth0.pcap".
        source = source.filter(QRegularExpression("\\.pcap$")).filter(QRegularExpression("^/"));
    }
    const Run first = run(QStringList{"replay", "--json", "--quiet", "--record", annotated} + source);
    QVERIFY2(first.status == 0, first.said());
    const Run second = run({"replay", "--json", "--quiet", "--record", again, annotated});
    QVERIFY2(second.status == 0, second.said());
    QVERIFY(!first.paths().empty());
    QCOMPARE(pathsOf(second), pathsOf(first));
    // And once more: not a byte is different.
    QFile one(annotated), two(again);
    QVERIFY(one.open(QIODevice::ReadOnly) && two.open(QIODevice::ReadOnly));
    QVERIFY(one.readAll() == two.readAll());
}

NATLENS_TEST(TestAnnotated)
#include "tst_annotated.moc"
