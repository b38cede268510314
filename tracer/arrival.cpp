#include "tracer/arrival.h"

#include "tracer/stitch/flow_table.h"

namespace natlens::tracer {

static_assert(HttpPeek::kLimit <= kPayloadLookedAt);

Arrival::Arrival(const CapturedPacket &from)
    : time(from.time)
    , number(from.number)
    , point(from.point)
    , crossing(from.crossing)
    , isCut(from.captured.size() < from.originalLength)
    , packet(packet::decode(from.linkType, from.captured, from.originalLength)) {
    // A Linux cooked header says which way it went, too: 4 is "sent by us", everything below came in.
    if (crossing == Crossing::unknown && packet.sllPacketType != 0xff)
        crossing = packet.sllPacketType == 4 ? Crossing::outbound : Crossing::inbound;
    auto bytes = from.captured;
    if (packet::mayCarry(packet)) [[unlikely]] { // what is inside is followed; the header around it is noted
        const auto inside = packet::unwrap(packet, bytes);
        packet = inside.packet;
        bytes = inside.bytes;
        if (inside.around) outer = std::make_unique<const packet::Encapsulation>(*inside.around);
    }
    if (!FlowTable::wants(packet)) return;
    setPayload(packet::payload(packet, bytes));
    hash = FlowTable::hashOf(point, packet);
}

} // namespace natlens::tracer
