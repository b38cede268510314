#include "app/lab/entry_server.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace natlens::lab {
namespace {

using nlohmann::json;

/// How long one caller may keep the lab waiting for its line.
constexpr int kReadTimeoutMs = 200;

std::string readLine(int fd) {
    std::string line;
    pollfd readable{fd, POLLIN, 0};
    while (line.size() < 4096 && line.find('\n') == std::string::npos) {
        if (::poll(&readable, 1, kReadTimeoutMs) <= 0) break;
        char buffer[512];
        const ssize_t n = ::read(fd, buffer, sizeof buffer);
        if (n <= 0) break;
        line.append(buffer, static_cast<std::size_t>(n));
    }
    return line;
}

void sendWithDescriptors(int fd, std::string text, const std::vector<int> &descriptors) {
    text += '\n';
    iovec data{text.data(), text.size()};
    alignas(cmsghdr) char buffer[CMSG_SPACE(4 * sizeof(int))]{};
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    if (!descriptors.empty()) {
        message.msg_control = buffer;
        message.msg_controllen = CMSG_SPACE(descriptors.size() * sizeof(int));
        cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(descriptors.size() * sizeof(int));
        std::memcpy(CMSG_DATA(header), descriptors.data(), descriptors.size() * sizeof(int));
    }
    (void)::sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

bool sameUser(int fd) {
    ucred peer{};
    socklen_t size = sizeof peer;
    return ::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.uid == ::geteuid();
}

} // namespace

base::Result<EntryServer> EntryServer::open() {
    base::UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd) return base::failErrno("socket", "lab entry");
    const std::string name = fmt::format("natlens-lab-{}-{}", ::geteuid(), ::getpid());
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path + 1, name.data(), name.size()); // a leading NUL makes it abstract
    const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
    if (::bind(fd.get(), reinterpret_cast<const sockaddr *>(&address), length) != 0)
        return base::failErrno("bind", "@" + name);
    if (::listen(fd.get(), 8) != 0) return base::failErrno("listen", "@" + name);
    return EntryServer(std::move(fd));
}

void EntryServer::serve(const std::function<int(const std::string &)> &namespaceOf,
                        const std::vector<std::string> &hosts) {
    while (true) {
        base::UniqueFd caller(::accept4(m_fd.get(), nullptr, nullptr, SOCK_CLOEXEC));
        if (!caller) return;
        if (!sameUser(caller.get())) continue;
        const json request = json::parse(readLine(caller.get()), nullptr, false);
        const bool enter = request.is_object() && request.value("command", json()) == "enter" &&
                           request.contains("host") && request["host"].is_string();
        const std::string host = enter ? request["host"].get<std::string>() : std::string();
        const int network = enter ? namespaceOf(host) : -1;
        if (network < 0) {
            const auto message = enter ? fmt::format("no host \"{}\" in this lab", host) : "expected an enter command";
            sendWithDescriptors(caller.get(),
                                json{{"ok", false}, {"message", message}, {"hosts", hosts}}.dump(-1, ' ', false, json::error_handler_t::replace), {});
            continue;
        }
        base::UniqueFd user(::open("/proc/self/ns/user", O_RDONLY | O_CLOEXEC));
        base::UniqueFd mount(::open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC));
        base::UniqueFd pid(::open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC));
        sendWithDescriptors(caller.get(), R"({"ok":true})", {user.get(), mount.get(), pid.get(), network});
    }
}

} // namespace natlens::lab
