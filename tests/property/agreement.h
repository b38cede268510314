// What the decision core says, held against what became of a packet.
#pragma once

#include "property/kernel_judge.h"
#include "proxycore/engine/packet_engine.h"

#include <memory>
#include <string>

namespace natlens::test {

[[nodiscard]] ProxyPlan planFor(const RandomCase &made, Mode mode, IpFamily family, const ProxyPlan *previous = nullptr);

/// "" when what happened to the packet in the kernel is what was decided.
[[nodiscard]] std::string objection(const Decision &decision, const FlowQuery &flow, const Fate &fate);
/// The same for the engine, which leaves to the node what is for the node.
[[nodiscard]] std::string engineObjection(const Decision &decision, const FlowQuery &flow, const Fate &fate);

/// The engine's word on the same bytes.
class EngineJudge final {
public:
    explicit EngineJudge(std::uint32_t seed);
    ~EngineJudge();
    EngineJudge(const EngineJudge &) = delete;
    EngineJudge &operator=(const EngineJudge &) = delete;

    void setPlan(const ProxyPlan &plan);
    [[nodiscard]] Fate send(const RandomPacket &packet);

private:
    class Impl;
    std::unique_ptr<Impl> m_impl;
};

/// Writes the case as files that `natlens explain` and the lab read. Returns what to tell a person.
[[nodiscard]] std::string writeDisagreement(const RandomCase &made, const RandomPacket &packet, Mode mode,
                                            const std::string &text);

} // namespace natlens::test
