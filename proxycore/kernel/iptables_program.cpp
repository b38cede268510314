#include "proxycore/kernel/iptables_program.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

namespace natlens::proxycore {

namespace {

using packet::IpFamily;

/// Another program may be at the tables; kube-proxy waits as long.
constexpr const char *kWait = "--wait=5";

std::string programName(IpFamily family, IptablesBackend backend, std::string_view verb) {
    const std::string_view variant = backend == IptablesBackend::nft      ? "-nft"
                                     : backend == IptablesBackend::legacy ? "-legacy"
                                                                          : "";
    return fmt::format("{}{}-{}", family == IpFamily::v6 ? "ip6tables" : "iptables", variant, verb);
}

/// Where distributions put it; PATH of an ordinary user often lacks the system directories.
std::string findProgram(const std::string &name) {
    for (const std::string_view folder : {"/usr/sbin", "/sbin", "/usr/local/sbin", "/usr/bin", "/bin"}) {
        const auto path = fmt::format("{}/{}", folder, name);
        if (::access(path.c_str(), X_OK) == 0) return path;
    }
    return {};
}

} // namespace

base::Result<IptablesProgram> IptablesProgram::open(IptablesBackend backend) {
    const auto name = programName(IpFamily::v4, backend, "restore");
    if (findProgram(name).empty())
        return base::fail(base::ErrorCode::unsupported,
                          "is not installed; install the package iptables, or use another datapath", "iptables", name);
    base::UniqueFd nameSpace(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
    if (!nameSpace) return base::failErrno("open", "/proc/thread-self/ns/net");
    return IptablesProgram(std::move(nameSpace), backend);
}

base::Status IptablesProgram::restore(IpFamily family, std::string_view text, Tables tables) {
    auto result = tables == Tables::keep ? run(family, "restore", {"--noflush", "--counters", kWait}, text)
                                         : run(family, "restore", {kWait}, text);
    if (!result) return std::unexpected(result.error());
    return {};
}

base::Result<std::string> IptablesProgram::save(IpFamily family, std::string_view table, Counters counters) {
    const auto option = fmt::format("--table={}", table);
    return counters == Counters::with ? run(family, "save", {option, "--counters"}, {}) : run(family, "save", {option}, {});
}

base::Status IptablesProgram::change(IpFamily family, std::string_view text) {
    auto &session = family == IpFamily::v6 ? m_session6 : m_session4;
    if (!m_answers) return restore(family, text);
    if (session && !session->isOpen()) session.reset(); // somebody has ended the program
    if (!session) {
        const auto what = command(family, "restore", {"--noflush", "--counters", "--verbose", kWait});
        if (!what) return std::unexpected(what.error());
        auto started = IptablesSession::start(*what);
        if (!started) return std::unexpected(started.error());
        session = std::move(*started);
    }
    auto status = session->restore(text);
    // Done, but it had to be ended to know: of a version that does not repeat comments.
    m_answers = !status || session->isOpen();
    if (!status) session.reset();
    return status;
}

base::Result<IptablesCommand> IptablesProgram::command(IpFamily family, std::string_view verb,
                                                       std::vector<std::string> options) const {
    const auto name = programName(family, m_backend, verb);
    auto path = findProgram(name);
    if (path.empty())
        return base::fail(base::ErrorCode::unsupported, "is not installed; install the package iptables", "iptables",
                          name);
    return IptablesCommand{std::move(path), std::move(options), m_nameSpace.get()};
}

base::Result<std::string> IptablesProgram::run(IpFamily family, std::string_view verb, std::vector<std::string> options,
                                               std::string_view input) {
    const auto what = command(family, verb, std::move(options));
    if (!what) return std::unexpected(what.error());
    const auto in = memoryFile(input), out = memoryFile({}), errors = memoryFile({});
    if (!in || !out || !errors) return std::unexpected((!in ? in : !out ? out : errors).error());
    auto child = IptablesChild::start(*what, {.in = in->get(), .out = out->get(), .error = errors->get()});
    if (!child) return std::unexpected(child.error());
    if (auto status = child->wait(errors->get()); !status) return std::unexpected(status.error());
    return contentOf(out->get());
}

} // namespace natlens::proxycore
