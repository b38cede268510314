// A user and network namespace for a whole test, so that tests may send packets as an ordinary user.
#pragma once

#include "tests/test_program.h"

#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

namespace natlens::testing {

inline bool writeText(const char *path, const std::string &text) {
    const int fd = ::open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) return false;
    const bool written = ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
    ::close(fd);
    return written;
}

inline bool bringUp(const char *interface, bool up = true) {
    const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    ifreq request{};
    std::strncpy(request.ifr_name, interface, IFNAMSIZ - 1);
    bool done = ::ioctl(fd, SIOCGIFFLAGS, &request) == 0;
    request.ifr_flags = static_cast<short>(up ? request.ifr_flags | IFF_UP : request.ifr_flags & ~IFF_UP);
    done = done && ::ioctl(fd, SIOCSIFFLAGS, &request) == 0;
    ::close(fd);
    return done;
}

/// Must be called before the program has a second thread, so before QTest. Returns why it did not work, or "".
inline std::string enterOwnNamespace() {
    const std::string uid = std::to_string(getuid()), gid = std::to_string(getgid());
    if (::unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0) return std::string("unshare: ") + std::strerror(errno);
    writeText("/proc/self/setgroups", "deny");
    if (!writeText("/proc/self/uid_map", "0 " + uid + " 1") || !writeText("/proc/self/gid_map", "0 " + gid + " 1")) {
        return std::string("uid_map: ") + std::strerror(errno);
    }
    return bringUp("lo") ? "" : std::string("lo: ") + std::strerror(errno);
}

/// For initTestCase(): skips the tests of a machine that forbids namespaces, unless they are demanded.
#define NATLENS_NEED_NAMESPACE(reason)                                                                                 \
    do {                                                                                                               \
        if (!(reason).empty()) {                                                                                       \
            if (qEnvironmentVariableIntValue("NATLENS_REQUIRE_LAB") == 1) QFAIL((reason).c_str());                     \
            QSKIP((reason).c_str());                                                                                   \
        }                                                                                                              \
    } while (false)

/// A test class with a static member `whyNot`, run in a namespace of its own.
template <typename TestClass>
int runInNamespace(int count, char **arguments) {
    TestClass::whyNot = enterOwnNamespace();
    return runTest<TestClass>(count, arguments);
}

/// NATLENS_TEST in a namespace.
#define NATLENS_NAMESPACE_TEST(TestClass) NATLENS_TEST_RUN(natlens::testing::runInNamespace<TestClass>)

} // namespace natlens::testing
