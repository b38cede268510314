// Clients and servers for tests of the lab that say themselves what they saw: each answer carries the addresses that
// the server sees, each line of a client both its own view and the server's.
//
//   natlens_talker serve PORT [until standard input ends]
//   natlens_talker ask tcp|udp ADDRESS:PORT COUNT [THREADS [SEED]]
//     -> "tcp CLIENT REQUESTED SEEN SERVER" a connection, or "tcp failed"
#include "capture/packet/address.h"

#include <arpa/inet.h>
#include <atomic>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <mutex>
#include <netinet/in.h>
#include <poll.h>
#include <random>
#include <string>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>
#include <vector>

using natlens::packet::SocketAddress;

namespace {

constexpr timeval kPatience{3, 0}, kUdpPatience{1, 0};

sockaddr_in toSockaddr(const SocketAddress &address) {
    sockaddr_in raw{};
    raw.sin_family = AF_INET;
    raw.sin_port = htons(address.port);
    inet_pton(AF_INET, address.ip.toString().c_str(), &raw.sin_addr);
    return raw;
}

std::string text(const sockaddr_in &raw) {
    char ip[INET_ADDRSTRLEN] = "";
    inet_ntop(AF_INET, &raw.sin_addr, ip, sizeof(ip));
    return std::string(ip) + ":" + std::to_string(ntohs(raw.sin_port));
}

std::string ends(int socket, decltype(&getsockname) which) {
    sockaddr_in raw{};
    socklen_t size = sizeof(raw);
    which(socket, reinterpret_cast<sockaddr *>(&raw), &size);
    return text(raw);
}

bool sendAll(int socket, const std::string &bytes) {
    for (std::size_t sent = 0; sent < bytes.size();) {
        const auto n = ::send(socket, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
        if (n <= 0) return false;
        sent += static_cast<std::size_t>(n);
    }
    return true;
}

/// Up to and without the end of a line.
bool readLine(int socket, std::string &line) {
    line.clear();
    for (char c = 0; ::recv(socket, &c, 1, 0) == 1;) {
        if (c == '\n') return true;
        line += c;
    }
    return false;
}

bool skip(int socket, std::size_t bytes) {
    std::vector<char> buffer(64 * 1024);
    while (bytes != 0) {
        const auto n = ::recv(socket, buffer.data(), std::min(bytes, buffer.size()), 0);
        if (n <= 0) return false;
        bytes -= static_cast<std::size_t>(n);
    }
    return true;
}

// ---- server --------------------------------------------------------------------------------------------------------

/// "SIZE" is answered with who asked whom and SIZE bytes that are always the same.
void serveOne(int socket) {
    setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &kPatience, sizeof(kPatience));
    std::string line;
    while (readLine(socket, line)) {
        std::size_t size = 0;
        std::from_chars(line.data(), line.data() + line.size(), size);
        std::string answer = ends(socket, getpeername) + " " + ends(socket, getsockname) + "\n";
        answer.append(size, 'x');
        if (!sendAll(socket, answer)) break;
    }
    ::close(socket);
}

int serve(std::uint16_t port) {
    sockaddr_in raw{};
    raw.sin_family = AF_INET;
    raw.sin_port = htons(port);
    const int stream = ::socket(AF_INET, SOCK_STREAM, 0), datagrams = ::socket(AF_INET, SOCK_DGRAM, 0), yes = 1;
    setsockopt(stream, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
    setsockopt(datagrams, IPPROTO_IP, IP_PKTINFO, &yes, sizeof(yes));
    const auto *address = reinterpret_cast<const sockaddr *>(&raw);
    if (::bind(stream, address, sizeof(raw)) != 0 || ::listen(stream, 1024) != 0 ||
        ::bind(datagrams, address, sizeof(raw)) != 0) {
        std::perror("natlens_talker");
        return 1;
    }
    for (int i = 0; i < 64; ++i)
        std::thread([stream] {
            for (int one = 0; (one = ::accept(stream, nullptr, nullptr)) >= 0;)
                serveOne(one);
        }).detach();
    std::thread([datagrams, port] {
        char question[2048], control[256];
        for (;;) {
            sockaddr_in peer{}, own{};
            own.sin_port = htons(port);
            iovec part{question, sizeof(question)};
            msghdr message{&peer, sizeof(peer), &part, 1, control, sizeof(control), 0};
            const auto length = ::recvmsg(datagrams, &message, 0);
            if (length < 0) return;
            for (cmsghdr *at = CMSG_FIRSTHDR(&message); at != nullptr; at = CMSG_NXTHDR(&message, at))
                if (at->cmsg_level == IPPROTO_IP && at->cmsg_type == IP_PKTINFO)
                    own.sin_addr = reinterpret_cast<const in_pktinfo *>(CMSG_DATA(at))->ipi_addr;
            std::string answer(question, static_cast<std::size_t>(length));
            answer += "\n" + text(peer) + " " + text(own);
            ::sendto(datagrams, answer.data(), answer.size(), 0, reinterpret_cast<sockaddr *>(&peer), sizeof(peer));
        }
    }).detach();
    std::puts("ready");
    std::fflush(stdout);
    for (char c = 0; ::read(STDIN_FILENO, &c, 1) > 0;) {
    }
    return 0;
}

// ---- client --------------------------------------------------------------------------------------------------------

/// As people and programs do, so that connections overlap.
void pause(std::mt19937 &random) {
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 40'000));
}

std::string askTcp(int socket, std::mt19937 &random) {
    std::string line;
    const unsigned turns = 1 + static_cast<unsigned>(random() % 4);
    const bool bulk = random() % 50 == 0;
    for (unsigned turn = 0; turn < turns; ++turn) {
        pause(random);
        const std::size_t size = bulk ? 200'000 : 100 + random() % 3000;
        if (!sendAll(socket, std::to_string(size) + "\n") || !readLine(socket, line) || !skip(socket, size)) return {};
    }
    return line;
}

std::string askUdp(int socket, std::mt19937 &random) {
    const unsigned turns = 1 + static_cast<unsigned>(random() % 3);
    char answer[2048];
    std::string seen;
    for (unsigned turn = 0; turn < turns; ++turn) {
        pause(random);
        const std::string question = std::to_string(random()) + " source-ip.default.svc.cluster.local";
        bool answered = false;
        for (int attempt = 0; attempt < 3 && !answered; ++attempt) {
            if (::send(socket, question.data(), question.size(), 0) < 0) return {};
            const auto length = ::recv(socket, answer, sizeof(answer), 0);
            if (length <= 0) continue;
            const std::string got(answer, static_cast<std::size_t>(length));
            answered = got.starts_with(question + "\n");
            seen = got.substr(std::min(got.size(), question.size() + 1));
        }
        if (!answered) return {};
    }
    return seen;
}

int ask(bool tcp, const SocketAddress &target, unsigned count, unsigned threads, unsigned seed) {
    std::atomic<unsigned> next = 0;
    std::mutex printing;
    const char *protocol = tcp ? "tcp" : "udp";
    const auto work = [&](unsigned which) {
        std::mt19937 random(seed * 1000 + which);
        const sockaddr_in raw = toSockaddr(target);
        while (next++ < count) {
            const int socket = ::socket(AF_INET, tcp ? SOCK_STREAM : SOCK_DGRAM, 0);
            const timeval &patience = tcp ? kPatience : kUdpPatience;
            setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
            setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
            std::string seen, own;
            if (::connect(socket, reinterpret_cast<const sockaddr *>(&raw), sizeof(raw)) == 0) {
                own = ends(socket, getsockname);
                seen = tcp ? askTcp(socket, random) : askUdp(socket, random);
            }
            ::close(socket);
            const std::scoped_lock lock(printing);
            if (seen.empty())
                std::printf("%s failed\n", protocol);
            else
                std::printf("%s %s %s %s\n", protocol, own.c_str(), target.toString().c_str(), seen.c_str());
        }
    };
    std::vector<std::jthread> workers;
    for (unsigned i = 0; i < threads; ++i)
        workers.emplace_back(work, i);
    return 0;
}

} // namespace

int main(int argc, char **argv) {
    const auto number = [&](int i, unsigned otherwise) {
        return argc > i ? static_cast<unsigned>(std::strtoul(argv[i], nullptr, 10)) : otherwise;
    };
    const std::string what = argc > 1 ? argv[1] : "";
    if (what == "serve" && argc == 3) return serve(static_cast<std::uint16_t>(number(2, 0)));
    if (what == "ask" && argc >= 5)
        if (const auto target = SocketAddress::parse(argv[3]))
            return ask(std::string(argv[2]) == "tcp", *target, number(4, 1), number(5, 8), number(6, 1));
    std::fputs("usage: natlens_talker serve PORT | ask tcp|udp ADDRESS:PORT COUNT [THREADS [SEED]]\n", stderr);
    return 2;
}
