#include "proxycore/engine/fragments.h"

namespace natlens::proxycore {

namespace {

constexpr std::size_t kMostPackets = 256, kMostHeld = 64, kMostBytes = 512 * 1024;
constexpr std::int64_t kPatience = 30'000'000'000;

} // namespace

FragmentStore::Key FragmentStore::keyOf(const PacketFields &fields) {
    Key key;
    const bool isV4 = fields.family == IpFamily::v4;
    const std::size_t size = isV4 ? 4 : 16;
    std::memcpy(key.addresses.src, fields.bytes + (isV4 ? 12 : 8), size);
    std::memcpy(key.addresses.dst, fields.bytes + (isV4 ? 16 : 24), size);
    key.addresses.family = fields.family;
    key.addresses.protocol = isV4 ? fields.protocol : Protocol::none; // IPv6: RFC 8200 section 4.5 does not count it
    key.id = fields.fragmentId;
    return key;
}

const FragmentStore::Fate *FragmentStore::find(const Key &key, std::int64_t now) {
    expire(now);
    const auto found = m_packets.find(key);
    return found == m_packets.end() || found->second.fate.kind == Fate::Kind::waiting ? nullptr : &found->second.fate;
}

std::vector<std::vector<std::byte>> FragmentStore::decide(const Key &key, const Fate &fate, std::int64_t now) {
    expire(now);
    Packet &packet = entry(key, now);
    packet.fate = fate;
    auto held = std::exchange(packet.held, {});
    for (const auto &fragment : held) {
        --m_heldCount;
        m_heldBytes -= fragment.size();
    }
    return held;
}

bool FragmentStore::hold(const Key &key, const PacketFields &fields, std::int64_t now) {
    expire(now);
    if (m_heldCount >= kMostHeld || m_heldBytes + fields.length > kMostBytes) return false;
    entry(key, now).held.emplace_back(fields.bytes, fields.bytes + fields.length);
    ++m_heldCount;
    m_heldBytes += fields.length;
    return true;
}

void FragmentStore::expire(std::int64_t now) {
    while (!m_order.empty() && m_order.front().first <= now) {
        const Key key = m_order.front().second;
        const auto found = m_packets.find(key);
        if (found != m_packets.end() && found->second.expires == m_order.front().first) drop(key);
        m_order.pop_front();
    }
}

FragmentStore::Packet &FragmentStore::entry(const Key &key, std::int64_t now) {
    if (const auto found = m_packets.find(key); found != m_packets.end()) return found->second;
    while (m_packets.size() >= kMostPackets && !m_order.empty()) {
        const Key oldest = m_order.front().second;
        drop(oldest);
        m_order.pop_front();
    }
    Packet &packet = m_packets[key];
    packet.expires = now + kPatience;
    m_order.emplace_back(packet.expires, key);
    return packet;
}

void FragmentStore::drop(const Key &key) {
    const auto found = m_packets.find(key);
    if (found == m_packets.end()) return;
    for (const auto &fragment : found->second.held) {
        --m_heldCount;
        m_heldBytes -= fragment.size();
    }
    m_packets.erase(found);
}

} // namespace natlens::proxycore
