// Where a new connection may go, as its first packet needs it: one cache line for each service port.
#pragma once

#include "proxycore/engine/huge_array.h"
#include "proxycore/plan/proxy_plan.h"

#include <array>
#include <cstdint>
#include <vector>

namespace natlens::proxycore {

/// The endpoints of a service port for Cluster traffic, where they are few and no client stays with one of them.
struct alignas(64) EndpointLine {
    std::array<packet::SocketAddress, 3> addresses{};
    std::uint8_t count = 0; ///< 0: the plan must be asked
};
static_assert(sizeof(EndpointLine) == 64);

/// Lines side by side, in huge pages: in the plan a decision crosses four to five lines of as many pages, which with
/// thousands of Services are neither in a cache nor is their translation. Lives where its index does.
class EndpointLines final {
public:
    /// The number of a new line; never 0.
    [[nodiscard]] std::uint32_t add(const ServicePortPlan &service);
    void remove(std::uint32_t number) { m_free.push_back(number); }

    [[nodiscard]] const EndpointLine &operator[](std::uint32_t number) const { return m_lines[number]; }
    void prefetch(std::uint32_t number) const { __builtin_prefetch(&m_lines[number]); }

private:
    HugeArray<EndpointLine> m_lines{0};
    std::uint32_t m_used = 1;
    std::vector<std::uint32_t> m_free;
};

} // namespace natlens::proxycore
