// One iptables-restore for many changes: it answers, it ends with us, and it keeps nothing from others meanwhile.
#ifndef Q_MOC_RUN // moc of Qt 6.4 stumbles over <concepts>
#include "proxycore/kernel/iptables_backends.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <csignal>
#include <fcntl.h>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <iterator>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#endif

#include "tests/test_program.h"

using namespace natlens::proxycore;
using natlens::packet::IpFamily;

namespace {

/// The running programs that this process has started, by what /proc says of each: "PID (NAME) STATE PARENT ...".
std::vector<pid_t> programs() {
    std::vector<pid_t> found;
    for (const auto &entry : std::filesystem::directory_iterator("/proc")) {
        const auto name = entry.path().filename().string();
        pid_t pid = 0;
        if (std::from_chars(name.data(), name.data() + name.size(), pid).ec != std::errc{}) continue;
        std::ifstream file(entry.path() / "stat");
        const std::string line((std::istreambuf_iterator<char>(file)), {});
        const auto after = line.rfind(") ");
        if (after == line.npos || line[after + 2] == 'Z') continue;
        if (std::atoi(line.c_str() + after + 4) == ::getpid()) found.push_back(pid);
    }
    return found;
}

std::string chainOf(int number) {
    return fmt::format("*nat\n:OURS-{0} - [0:0]\n-A OURS-{0} -d 192.0.2.{0}/32 -j ACCEPT\nCOMMIT\n", number);
}

bool has(IptablesProgram &program, const std::string &rule, IpFamily family = IpFamily::v4) {
    const auto listed = program.save(family, "nat");
    return listed && listed->find(rule) != listed->npos;
}

void inBackend(IptablesBackend backend, const std::function<std::string(IptablesProgram &)> &work) {
    test::inBackend(backend, [&] {
        auto program = IptablesProgram::open(backend).value();
        return work(program);
    });
}

} // namespace

class TestIptablesSession : public QObject {
    Q_OBJECT

private Q_SLOTS:
    /// Each change is in the kernel when the call returns, whoever else writes in between; one program does them all,
    /// and it is gone with its owner.
    void oneProgram_data() { test::iptablesBackends(); }
    void oneProgram() {
        QFETCH(int, backend);
        const auto kind = static_cast<IptablesBackend>(backend);
        inBackend(kind, [kind](IptablesProgram &other) -> std::string {
            {
                auto program = IptablesProgram::open(kind).value();
                std::vector<pid_t> first;
                for (int i = 1; i <= 20; ++i) {
                    if (auto status = program.change(IpFamily::v4, chainOf(i)); !status)
                        return status.error().sentence();
                    if (!has(other, fmt::format("-A OURS-{0} -d 192.0.2.{0}/32", i))) return fmt::format("not {}", i);
                    const auto flushed = other.restore(IpFamily::v4, fmt::format("*nat\n-F OURS-{}\nCOMMIT\n", i));
                    if (!flushed) return flushed.error().sentence();
                    if (i == 1) first = programs();
                }
                if (first.size() != 1 || programs() != first) return "not one program";
                if (auto status = program.change(IpFamily::v6, "*nat\n:SIX - [0:0]\nCOMMIT\n"); !status)
                    return status.error().sentence();
                if (!has(other, ":SIX ", IpFamily::v6) || has(other, ":SIX ")) return "not in the other family";
                if (programs().size() != 2) return "not one program for each family";
            }
            return programs().empty() ? "" : "a program stays";
        });
    }

    /// The words of the program, nothing written, and the next change is a new program's.
    void refused_data() { test::iptablesBackends(); }
    void refused() {
        QFETCH(int, backend);
        inBackend(static_cast<IptablesBackend>(backend), [](IptablesProgram &program) -> std::string {
            if (auto status = program.change(IpFamily::v4, chainOf(1)); !status) return status.error().sentence();
            const auto status =
                program.change(IpFamily::v4, "*nat\n:OURS-2 - [0:0]\n-A OURS-2 -j NO-SUCH-CHAIN\nCOMMIT\n");
            if (status) return "an unknown target is accepted";
            const auto words = status.error().sentence();
            if (words.find("NO-SUCH-CHAIN") == words.npos) return words;
            if (has(program, "OURS-2")) return "half of it is written";
            if (!programs().empty()) return "the program stays";
            if (auto again = program.change(IpFamily::v4, chainOf(3)); !again) return again.error().sentence();
            return has(program, "-A OURS-3 ") ? "" : "nothing written after a refusal";
        });
    }

    /// Someone ends the program while it waits: the next change does not notice.
    void ended_data() { test::iptablesBackends(); }
    void ended() {
        QFETCH(int, backend);
        inBackend(static_cast<IptablesBackend>(backend), [](IptablesProgram &program) -> std::string {
            if (auto status = program.change(IpFamily::v4, chainOf(1)); !status) return status.error().sentence();
            for (const auto pid : programs())
                ::kill(pid, SIGKILL);
            while (!programs().empty())
                std::this_thread::sleep_for(std::chrono::milliseconds(1));
            if (auto status = program.change(IpFamily::v4, chainOf(2)); !status) return status.error().sentence();
            return has(program, "-A OURS-2 ") ? "" : "not written";
        });
    }

