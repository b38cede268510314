#include "app/lab/step_player.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace natlens::lab {
void StepPlayer::play() {
    if (m_playing) return;
    m_playing = true;
    m_begun = false;
    m_index = 0;
}

void StepPlayer::advance(Clock::time_point now) {
    while (m_playing) {
        if (m_index == m_steps.size()) {
            m_playing = false;
            m_actions.stepsDone();
            return;
        }
        const Step &step = m_steps[m_index];
        if (!m_begun) {
            m_begun = true;
            begin(step, now);
        }
        if (!over(step, now)) return;
        m_begun = false;
        ++m_index;
    }
}

void StepPlayer::begin(const Step &step, Clock::time_point now) {
    if (!step.like.empty()) m_actions.log("$ " + step.like);
    m_nextUrl = 0;
    m_deadline = now + step.duration;
    switch (step.kind) {
    case Step::Kind::request:
        do startRequest(step);
        while (step.together && m_nextUrl < step.urls.size());
        break;
    case Step::Kind::waitRotation: m_deadline = now + m_actions.rotationPatience(); break;
    case Step::Kind::pause: break;
    case Step::Kind::annotate:
    case Step::Kind::setPolicy:
    case Step::Kind::movePod:
    case Step::Kind::scale:
    case Step::Kind::clusterEvent: m_actions.change(step); break;
    case Step::Kind::act:
        ++m_running;
        m_actions.act(*step.action, [this] { --m_running; });
        break;
    }
}

void StepPlayer::startRequest(const Step &step) {
    ++m_running;
    m_actions.request(step.from, step.urls[m_nextUrl++], step.connectTimeout, [this] { --m_running; });
}

bool StepPlayer::over(const Step &step, Clock::time_point now) {
    switch (step.kind) {
    case Step::Kind::request:
        if (m_running > 0) return false;
        if (m_nextUrl == step.urls.size()) return true;
        startRequest(step);
        return false;
    case Step::Kind::waitRotation:
        if (m_actions.settledRotation() == step.nodes) return true;
        if (now < m_deadline) return false;
        m_actions.log(fmt::format("the load balancer did not settle on {}", fmt::join(step.nodes, ", ")));
        return true;
    case Step::Kind::pause: return now >= m_deadline;
    case Step::Kind::act: return m_running == 0;
    default: return true;
    }
}

} // namespace natlens::lab
