// A packet on its way into the tracer: decoded, not yet counted.
#pragma once

#include "capture/base/ids.h"
#include "capture/base/timestamp.h"
#include "capture/packet/tunnel.h"

#include <cstdint>
#include <memory>
#include <span>

namespace natlens::tracer {

/// Which way a packet crossed its interface, where the capture says so.
enum class Crossing : std::uint8_t { unknown, inbound, outbound };

/// A packet as it was captured.
struct CapturedPacket {
    packet::LinkType linkType = packet::LinkType::ethernet;
    base::CapturePointId point;
    base::Timestamp time;
    base::PacketNumber number;
    Crossing crossing = Crossing::unknown;
    std::uint32_t originalLength = 0;
    std::span<const std::byte> captured;
};

/// The same, decoded: one half of the work that a packet is, done in any thread. The other half is
/// Tracer::addPackets().
struct Arrival {
    /// Decodes in place: moving what was just written byte by byte would cost as much as the decoding. (Measured: a
    /// processor cannot read in words what it wrote in bytes before that has left its store buffer.)
    explicit Arrival(const CapturedPacket &packet);

    base::CapturePointId point;
    Crossing crossing = Crossing::unknown; ///< also from a Linux cooked header
    bool isCut = false;                    ///< not all of it was captured
    base::Timestamp time;
    base::PacketNumber number;
    std::span<const std::byte> payload; ///< the captured part; must live until the packet has been added
    std::uint64_t hash = 0;             ///< of its flow; 0: it has none
    /// The tunnel that `packet` was taken out of; null where it was in none, as nearly all are.
    std::unique_ptr<const packet::Encapsulation> outer;
    packet::DecodedPacket packet; ///< the one inside all tunnels
};

/// Of a longer payload no more than this is looked at: so much has to be copied where the packet itself cannot stay.
inline constexpr std::size_t kPayloadLookedAt = 1024;

} // namespace natlens::tracer