    /// When this process is killed, in the middle of an input at that, the program ends and has done nothing of it.
    void endsWithUs_data() { test::iptablesBackends(); }
    void endsWithUs() {
        QFETCH(int, backend);
        inBackend(static_cast<IptablesBackend>(backend), [](IptablesProgram &program) -> std::string {
            ::prctl(PR_SET_CHILD_SUBREAPER, 1); // the program comes to this process when its own parent is gone
            const pid_t owner = ::fork();
            if (owner == 0) {
                const bool sent = program.change(IpFamily::v4, chainOf(1)).has_value() &&
                                  program.change(IpFamily::v4, "*nat\n:OURS-2 - [0:0]\n").has_value();
                if (sent) ::kill(::getpid(), SIGKILL);
                ::_exit(1);
            }
            int status = 0;
            if (::waitpid(owner, &status, 0) != owner || !WIFSIGNALED(status)) return "nothing was sent";
            const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
            pid_t gone = 0;
            while ((gone = ::waitpid(-1, &status, WNOHANG)) == 0 && std::chrono::steady_clock::now() < deadline)
                std::this_thread::sleep_for(std::chrono::milliseconds(1));
            if (gone <= 0) return "the program goes on";
            if (!has(program, ":OURS-1 ")) return "what was whole is missing";
            return has(program, ":OURS-2 ") ? "what was not whole is written" : "";
        });
    }

    /// A process forked meanwhile has our end of the program's input as well; the program must end all the same.
    void forkedMeanwhile() {
        inBackend(IptablesBackend::nft, [](IptablesProgram &program) -> std::string {
            if (auto status = program.change(IpFamily::v4, chainOf(1)); !status) return status.error().sentence();
            const pid_t other = ::fork();
            if (other == 0) {
                ::pause();
                ::_exit(0);
            }
            { const auto ended = std::move(program); }
            const auto left = programs();
            ::kill(other, SIGKILL);
            ::waitpid(other, nullptr, 0);
            return left == std::vector<pid_t>{other} ? "" : "the program stays";
        });
    }

    /// More than the socket holds, both ways: the program repeats comments.
    void large_data() { test::iptablesBackends(); }
    void large() {
        QFETCH(int, backend);
        inBackend(static_cast<IptablesBackend>(backend), [](IptablesProgram &program) -> std::string {
            std::string text = "*nat\n";
            while (text.size() < 4'000'000)
                text += "# " + std::string(500, 'x') + "\n";
            text += ":OURS - [0:0]\nCOMMIT\n";
            if (auto status = program.change(IpFamily::v4, text); !status) return status.error().sentence();
            return has(program, ":OURS ") ? "" : "not written";
        });
    }

    /// A program that reads all its input before it does anything, and repeats nothing, answers by its exit status.
    void silent_data() {
        QTest::addColumn<QString>("script");
        QTest::addColumn<QString>("error");
        QTest::newRow("done") << "cat > /dev/null"
                              << "";
        QTest::newRow("says much at its end") << "cat > /dev/null; head -c 4000000 /dev/zero"
                                              << "";
        QTest::newRow("refused") << "cat > /dev/null; echo not like this >&2; exit 3"
                                 << "not like this";
    }
    void silent() {
        QFETCH(QString, script);
        QFETCH(QString, error);
        const auto result = natlens::test::inNamespace([&]() -> std::string {
            const natlens::base::UniqueFd nameSpace(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
            const IptablesCommand command{"/bin/sh", {"-c", script.toStdString()}, nameSpace.get()};
            auto session = IptablesSession::start(command, std::chrono::milliseconds(50));
            if (!session) return session.error().sentence();
            const auto status = (*session)->restore("*nat\nCOMMIT\n");
            if ((*session)->isOpen()) return "it can take another input";
            if (status.has_value() != error.isEmpty()) return "the exit status is not the answer";
            if (!status && status.error().message != error.toStdString()) return status.error().sentence();
            return {};
        });
        if (!result.available) QSKIP("no unprivileged user namespaces");
        QVERIFY2(result.text.empty(), result.text.c_str());
    }

    /// The lock on the tables is taken for the time of a change, not while the program waits for one.
    void keepsNoLock() {
        if (::access("/run", W_OK) == 0) QSKIP("as root the lock is the machine's own: not taken from others here");
        inBackend(IptablesBackend::legacy, [](IptablesProgram &program) -> std::string {
            if (auto status = program.change(IpFamily::v4, chainOf(1)); !status) return status.error().sentence();
            const int lock = ::open("/dev/null", O_RDWR | O_CLOEXEC); // what the programs are told to lock
            if (programs().size() != 1) return "no program waits";
            return ::flock(lock, LOCK_EX | LOCK_NB) == 0 ? "" : "the lock is kept";
        });
    }
};

NATLENS_TEST(TestIptablesSession)
#include "tst_iptables_session.moc"
