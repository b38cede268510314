// The lines that a session and the lab process exchange (docs/lab-protocol.md). Text in, status out; no sockets.
#pragma once

#include "app/session/expectations.h"

namespace natlens::session {

// Commands, one line each, without newline.
[[nodiscard]] std::string playCommand();
[[nodiscard]] std::string requestCommand(const std::string &fromHost, const std::string &url);
[[nodiscard]] std::string setPolicyCommand(const std::string &service, const std::string &policy);
[[nodiscard]] std::string movePodCommand(const std::string &pod, const std::string &node);
[[nodiscard]] std::string scaleCommand(unsigned replicas);
[[nodiscard]] std::string stopCommand();

/// What the lab has said so far. Feed it bytes as they come; lines may be cut anywhere. Lives on one thread.
class LabConversation final {
public:
    void feed(std::string_view bytes);

    LabStatus status; ///< as told by the lab; `comparisons` and `stepsDone` are the session's to set
    std::vector<Expectation> expectations;
    bool ready = false;
    unsigned stepsDone = 0; ///< how often "steps-done" came
    std::string fatal;      ///< message of a fatal error, "" none
    int fatalStatus = 0;

    void log(std::string line); ///< appends, keeping the last kMaxLines

    static constexpr std::size_t kMaxLines = 1000;         ///< log lines and answers kept
    static constexpr std::size_t kMaxLineBytes = 4u << 20; ///< a longer line is a fault of the lab process

private:
    void line(std::string_view text);
    std::string m_rest;
};

} // namespace natlens::session
