// Random numbers that a seed repeats, the same on every machine.
#pragma once

#include "proxycore/engine/packet_engine.h"

#include <cstdint>

namespace natlens::lab {

/// SplitMix64 (Steele, Lea, Flood 2014). The standard library's distributions differ between implementations, so bounds
/// are drawn here: multiply and shift, whose bias below 2^-32 nobody will see.
class SeededRandom final : public proxycore::RandomSource {
public:
    explicit SeededRandom(std::uint64_t seed) : m_state(seed) {}

    [[nodiscard]] std::uint64_t next() {
        std::uint64_t z = (m_state += 0x9e3779b97f4a7c15U);
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
        return z ^ (z >> 31);
    }
    [[nodiscard]] std::uint32_t below(std::uint32_t bound) override {
        return static_cast<std::uint32_t>(((next() >> 32) * bound) >> 32);
    }

private:
    std::uint64_t m_state;
};

} // namespace natlens::lab
