// One program per test folder: each tst_*.cpp names its test class here, and the program runs the one it is asked for.
#pragma once

#include <QtTest>

#ifdef QT_WIDGETS_LIB
#include <QApplication>
#endif

namespace natlens::testing {

/// Runs one test class with QtTest's arguments (arguments[0] is the program); the exit status, which is the number of
/// failed cases.
using TestRun = int (*)(int count, char **arguments);

/// Makes `run` known under the name of its file, `tst_<name>.cpp`. For static objects: see NATLENS_TEST.
struct TestRegistration {
    TestRegistration(const char *file, TestRun run);
};

/// The application is there before the test class, which may have members that need it.
template <typename TestClass>
int runTest(int count, char **arguments) {
#ifdef QT_WIDGETS_LIB
    QApplication application(count, arguments);
#else
    QCoreApplication application(count, arguments);
#endif
    TestClass test;
    return QTest::qExec(&test, count, arguments);
}

} // namespace natlens::testing

/// At the end of a tst_*.cpp: its test, run in a way of its own (`run` is a TestRun). Several files may be one
/// translation unit, so the name is numbered.
#define NATLENS_TEST_RUN(run) NATLENS_NUMBERED_TEST_RUN(run, __COUNTER__)
#define NATLENS_NUMBERED_TEST_RUN(run, number) NATLENS_NAMED_TEST_RUN(run, number)
#define NATLENS_NAMED_TEST_RUN(run, number)                                                                            \
    static const natlens::testing::TestRegistration testRegistration##number(__FILE__, run);

/// At the end of a tst_*.cpp: its test class.
#define NATLENS_TEST(TestClass) NATLENS_TEST_RUN(natlens::testing::runTest<TestClass>)
