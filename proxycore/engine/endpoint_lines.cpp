#include "proxycore/engine/endpoint_lines.h"

#include <algorithm>

namespace natlens::proxycore {

std::uint32_t EndpointLines::add(const ServicePortPlan &service) {
    std::uint32_t number = m_used;
    if (!m_free.empty()) {
        number = m_free.back();
        m_free.pop_back();
    } else if (++m_used > m_lines.size()) {
        constexpr std::size_t kFewest = 16;
        const HugeArray<EndpointLine> old =
            std::exchange(m_lines, HugeArray<EndpointLine>(std::max(kFewest, m_lines.size() * 2)));
        std::copy_n(old.data(), old.size(), m_lines.data());
    }
    EndpointLine line;
    if (service.affinity.count() == 0 && service.cluster.size() <= line.addresses.size()) {
        for (const auto &endpoint : service.cluster)
            line.addresses[line.count++] = endpoint.address;
    }
    m_lines[number] = line;
    return number;
}

} // namespace natlens::proxycore
