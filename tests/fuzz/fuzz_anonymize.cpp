// Any bytes as a packet of any link type (chosen by the first byte), as strangers may see it: never longer, always the
// same, with the addresses that the mapper gives and no payload of its own.
#include "app/session/anonymize_packet.h"
#include "links.h"
#include "require.h"

#include <algorithm>
#include <vector>

using namespace natlens;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
    if (size == 0) return 0;
    const packet::LinkType link = fuzz::kLinks[data[0] % std::size(fuzz::kLinks)];
    const auto bytes = std::as_bytes(std::span(data + 1, size - 1));

    const session::KeyedHash::Key key{};
    session::PacketAnonymizer anonymizer(key), again(key);
    const auto made = anonymizer(link, bytes);
    const std::vector<std::byte> first(made.begin(), made.end());
    REQUIRE(first.size() <= bytes.size());
    REQUIRE(std::ranges::equal(again(link, bytes), first));
    REQUIRE(std::ranges::equal(anonymizer(link, bytes), first)); // whatever came before

    const packet::DecodedPacket before = packet::decode(link, bytes), after = packet::decode(link, first);
    if (after.family == packet::IpFamily::none) return 0;
    REQUIRE(after.family == before.family);
    REQUIRE(after.tuple.src.ip == anonymizer.addresses()(before.tuple.src.ip));
    REQUIRE(after.tuple.dst.ip == anonymizer.addresses()(before.tuple.dst.ip));
    return 0;
}
