#include "app/session/lab_messages.h"

#include <nlohmann/json.hpp>

namespace natlens::session {
namespace {

using nlohmann::json;

/// Text as one valid JSON line, whatever bytes a caller put into it.
std::string dump(const json &object) {
    return object.dump(-1, ' ', false, json::error_handler_t::replace);
}

/// A field that is absent or null has the value `otherwise`.
template<class T>
T valueOr(const json &object, const char *key, T otherwise) {
    const auto found = object.find(key);
    return found == object.end() || found->is_null() ? std::move(otherwise) : found->get<T>();
}
std::string valueOr(const json &object, const char *key, const char *otherwise) {
    return valueOr(object, key, std::string(otherwise));
}

std::vector<std::string> strings(const json &event, const char *key) {
    const auto found = event.find(key);
    return found == event.end() || found->is_null() ? std::vector<std::string>{}
                                                    : found->get<std::vector<std::string>>();
}

void readReady(const json &event, LabConversation &lab) {
    LabStatus &status = lab.status;
    status.scenario = valueOr(event, "scenario", "");
    status.summary = valueOr(event, "summary", "");
    status.enterHint = valueOr(event, "enterHint", "");
    status.clients = strings(event, "clients");
    status.targets = strings(event, "targets");
    status.nodes = strings(event, "nodes");
    auto expectations = parseExpectations(valueOr(event, "expect", json::array()));
    if (expectations) {
        lab.expectations = std::move(*expectations);
    } else {
        lab.fatal = expectations.error().sentence();
        lab.fatalStatus = 2;
    }
    status.running = true;
    lab.ready = true;
}

void readState(const json &event, LabStatus &status) {
    status.services.clear();
    for (const json &service : valueOr(event, "services", json::array())) {
        status.services.push_back({service.at("name").get<std::string>(), valueOr(service, "externalTrafficPolicy", ""),
                                   valueOr(service, "endpoints", 0u)});
    }
    status.pods.clear();
    for (const json &pod : valueOr(event, "pods", json::array())) {
        status.pods.push_back({pod.at("name").get<std::string>(), valueOr(pod, "node", ""), valueOr(pod, "ip", ""),
                               valueOr(pod, "client", false)});
    }
    status.inRotation = strings(event, "inRotation");
}

template<class T>
void keepLast(std::vector<T> &list, std::size_t most) {
    if (list.size() > most) list.erase(list.begin(), list.end() - static_cast<std::ptrdiff_t>(most));
}

} // namespace

std::string playCommand() {
    return dump({{"command", "play"}});
}
std::string requestCommand(const std::string &fromHost, const std::string &url) {
    return dump({{"command", "request"}, {"from", fromHost}, {"url", url}});
}
std::string setPolicyCommand(const std::string &service, const std::string &policy) {
    return dump({{"command", "set-policy"}, {"service", service}, {"policy", policy}});
}
std::string movePodCommand(const std::string &pod, const std::string &node) {
    return dump({{"command", "move-pod"}, {"pod", pod}, {"node", node}});
}
std::string scaleCommand(unsigned replicas) {
    return dump({{"command", "scale"}, {"replicas", replicas}});
}
std::string stopCommand() {
    return dump({{"command", "stop"}});
}

void LabConversation::log(std::string text) {
    status.log.push_back(std::move(text));
    keepLast(status.log, kMaxLines);
}

void LabConversation::feed(std::string_view bytes) {
    m_rest.append(bytes);
    std::size_t begin = 0;
    for (std::size_t end; (end = m_rest.find('\n', begin)) != std::string::npos; begin = end + 1)
        line(std::string_view(m_rest).substr(begin, end - begin));
    m_rest.erase(0, begin);
    if (m_rest.size() > kMaxLineBytes && fatal.empty()) {
        fatal = "the lab process sent a line that does not end; the programs are probably of different versions";
        fatalStatus = 2;
    }
}

void LabConversation::line(std::string_view text) {
    if (text.empty()) return;
    try {
        const json event = json::parse(text);
        const std::string kind = event.at("event").get<std::string>();
        if (kind == "ready") {
            readReady(event, *this);
        } else if (kind == "state") {
            readState(event, status);
        } else if (kind == "log") {
            log(event.at("text").get<std::string>());
        } else if (kind == "answer") {
            status.answers.push_back({event.at("from").get<std::string>(), event.at("to").get<std::string>(),
                                      valueOr(event, "status", 0), valueOr(event, "clientAddress", ""),
                                      valueOr(event, "error", ""), valueOr(event, "text", "")});
            keepLast(status.answers, kMaxLines);
        } else if (kind == "steps-done") {
            ++stepsDone;
        } else if (kind == "error") {
            const std::string message = event.at("message").get<std::string>();
            if (valueOr(event, "fatal", false)) {
                fatal = message;
                fatalStatus = valueOr(event, "exitStatus", 2);
            } else {
                log("error: " + message);
                status.faults.push_back(message);
                keepLast(status.faults, kMaxLines);
            }
        } // later versions may say more: what is not known is not an error
    } catch (const json::exception &error) {
        log(fmt::format("error: the lab process sent a line that cannot be read ({})", error.what()));
    }
}

} // namespace natlens::session
