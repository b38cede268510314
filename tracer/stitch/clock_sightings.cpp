#include "tracer/stitch/clock_sightings.h"

#include "capture/base/hash.h"

#include <algorithm>
#include <bit>

namespace natlens::tracer {

namespace {

/// Openings are kept until only one in 2^5 of the other packets is.
constexpr int kOpeningBonus = 5;

std::uint8_t rankOf(std::uint64_t hash, bool opening) {
    return static_cast<std::uint8_t>(std::countl_zero(hash) + (opening ? kOpeningBonus : 0));
}

} // namespace

void ClockSightings::add(const SightPlace &place, base::Timestamp time, Facing facing, packet::LinkType linkType,
                         std::uint32_t originalLength, std::span<const std::byte> captured) {
    if (time.nanoseconds != 0) m_span = {std::min(m_span.from, time), std::max(m_span.to, time)};
    const auto packet = packet::decode(linkType, captured, originalLength);
    if (packet.family == packet::IpFamily::none || packet.transportOffset == 0 || packet.hasQuoted) return;
    const bool tcp = packet.isTcp();
    // A repeated datagram without an IP id is no better than the next one.
    if (!tcp && packet.ipId == 0 && packet.payloadLength == 0) return;
    std::uint64_t fingerprint = 0, sampled = 0;
    if (tcp) {
        sampled = base::mix(static_cast<std::uint64_t>(packet.tcpSeq) << 32 | packet.tcpAck, packet.tcpFlags);
    } else {
        sampled = fingerprint = packet::natInvariantFingerprint(packet, captured);
    }
    const std::uint8_t rank = rankOf(sampled, tcp && (packet.tcpFlags & packet::TcpFlags::syn));
    if (rank < m_level) return;
    if (tcp) fingerprint = packet::natInvariantFingerprint(packet, captured);
    if (facing == Facing::unknown && packet.sllPacketType != 0xff)
        facing = packet.sllPacketType == 4 ? Facing::out : Facing::in;
    const auto source = packet::hashValue(packet.tuple.src.ip), destination = packet::hashValue(packet.tuple.dst.ip);
    m_sights.push_back({.fingerprint = fingerprint,
                        .time = time,
                        .place = place,
                        .addresses = base::mix(std::min(source, destination), std::max(source, destination)),
                        .fromSmaller = packet.tuple.src.ip < packet.tuple.dst.ip,
                        .ttl = packet.ttl,
                        .facing = facing,
                        .rank = rank});
    while (m_resolution > 1 && time.nanoseconds % m_resolution != 0)
        m_resolution /= 1000;
    if (m_sights.size() > m_capacity) thinOut();
}

void ClockSightings::thinOut() {
    // A hash of zero would survive any level; 64 levels are more than enough for everything else.
    while (m_sights.size() > m_capacity / 2 && m_level < 64) {
        ++m_level;
        std::erase_if(m_sights, [this](const ClockSight &sight) { return sight.rank < m_level; });
    }
}

} // namespace natlens::tracer
