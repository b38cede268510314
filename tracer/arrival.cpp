#include "tracer/arrival.h"

#include "tracer/stitch/flow_table.h"

namespace natlens::tracer {

static_assert(HttpPeek::kLimit <= kPayloadLookedAt);

Arrival::Arrival(const CapturedPacket &from)
    : point(from.point)
    , crossing(from.crossing)
    , isCut(from.captured.size() < from.originalLength)
    , time(from.time)
    , number(from.number)
    , packet(packet::decode(from.linkType, from.captured, from.originalLength)) {
    if (!FlowTable::wants(packet)) return;
    payload = packet::payload(packet, from.captured);
    hash = FlowTable::hashOf(point, packet) | 1;
}

} // namespace natlens::tracer
