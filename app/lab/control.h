// The control socket of a lab: JSON lines both ways (docs/lab-protocol.md).
#pragma once

#include "app/lab/scenario.h"
#include "capture/base/unique_fd.h"

#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace natlens::lab {

struct PlayCommand {};
struct StopCommand {};
struct RequestCommand { std::string from, url; };
struct SetPolicyCommand { std::string service, policy; };
struct MovePodCommand { std::string pod, node; };
struct ResyncCommand {};
struct ScaleCommand { unsigned replicas = 1; };
struct UnknownCommand { std::string reason; };
using Command = std::variant<PlayCommand, StopCommand, RequestCommand, SetPolicyCommand, MovePodCommand, ScaleCommand,
                             UnknownCommand, ResyncCommand>;

/// One line into a command; anything that is not one becomes UnknownCommand with a reason.
[[nodiscard]] Command parseCommand(std::string_view line);

struct ServiceState {
    std::string name, externalTrafficPolicy;
    std::size_t endpoints = 0;
    bool operator==(const ServiceState &) const = default;
};
struct PodState {
    std::string name, node, ip;
    bool client = false;
    bool operator==(const PodState &) const = default;
};
struct LabState {
    std::vector<ServiceState> services;
    std::vector<PodState> pods;
    std::vector<std::string> inRotation;
    bool operator==(const LabState &) const = default;
};

struct ReadyEvent {
    std::string scenario, summary, enterHint;
    std::vector<std::string> clients, targets, nodes;
    std::string expectJson;
};

struct AnswerEvent {
    std::string from, to;
    int status = 0;
    std::string clientAddress, error, text;
};

/// Lives on the lab's thread. Writing to a front end that is gone does nothing: its end is noticed by receive().
class Control final {
public:
    explicit Control(base::UniqueFd fd) : m_fd(std::move(fd)) {}

    [[nodiscard]] int fd() const { return m_fd.get(); }
    /// Commands that have arrived, without waiting. `closed` is set when the front end is gone.
    [[nodiscard]] std::vector<Command> receive(bool &closed);

    void ready(const ReadyEvent &event);
    void state(const LabState &state);
    void log(const std::string &text);
    void answer(const AnswerEvent &event);
    void stepsDone();
    void error(const base::Error &error, bool fatal);

private:
    void send(const std::string &line);
    base::UniqueFd m_fd;
    std::string m_received; ///< the beginning of a line that is not complete yet
};

/// Every built-in scenario as one JSON line {"name":...,"summary":...}.
[[nodiscard]] std::string scenarioListJson();

} // namespace natlens::lab
