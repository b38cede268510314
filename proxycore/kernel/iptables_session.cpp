#include "proxycore/kernel/iptables_session.h"

#include <array>
#include <cerrno>
#include <chrono>
#include <fmt/format.h>
#include <poll.h>
#include <string>
#include <sys/socket.h>

namespace natlens::proxycore {

namespace {

constexpr std::size_t kBlock = 16384; ///< bytes read at once

/// How the program says that it has carried out what came before: with --verbose it repeats comments on its standard
/// output. That is buffered, in glibc by 8 KiB at most, so more comments push the first one out.
std::string endOfInput(std::string_view mark) {
    constexpr std::size_t kLine = 1024, kLines = 9;
    std::string text(mark);
    for (std::size_t i = 0; i < kLines; ++i)
        text += "#" + std::string(kLine - 2, '-') + "\n";
    return text;
}

} // namespace

base::Result<std::unique_ptr<IptablesSession>> IptablesSession::start(const IptablesCommand &command,
                                                                      std::chrono::milliseconds patience) {
    // Not a pipe: a socket can be written without SIGPIPE, and shut down even if a process forked from this one has it.
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return base::failErrno("socketpair");
    base::UniqueFd ours(ends[0]);
    const base::UniqueFd theirs(ends[1]);
    auto errors = memoryFile({});
    if (!errors) return std::unexpected(errors.error());
    auto child = IptablesChild::start(command, {.in = theirs.get(), .out = theirs.get(), .error = errors->get()});
    if (!child) return std::unexpected(child.error());
    return std::unique_ptr<IptablesSession>(
        new IptablesSession(std::move(*child), std::move(ours), std::move(*errors), patience));
}

IptablesSession::IptablesSession(IptablesChild child, base::UniqueFd socket, base::UniqueFd errors,
                                 std::chrono::milliseconds patience)
    : m_errors(std::move(errors))
    , m_socket(std::move(socket))
    , m_child(std::move(child))
    , m_patience(patience) {}

IptablesSession::~IptablesSession() {
    ::shutdown(m_socket.get(), SHUT_WR);
    // The child's destructor, which comes next, waits for it.
}

bool IptablesSession::isOpen() {
    std::array<char, kBlock> rest; // of the comments after the last input
    while (m_open) {
        const auto count = ::recv(m_socket.get(), rest.data(), rest.size(), MSG_DONTWAIT);
        if (count < 0 && errno == EAGAIN) break; // it waits for us
        if (count == 0 || (count < 0 && errno != EINTR)) m_open = false;
    }
    return m_open;
}

base::Status IptablesSession::restore(std::string_view text) {
    const auto mark = fmt::format("# input {}\n", ++m_inputs);
    const auto errorsBefore = sizeOf(m_errors.get());
    if (exchange(std::string(text) + endOfInput(mark), mark)) return {};
    m_open = false;
    ::shutdown(m_socket.get(), SHUT_WR);
    std::array<char, kBlock> rest; // a program that cannot write would not end
    while (::recv(m_socket.get(), rest.data(), rest.size(), 0) > 0) {
    }
    return m_child.wait(m_errors.get(), errorsBefore);
}

bool IptablesSession::exchange(std::string_view input, std::string_view answer) {
    const auto deadline = std::chrono::steady_clock::now() + m_patience;
    std::string said;
    while (std::chrono::steady_clock::now() < deadline) {
        pollfd watched{m_socket.get(), static_cast<short>(input.empty() ? POLLIN : POLLIN | POLLOUT), 0};
        if (::poll(&watched, 1, static_cast<int>(m_patience.count())) <= 0) continue;
        if ((watched.revents & POLLOUT) != 0) {
            const auto count = ::send(m_socket.get(), input.data(), input.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
            if (count > 0) input.remove_prefix(static_cast<std::size_t>(count));
        }
        // Also when the program has gone: until it has been read to its end, what it said before may be the answer.
        if ((watched.revents & ~POLLOUT) == 0) continue;
        std::array<char, kBlock> buffer;
        const auto count = ::recv(m_socket.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
        if (count < 0 && (errno == EAGAIN || errno == EINTR)) continue;
        if (count <= 0) return false;
        const std::size_t searched = said.size() < answer.size() ? 0 : said.size() - answer.size();
        said.append(buffer.data(), static_cast<std::size_t>(count));
        if (said.find(answer, searched) != std::string::npos) return true;
    }
    return false;
}

} // namespace natlens::proxycore
