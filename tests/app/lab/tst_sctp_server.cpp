// The SCTP echo server. Where the kernel has no SCTP the same code is tried over TCP, which one-to-one sockets are like.
#include "../../proxycore/kernel/namespace_child.h"
#include "app/lab/sctp_server.h"

#include "tests/test_program.h"
#include <arpa/inet.h>
#include <cstdlib>
#include <poll.h>
#include <sys/socket.h>

using namespace natlens;
using namespace natlens::lab;

namespace {

constexpr std::uint16_t kPort = 5000;

/// Connects, asks twice, closes. What was answered, or what went wrong.
std::string ask(SctpServer &server, bool v6, int protocol) {
    base::UniqueFd client(::socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol));
    sockaddr_in four{};
    four.sin_family = AF_INET;
    four.sin_port = htons(kPort);
    four.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    sockaddr_in6 six{};
    six.sin6_family = AF_INET6;
    six.sin6_port = htons(kPort);
    six.sin6_addr = in6addr_loopback;
    const auto *to = v6 ? reinterpret_cast<sockaddr *>(&six) : reinterpret_cast<sockaddr *>(&four);
    (void)::connect(client.get(), to, v6 ? sizeof six : sizeof four);
    std::string heard;
    for (const std::string_view question : {"first", "second"}) {
        pollfd writable{client.get(), POLLOUT, 0};
        for (int i = 0; i < 100 && writable.revents == 0; ++i) {
            server.serve();
            (void)::poll(&writable, 1, 20);
        }
        if (::send(client.get(), question.data(), question.size(), MSG_NOSIGNAL) < 0) return "not connected";
        pollfd readable{client.get(), POLLIN, 0};
        for (int i = 0; i < 100 && readable.revents == 0; ++i) {
            server.serve();
            (void)::poll(&readable, 1, 20);
        }
        char buffer[256];
        const auto got = ::recv(client.get(), buffer, sizeof buffer, 0);
        if (got <= 0) return "no answer";
        heard += std::string(buffer, static_cast<std::size_t>(got)) + "\n";
    }
    return heard;
}

std::string conversation(bool v6, int protocol) {
    if (std::system("PATH=$PATH:/usr/sbin:/sbin ip link set lo up") != 0) return "no iproute2";
    const auto here = NetworkNamespace::current("here");
    if (!here) return here.error().sentence();
    packet::IpAddress any;
    any.family = v6 ? packet::IpFamily::v6 : packet::IpFamily::v4;
    auto server = SctpServer::listen(*here, {any, kPort}, protocol);
    return server ? ask(**server, v6, protocol) : server.error().sentence();
}

} // namespace

class TestSctpServer : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void tellsTheClientsAddress_data() {
        QTest::addColumn<bool>("v6");
        QTest::addColumn<int>("protocol");
        for (const bool v6 : {false, true}) {
            QTest::addRow("TCP, %s", v6 ? "IPv6" : "IPv4") << v6 << int(IPPROTO_TCP);
            if (kernelHasSctp()) QTest::addRow("SCTP, %s", v6 ? "IPv6" : "IPv4") << v6 << int(IPPROTO_SCTP);
        }
    }
    void tellsTheClientsAddress() {
        QFETCH(bool, v6);
        QFETCH(int, protocol);
        const auto result = natlens::test::inNamespace([&] { return conversation(v6, protocol); });
        if (!result.available) QSKIP("no unprivileged user namespaces");
        const auto heard = QString::fromStdString(result.text);
        QVERIFY2(heard.startsWith(v6 ? "client_address=::1\nclient_port=" : "client_address=127.0.0.1\nclient_port="), qPrintable(heard));
        QVERIFY2(heard.contains("\nfirst\n") && heard.contains("\nsecond\n"), qPrintable(heard));
    }
};

NATLENS_TEST(TestSctpServer)
#include "tst_sctp_server.moc"
