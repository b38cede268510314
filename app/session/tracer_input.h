// Where a sorted stream goes: straight into a tracer, or into batches for the thread that has one.
#pragma once

#include "tracer/tracer.h"

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace natlens::session {

/// The entrances of a tracer, as a stream needs them.
class TracerInput {
public:
    virtual ~TracerInput() = default;
    /// The captured bytes need not outlive the call.
    virtual void addPacket(const tracer::CapturedPacket &packet) = 0;
    /// Anything else. What it refers to must be its own.
    virtual void call(std::function<void(tracer::Tracer &)> what) = 0;
};

/// On the tracer's own thread.
class DirectInput final : public TracerInput {
public:
    explicit DirectInput(tracer::Tracer &tracer)
        : m_tracer(tracer) {}
    void addPacket(const tracer::CapturedPacket &packet) override {
        m_details.clear();
        const tracer::Observation seen(packet, m_details);
        m_tracer.addPackets({&seen, 1});
    }
    void call(std::function<void(tracer::Tracer &)> what) override { what(m_tracer); }

private:
    tracer::Tracer &m_tracer;
    tracer::DetailsStore m_details;
};

} // namespace natlens::session
