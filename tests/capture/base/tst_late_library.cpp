// Libraries loaded when they are needed: what is missing is said, with the package that has it.
#include "capture/base/late_library.h"

#include "tests/test_program.h"

#include <cmath>

using namespace natlens::base;

class TestLateLibrary : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void found() {
        const auto library = LateLibrary::load({"libm.so.6", "libc6"});
        QVERIFY2(library.has_value(), library ? "" : library.error().sentence().c_str());
        double (*cosine)(double) = nullptr;
        QVERIFY(library->find("cos", cosine).has_value());
        QCOMPARE(cosine(0.0), 1.0);
    }

    void missing() {
        const auto library = LateLibrary::load({"libnatlens-has-no-such.so.9", "libnatlens-has-no-such9"});
        QVERIFY(!library.has_value());
        QCOMPARE(library.error().code, ErrorCode::unsupported);
        QCOMPARE(exitStatus(library.error()), 3);
        const auto sentence = QString::fromStdString(library.error().sentence());
        QVERIFY2(sentence.contains("install the package libnatlens-has-no-such9"), qPrintable(sentence));
    }

    void missingFunction() {
        const auto library = LateLibrary::load({"libm.so.6", "libc6"});
        QVERIFY(library.has_value());
        double (*function)(double) = nullptr;
        const auto status = library->find("natlens_has_no_such", function);
        QVERIFY(!status.has_value());
        QVERIFY(function == nullptr);
        const auto sentence = QString::fromStdString(status.error().sentence());
        QVERIFY2(sentence.contains("natlens_has_no_such") && sentence.contains("libc6"), qPrintable(sentence));
    }
};

NATLENS_TEST(TestLateLibrary)
#include "tst_late_library.moc"
