// Plays a scenario's steps one after the other without blocking: each step is begun, then asked whether it is over.
#pragma once

#include "app/lab/scenario.h"

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace natlens::lab {

/// What a step can make happen. Implemented by the lab; a test can put its own in place.
class StepActions {
public:
    virtual ~StepActions() = default;
    virtual void log(const std::string &text) = 0;
    virtual void request(const std::string &from, const std::string &url, milliseconds connectTimeout,
                         std::function<void()> done) = 0;
    /// annotate, setPolicy, movePod, scale, clusterEvent
    virtual void change(const Step &step) = 0;
    /// Something done to one host; `done` may be called at once or later.
    virtual void act(const HostAction &action, std::function<void()> done) = 0;
    /// Nodes that the load balancer uses, once all of them have been judged; nothing while it is still undecided.
    [[nodiscard]] virtual std::optional<std::vector<std::string>> settledRotation() const = 0;
    /// A load balancer that has not settled by then never will; the scenario's expectations then say what is missing.
    [[nodiscard]] virtual milliseconds rotationPatience() const { return std::chrono::seconds(15); }
    virtual void stepsDone() = 0;
};

class StepPlayer final {
public:
    using Clock = std::chrono::steady_clock;

    StepPlayer(const std::vector<Step> &steps, StepActions &actions) : m_steps(steps), m_actions(actions) {}

    /// Begins at the first step; does nothing while playing.
    void play();
    [[nodiscard]] bool playing() const { return m_playing; }
    /// Goes on as far as possible without waiting. Call whenever something may have happened.
    void advance(Clock::time_point now);

private:
    void begin(const Step &step, Clock::time_point now);
    [[nodiscard]] bool over(const Step &step, Clock::time_point now);
    void startRequest(const Step &step);

    const std::vector<Step> &m_steps;
    StepActions &m_actions;
    bool m_playing = false;
    bool m_begun = false;            ///< the step at m_index has been begun
    std::size_t m_index = 0;
    std::size_t m_nextUrl = 0;
    std::size_t m_running = 0;       ///< requests under way
    Clock::time_point m_deadline{};
};

} // namespace natlens::lab
