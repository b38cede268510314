// When changes are carried out: kube-proxy's minSyncPeriod.
#include "app/lab/sync_pace.h"

#include "tests/test_program.h"

#include <QStringList>

using natlens::lab::SyncPace;
using std::chrono::milliseconds;

class TestSyncPace : public QObject {
    Q_OBJECT

private Q_SLOTS:
    /// `changes` at these milliseconds; a sync takes 20.
    void pace_data() {
        QTest::addColumn<int>("period");
        QTest::addColumn<QList<int>>("changes");
        QTest::addColumn<QList<int>>("syncs");
        QTest::newRow("the first at once") << 1000 << QList<int>{5} << QList<int>{5};
        QTest::newRow("long after the last") << 1000 << QList<int>{5, 2000} << QList<int>{5, 2000};
        QTest::newRow("soon: a period after the end of the last") << 1000 << QList<int>{5, 500} << QList<int>{5, 1025};
        QTest::newRow("several wait together") << 1000 << QList<int>{5, 100, 300, 1000} << QList<int>{5, 1025};
        QTest::newRow("and so on") << 1000 << QList<int>{5, 100, 1100, 2100} << QList<int>{5, 1025, 2045, 3065};
        QTest::newRow("no period") << 0 << QList<int>{5, 30, 60} << QList<int>{5, 30, 60};
    }
    void pace() {
        QFETCH(int, period);
        QFETCH(QList<int>, changes);
        QFETCH(QList<int>, syncs);
        SyncPace pace{milliseconds(period)};
        const SyncPace::Time start{std::chrono::hours(1)};
        QList<int> found;
        const auto sync = [&](SyncPace::Time now) {
            found << int((now - start) / milliseconds(1));
            pace.synced(now + milliseconds(20));
        };
        for (const int change : changes) {
            const auto now = start + milliseconds(change);
            if (const auto due = pace.due(); due && *due <= now) sync(*due);
            if (pace.changed(now)) sync(now);
        }
        if (const auto due = pace.due()) sync(*due);
        QCOMPARE(found, syncs);
        QVERIFY(!pace.due());
    }
    /// What failed is tried again after kube-proxy's syncPeriod, and with the next change.
    void failure() {
        const SyncPace::Time start{std::chrono::hours(1)};
        SyncPace pace{milliseconds(0)};
        QVERIFY(pace.changed(start));
        pace.failed(start);
        QVERIFY(pace.due() == start + std::chrono::seconds(30));
        QVERIFY(pace.changed(start + milliseconds(10)));
        pace.synced(start + milliseconds(20));
        QVERIFY(!pace.due());
    }
};

NATLENS_TEST(TestSyncPace)
#include "tst_sync_pace.moc"
