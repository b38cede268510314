// A packet on its way into the tracer: decoded, not yet counted.
#pragma once

#include "capture/base/ids.h"
#include "capture/base/timestamp.h"
#include "capture/packet/tunnel.h"

#include <cstddef>
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
struct alignas(64) Arrival {
    /// Decodes in place: moving what was just written byte by byte would cost as much as the decoding. (Measured: a
    /// processor cannot read in words what it wrote in bytes before that has left its store buffer.)
    explicit Arrival(const CapturedPacket &packet);

    /// The captured part; must live until the packet has been added.
    [[nodiscard]] std::span<const std::byte> payload() const { return {payloadData, payloadSize}; }
    void setPayload(std::span<const std::byte> payload) {
        payloadData = payload.data();
        payloadSize = static_cast<std::uint32_t>(payload.size());
    }

    base::Timestamp time;
    base::PacketNumber number;
    std::uint64_t hash = 0; ///< of its flow; 0: it has none
    /// The tunnel that `packet` was taken out of; null where it was in none, as nearly all are.
    std::unique_ptr<const packet::Encapsulation> outer;
    const std::byte *payloadData = nullptr;
    std::uint32_t payloadSize = 0;
    base::CapturePointId point;
    Crossing crossing = Crossing::unknown; ///< also from a Linux cooked header
    bool isCut = false;                    ///< not all of it was captured
    packet::DecodedPacket packet;          ///< the one inside all tunnels
};
static_assert(offsetof(Arrival, packet) + offsetof(packet::DecodedPacket, ipId) + 2 <= 128); // two cache lines

/// Of a longer payload no more than this is looked at: so much has to be copied where the packet itself cannot stay.
inline constexpr std::size_t kPayloadLookedAt = 1024;

} // namespace natlens::tracer
