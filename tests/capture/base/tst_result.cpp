// What a person reads when something fails, and which exit status it gives.
#include "tests/test_program.h"

#include "capture/base/result.h"

#include <cerrno>

using namespace natlens::base;

class TestResult : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void sentence_data();
    void sentence();
    void takesErrno_data();
    void takesErrno();
    void exitStatuses();
};

void TestResult::sentence_data() {
    QTest::addColumn<QString>("message");
    QTest::addColumn<QString>("operation");
    QTest::addColumn<QString>("subject");
    QTest::addColumn<int>("errnoValue");
    QTest::addColumn<QString>("expected");
    QTest::newRow("message only") << "no such scenario"
                                  << ""
                                  << "" << 0 << "no such scenario";
    QTest::newRow("operation") << "is empty"
                               << "parse"
                               << "" << 0 << "parse: is empty";
    QTest::newRow("both") << "is empty"
                          << "parse"
                          << "a.json" << 0 << "parse a.json: is empty";
    QTest::newRow("subject only") << "is empty"
                                  << ""
                                  << "a.json" << 0 << "a.json: is empty";
    QTest::newRow("errno") << ""
                           << "open"
                           << "a.pcap" << ENOENT << "open a.pcap: No such file or directory";
    QTest::newRow("errno and message") << "run as root"
                                       << "setns"
                                       << "ns" << EPERM << "setns ns: run as root (Operation not permitted)";
}

void TestResult::sentence() {
    QFETCH(QString, message);
    QFETCH(QString, operation);
    QFETCH(QString, subject);
    QFETCH(int, errnoValue);
    const Error error{ErrorCode::io, message.toStdString(), operation.toStdString(), subject.toStdString(), errnoValue};
    QTEST(QString::fromStdString(error.sentence()), "expected");
}

void TestResult::takesErrno_data() {
    QTest::addColumn<int>("value");
    QTest::addColumn<int>("code");
    QTest::newRow("EPERM") << EPERM << int(ErrorCode::notPermitted);
    QTest::newRow("EACCES") << EACCES << int(ErrorCode::notPermitted);
    QTest::newRow("ENOENT") << ENOENT << int(ErrorCode::notFound);
    QTest::newRow("ENOSPC") << ENOSPC << int(ErrorCode::io);
}

void TestResult::takesErrno() {
    QFETCH(int, value);
    errno = value;
    const Status status = failErrno("write", "capture");
    QVERIFY(!status);
    QCOMPARE(status.error().errnoValue, value);
    QTEST(int(status.error().code), "code");
}

void TestResult::exitStatuses() {
    const auto statusOf = [](ErrorCode code) { return exitStatus(Error{code, {}, {}, {}, 0}); };
    QCOMPARE(statusOf(ErrorCode::invalidInput), 2);
    QCOMPARE(statusOf(ErrorCode::notFound), 2);
    QCOMPARE(statusOf(ErrorCode::truncated), 2);
    QCOMPARE(statusOf(ErrorCode::notPermitted), 3);
    QCOMPARE(statusOf(ErrorCode::unsupported), 3);
}

NATLENS_TEST(TestResult)
#include "tst_result.moc"
