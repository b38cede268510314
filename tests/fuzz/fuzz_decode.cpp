// Any bytes as a packet of any link type (chosen by the first byte): decoding, payload, tunnels, fingerprint and
// rewriting keep the promises of their headers.
#include "capture/packet/rewrite.h"
#include "capture/packet/tunnel.h"
#include "links.h"
#include "require.h"

#include <vector>

using namespace natlens::packet;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
    if (size == 0) return 0;
    const LinkType link = natlens::fuzz::kLinks[data[0] % std::size(natlens::fuzz::kLinks)];
    const auto bytes = std::as_bytes(std::span(data + 1, size - 1));

    const DecodedPacket packet = decode(link, bytes);
    REQUIRE((packet.family == IpFamily::none) == packet.tuple.src.ip.isNone());
    REQUIRE(packet.family != IpFamily::none || packet.issue != DecodeIssue::none);
    REQUIRE(packet.networkOffset <= bytes.size());
    REQUIRE(packet.transportOffset <= bytes.size());
    REQUIRE(payload(packet, bytes).size() <= packet.payloadLength);
    const Unwrapped inside = unwrap(packet, bytes);
    REQUIRE(inside.depth <= 4 && (inside.depth != 0) == inside.around.has_value());
    REQUIRE(inside.depth == 0 || mayCarry(packet));
    REQUIRE(inside.bytes.size() <= bytes.size());
    REQUIRE(payload(inside.packet, inside.bytes).size() <= inside.packet.payloadLength);
    (void)natInvariantFingerprint(inside.packet, inside.bytes);
    const std::uint64_t fingerprint = natInvariantFingerprint(packet, bytes);

    std::vector<std::byte> changed(bytes.begin(), bytes.end());
    Translation translation;
    const bool isV6 = packet.family == IpFamily::v6;
    translation.dstIp = *IpAddress::parse(isV6 ? "fd00::9" : "10.9.9.9");
    translation.dstPort = Port{999};
    translation.ttl = std::uint8_t{9};
    const auto status = rewrite(link, changed, translation);
    REQUIRE(status.has_value() == (packet.family != IpFamily::none));
    if (status) {
        const DecodedPacket after = decode(link, changed);
        REQUIRE(after.tuple.dst.ip == *translation.dstIp);
        REQUIRE(after.ttl == 9);
        REQUIRE(after.issue == packet.issue);
        // What was translated must not count.
        REQUIRE(natInvariantFingerprint(after, changed) == fingerprint);
    }
    if (packet.hasQuoted) {
        Translation inner;
        inner.srcPort = Port{77};
        REQUIRE(rewriteQuoted(link, changed, inner).has_value());
    }
    return 0;
}
