#include "app/lab/control.h"

#include <nlohmann/json.hpp>
#include <poll.h>
#include <sys/socket.h>

namespace natlens::lab {
namespace {

using nlohmann::json;

/// A front end that reads nothing for this long is taken for dead.
constexpr int kWriteTimeoutMs = 5000;

std::string dump(const json &object) {
    return object.dump(-1, ' ', false, json::error_handler_t::replace);
}

std::string textOf(const json &object, const char *key) {
    const auto found = object.find(key);
    return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

} // namespace

Command parseCommand(std::string_view line) {
    const json object = json::parse(line, nullptr, false);
    if (!object.is_object()) return UnknownCommand{"a command must be a JSON object"};
    const auto name = textOf(object, "command");
    if (name == "play") return PlayCommand{};
    if (name == "stop") return StopCommand{};
    if (name == "resync") return ResyncCommand{};
    if (name == "request") return RequestCommand{textOf(object, "from"), textOf(object, "url")};
    if (name == "set-policy") return SetPolicyCommand{textOf(object, "service"), textOf(object, "policy")};
    if (name == "move-pod") return MovePodCommand{textOf(object, "pod"), textOf(object, "node")};
    if (name == "scale") {
        const auto replicas = object.find("replicas");
        if (replicas == object.end() || !replicas->is_number_unsigned() || replicas->get<std::uint64_t>() > 1000)
            return UnknownCommand{"scale: /replicas must be a number from 0 to 1000"};
        return ScaleCommand{replicas->get<unsigned>()};
    }
    return UnknownCommand{"\"" + name + "\" is not a command"};
}

std::vector<Command> Control::receive(bool &closed) {
    char buffer[16384];
    closed = false;
    while (true) {
        const ssize_t n = ::recv(m_fd.get(), buffer, sizeof buffer, MSG_DONTWAIT);
        if (n > 0) {
            m_received.append(buffer, static_cast<std::size_t>(n));
            continue;
        }
        closed = n == 0 || (errno != EAGAIN && errno != EINTR);
        if (n < 0 && errno == EINTR) continue;
        break;
    }
    std::vector<Command> commands;
    std::size_t start = 0;
    for (auto end = m_received.find('\n'); end != std::string::npos; end = m_received.find('\n', start)) {
        commands.push_back(parseCommand(std::string_view(m_received).substr(start, end - start)));
        start = end + 1;
    }
    m_received.erase(0, start);
    return commands;
}

void Control::send(const std::string &line) {
    const std::string whole = line + '\n';
    std::size_t sent = 0;
    while (sent < whole.size()) {
        const ssize_t n = ::send(m_fd.get(), whole.data() + sent, whole.size() - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n > 0) {
            sent += static_cast<std::size_t>(n);
            continue;
        }
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno != EAGAIN) return;
        pollfd writable{m_fd.get(), POLLOUT, 0};
        if (::poll(&writable, 1, kWriteTimeoutMs) <= 0) return;
    }
}

void Control::ready(const ReadyEvent &event) {
    send(dump({{"event", "ready"}, {"scenario", event.scenario}, {"summary", event.summary},
               {"enterHint", event.enterHint}, {"clients", event.clients}, {"targets", event.targets},
               {"nodes", event.nodes}, {"expect", json::parse(event.expectJson)}}));
}

void Control::state(const LabState &state) {
    json services = json::array(), pods = json::array();
    for (const auto &service : state.services)
        services.push_back({{"name", service.name}, {"externalTrafficPolicy", service.externalTrafficPolicy},
                            {"endpoints", service.endpoints}});
    for (const auto &pod : state.pods)
        pods.push_back({{"name", pod.name}, {"node", pod.node}, {"ip", pod.ip}, {"client", pod.client}});
    send(dump({{"event", "state"}, {"services", services}, {"pods", pods}, {"inRotation", state.inRotation}}));
}

void Control::log(const std::string &text) { send(dump({{"event", "log"}, {"text", text}})); }

void Control::answer(const AnswerEvent &event) {
    send(dump({{"event", "answer"}, {"from", event.from}, {"to", event.to}, {"status", event.status},
               {"clientAddress", event.clientAddress}, {"error", event.error}, {"text", event.text}}));
}

void Control::stepsDone() { send(dump({{"event", "steps-done"}})); }

void Control::error(const base::Error &error, bool fatal) {
    send(dump({{"event", "error"}, {"message", error.sentence()}, {"exitStatus", base::exitStatus(error)},
               {"fatal", fatal}}));
}

std::string scenarioListJson() {
    std::string lines;
    for (const auto &[name, source] : builtInScenarios()) {
        const json object = json::parse(source);
        lines += dump({{"name", name}, {"summary", textOf(object, "summary")}}) + '\n';
    }
    return lines;
}

} // namespace natlens::lab
