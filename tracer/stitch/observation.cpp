#include "tracer/stitch/observation.h"

#include "capture/base/byte_order.h"
#include "capture/base/hash.h"
#include "capture/packet/sctp_chunk.h"
#include "tracer/stitch/flow_table.h"

#include <algorithm>

namespace natlens::tracer {

static_assert(HttpPeek::kLimit <= kPayloadLookedAt);

namespace {

Facing facingOf(Crossing crossing) {
    if (crossing == Crossing::inbound) return Facing::in;
    return crossing == Crossing::outbound ? Facing::out : Facing::unknown;
}

/// Addresses that routers share (VRRP, HSRP, GLBP): what comes in for one goes out from another.
bool isShared(const packet::MacAddress &mac) {
    struct Range {
        std::uint64_t prefix;
        unsigned free; ///< low bits that name the group
    };
    constexpr Range kRanges[] = {
        {0x00005e000100, 8},  {0x00005e000200, 8},                        // VRRP, CARP
        {0x00000c07ac00, 8},  {0x00000c9ff000, 12}, {0x000573a00000, 12}, // HSRP versions 1 and 2, IPv6
        {0x0007b4000000, 18}, // GLBP: ten bits for the group, eight for the forwarder
    };
    std::uint64_t address = 0;
    for (const std::uint8_t byte : mac)
        address = address << 8 | byte;
    return std::ranges::any_of(kRanges,
                               [&](Range range) { return address >> range.free == range.prefix >> range.free; });
}

/// The same for all fragments of one packet at one point; never 0.
std::uint64_t fragmentKey(base::CapturePointId point, const packet::DecodedPacket &packet) {
    packet::Tuple tuple = packet.tuple;
    tuple.src.port = packet.ipId;
    tuple.dst.port = 0;
    return base::mix(packet::hashValue(tuple), point.value) | 1;
}

/// Of every packet: the bytes, which have just been written, are read in the same two pieces.
std::uint8_t hashOfMac(const packet::MacAddress &mac) {
    const std::uint64_t number = std::uint64_t{base::loadNative<std::uint16_t>(mac.data() + 4)} << 32 |
                                 base::loadNative<std::uint32_t>(mac.data());
    if (number == 0 || (mac[0] & 1) != 0 || (mac[0] == 0 && isShared(mac))) return 0; // nor loopback, nor groups
    return static_cast<std::uint8_t>(base::mix(number, mac.size()) >> 56 | 1);
}

/// A later fragment carries no ports: it is counted where its first one was seen.
bool hasLeg(const packet::DecodedPacket &packet) {
    return packet.family != packet::IpFamily::none && !packet.tuple.src.ip.isNone() &&
           !(packet.isFragment && packet.fragmentOffset != 0);
}

} // namespace

Observation::Observation(const CapturedPacket &from, DetailsStore &store)
    : time(from.time)
    , number(from.number)
    , point(from.point)
    , facing(facingOf(from.crossing))
    , isCut(from.captured.size() < from.originalLength) {
    packet::DecodedPacket packet = packet::decode(from.linkType, from.captured, from.originalLength);
    // A Linux cooked header says which way it went, too: 4 is "sent by us", everything below came in.
    if (facing == Facing::unknown && packet.sllPacketType != 0xff)
        facing = packet.sllPacketType == 4 ? Facing::out : Facing::in;
    auto bytes = from.captured;
    std::optional<packet::Encapsulation> outer;
    if (packet::mayCarry(packet)) [[unlikely]] { // what is inside is followed; the header around it is noted
        const auto inside = packet::unwrap(packet, bytes);
        packet = inside.packet;
        bytes = inside.bytes;
        outer = inside.around;
    }
    isMalformed = packet.issue != packet::DecodeIssue::none && packet.issue != packet::DecodeIssue::unsupported;
    const std::uint64_t fragmentOf = packet.isFragment ? fragmentKey(point, packet) : 0;
    ipId = packet.ipId;
    ttl = packet.ttl;
    payloadLength = packet.payloadLength;
    if (!hasLeg(packet)) {
        if (fragmentOf == 0) return;
        isLaterFragment = true;
        hash = fragmentOf;
        PacketDetails &more = store.add();
        more.fragmentOf = fragmentOf;
        details = &more;
        return;
    }
    isIcmpError = packet.hasQuoted;
    isTcp = !packet.hasQuoted && packet.isTcp();
    const packet::Tuple quoted = packet.hasQuoted ? packet.quoted.reversed() : packet::Tuple();
    const packet::Tuple &own = packet.hasQuoted ? quoted : packet.tuple;
    const bool isV4 = own.src.ip.isV4() && own.dst.ip.isV4();
    tuple.port = {own.src.port, own.dst.port};
    tuple.protocol = own.protocol;
    tuple.isV6 = !isV4;
    if (isV4) {
        tuple.ip = {own.src.ip.v4HostOrder(), own.dst.ip.v4HostOrder()};
        side = std::pair(tuple.ip[0], tuple.port[0]) > std::pair(tuple.ip[1], tuple.port[1]);
    } else {
        side = own.src > own.dst;
    }
    if (side != 0) tuple = tuple.reversed();
    hash = isV4 ? LegTable::hashOf(tuple) : LegTable::hashOf(own.src.ip, own.dst.ip, tuple);
    if (!isV4 || isIcmpError || outer || fragmentOf != 0) [[unlikely]] {
        PacketDetails &more = store.add();
        more.ip = {own.src.ip, own.dst.ip};
        more.icmpSource = packet.tuple.src.ip;
        more.outer = outer;
        more.fragmentOf = fragmentOf;
        details = &more;
    }
    if (packet.hasMac) {
        macFrom = hashOfMac(packet.srcMac);
        macTo = hashOfMac(packet.dstMac);
    }
    const auto whole = packet::payload(packet, bytes);
    payloadData = whole.data();
    payloadSize = static_cast<std::uint16_t>(std::min(whole.size(), kPayloadLookedAt));
    payloadHash = StreamSamples::payloadHash(whole);
    if (!isTcp) {
        isAbort = packet.isSctp() && packet.sctpChunk == packet::SctpChunk::abort;
        tcpSeq = StreamSamples::datagramHash(whole, packet.payloadLength, packet.ipId);
        return;
    }
    tcpSeq = packet.tcpSeq;
    tcpAck = packet.tcpAck;
    tcpFlags = packet.tcpFlags;
    tcpTsVal = packet.tcpTsVal;
    tcpOptionsHash = packet.tcpOptionsHash;
    hasTcpTimestamp = packet.hasTcpTimestamp;
}

} // namespace natlens::tracer
