// A stand-in for `natlens lab-process` that needs no namespaces: it speaks the lab protocol as docs/lab-protocol.md has
// it, and plays one TCP connection from recording.h. The scenario's name chooses how it behaves.
#include "recording.h"

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <nlohmann/json.hpp>
#include <string>
#include <sys/socket.h>
#include <unistd.h>

using namespace natlens;
using nlohmann::json;

namespace {

int g_control = -1;

void say(const json &event) {
    const std::string line = event.dump() + "\n";
    if (::send(g_control, line.data(), line.size(), MSG_NOSIGNAL) < 0) std::_Exit(9); // nobody is there: end
}

/// The next command; "" when the front end has gone.
std::string nextCommand() {
    static std::string rest;
    for (;;) {
        if (const auto end = rest.find('\n'); end != std::string::npos) {
            const json command = json::parse(rest.substr(0, end));
            rest.erase(0, end + 1);
            say({{"event", "log"}, {"text", "command " + command.dump()}});
            return command.at("command").get<std::string>();
        }
        char buffer[4096];
        const ssize_t got = ::recv(g_control, buffer, sizeof buffer, 0);
        if (got <= 0) return {};
        rest.append(buffer, static_cast<std::size_t>(got));
    }
}

json expectations(const std::string &scenario) {
    const std::string seen = scenario == "unmet" ? "104.132.1.79" : "10.240.0.5";
    return json::array(
        {{{"text", "the node's address"},
          {"path", {{"client", "104.132.1.79"}, {"requested", "10.240.0.5:32080"}, {"seenByEndpoint", seen}}}},
         {{"text", "the page"},
          {"answer", {{"from", "client"}, {"to", "http://10.240.0.5:32080/"}, {"status", 200}}}}});
}

constexpr const char *kCluster = R"({"apiVersion":"v1","kind":"List","items":[
 {"apiVersion":"v1","kind":"Service","metadata":{"name":"nodeport","namespace":"default"},
  "spec":{"type":"NodePort","clusterIP":"10.0.0.9","clusterIPs":["10.0.0.9"],
          "ports":[{"port":80,"targetPort":8080,"nodePort":32080,"protocol":"TCP"}]}},
 {"apiVersion":"v1","kind":"Node","metadata":{"name":"node2"},
  "status":{"addresses":[{"type":"InternalIP","address":"10.240.0.5"}]}}]})";

class Stream final {
public:
    explicit Stream(int fd)
        : m_writer(base::UniqueFd(fd)) {
        for (const char *name : {"client/eth0", "node2/eth0", "pod/eth0", "cluster-state"}) {
            file::CapturePoint point;
            point.name = name;
            if (point.name == "cluster-state") point.linkType = packet::LinkType::user0;
            m_names.push_back(point.name);
            if (!m_writer.addPoint(point)) std::_Exit(8);
        }
        const auto text = std::as_bytes(std::span(std::string_view(kCluster)));
        send({"cluster-state", 0, {text.begin(), text.end()}});
    }
    void send(const testing::Frame &frame) {
        file::PacketView view;
        for (std::uint32_t i = 0; i < m_names.size(); ++i)
            if (m_names[i] == frame.point) view.point = {i};
        view.time = {1'700'000'000'000'000'000 + frame.microseconds * 1000};
        view.originalLength = static_cast<std::uint32_t>(frame.bytes.size());
        view.data = frame.bytes;
        if (!m_writer.writePacket(view)) std::_Exit(7);
    }
    void flush() {
        if (!m_writer.flush()) std::_Exit(7);
    }
    void statistics() {
        if (!m_writer.writeStatistics({{1}, {1'700'000'000'100'000'000}, 100, 3})) std::_Exit(7);
    }

private:
    file::PcapngWriter m_writer;
    std::vector<std::string> m_names;
};

} // namespace

int main(int argc, char **argv) {
    std::string scenario, all;
    int streamFd = -1;
    for (int i = 1; i < argc; ++i) {
        const std::string word = argv[i];
        all += (i > 1 ? " " : "") + word;
        if (i + 1 >= argc) continue;
        if (word == "--scenario") scenario = argv[i + 1];
        if (word == "--stream-fd") streamFd = std::atoi(argv[i + 1]);
        if (word == "--control-fd") g_control = std::atoi(argv[i + 1]);
    }
    if (streamFd < 0 || g_control < 0) return 2;
    // Nothing may be inherited but the standard descriptors and these two.
    std::string descriptors;
    for (int fd = 3; fd < 256; ++fd)
        if (fd != streamFd && fd != g_control && ::fcntl(fd, F_GETFD) >= 0) descriptors += " " + std::to_string(fd);

    if (scenario == "fatal") {
        say({{"event", "error"}, {"message", "user namespaces are off; try sudo"}, {"exitStatus", 3}, {"fatal", true}});
        return 3;
    }
    if (scenario == "dies-early") return 3;
    Stream stream(streamFd);
    stream.flush();
    say({{"event", "log"}, {"text", "arguments " + all}});
    say({{"event", "log"}, {"text", "stray descriptors:" + descriptors + "."}});
    say({{"event", "ready"},
         {"scenario", scenario},
         {"summary", "a fake"},
         {"enterHint", "natlens lab exec node2 -- bash"},
         {"clients", {"client"}},
         {"targets", {"http://10.240.0.5:32080/"}},
         {"nodes", {"node2"}},
         {"expect", expectations(scenario)}});
    packet::Port port = 53210;
    std::int64_t start = 0;
    for (std::string command = nextCommand(); !command.empty(); command = nextCommand()) {
        if (command == "play") {
            for (const testing::Frame &frame : testing::conversation(port, start))
                stream.send(frame);
            port = static_cast<packet::Port>(port + 10);
            start += 1'000'000;
            stream.flush();
            if (scenario == "dies") ::raise(SIGKILL);
            say({{"event", "answer"},
                 {"from", "client"},
                 {"to", "http://10.240.0.5:32080/"},
                 {"status", 200},
                 {"clientAddress", "10.240.0.5"},
                 {"error", ""},
                 {"text", "CLIENT VALUES:\n"}});
            say({{"event", "steps-done"}});
        } else if (command == "stop") {
            stream.statistics();
            stream.flush();
            return scenario == "fails-at-the-end" ? 5 : 0;
        } else if (command == "scale") {
            say({{"event", "error"}, {"message", "cannot scale"}, {"exitStatus", 2}, {"fatal", false}});
        }
    }
    return 0; // the control socket was closed: the front end has gone
}
