#include "tests/test_program.h"

#include <cstdio>
#include <functional>
#include <map>
#include <string>
#include <string_view>

namespace natlens::testing {
namespace {

using Tests = std::map<std::string, TestRun, std::less<>>;

/// Static objects of other files fill it before main().
Tests &tests() {
    static Tests known;
    return known;
}

/// "tests/tracer/tst_links.cpp" is "links".
std::string nameOf(std::string_view file) {
    file.remove_prefix(file.rfind('/') + 1);
    if (file.starts_with("tst_")) file.remove_prefix(4);
    return std::string(file.substr(0, file.rfind('.')));
}

} // namespace

TestRegistration::TestRegistration(const char *file, TestRun run) { tests().emplace(nameOf(file), run); }

} // namespace natlens::testing

#ifdef __SANITIZE_THREAD__
// QtTest's watchdog and the test's thread meet at a condition of Qt's own, which was built without the sanitizer.
extern "C" const char *__tsan_default_suppressions() { // NOLINT(bugprone-reserved-identifier): the sanitizer's name
    return "race:QWaitCondition::~QWaitCondition\ncalled_from_lib:libQt6Test.so\n";
}
#endif

/// NAME [QtTest's arguments]: without a name, or with one that is not there, it says which there are.
int main(int argc, char **argv) {
    const auto &tests = natlens::testing::tests();
    const auto wanted = argc > 1 ? tests.find(std::string_view(argv[1])) : tests.end();
    if (wanted == tests.end()) {
        std::fprintf(stderr, "usage: %s NAME [ARGUMENT-OF-QTTEST]...\n\nNAME is one of:\n", argv[0]);
        for (const auto &[name, run] : tests) std::fprintf(stderr, "  %s\n", name.c_str());
        return 2;
    }
    argv[1] = argv[0];
    return wanted->second(argc - 1, argv + 1);
}
