#include "proxycore/engine/connection.h"

#include "proxycore/engine/packet_fields.h"

namespace natlens::proxycore {

TupleKey reversed(const TupleKey &key) {
    TupleKey result = key;
    std::swap(result.src, result.dst);
    if (!key.isIcmp()) {
        std::swap(result.srcPort, result.dstPort);
        return result;
    }
    const std::uint16_t typeAndCode = base::bigToNative(key.dstPort);
    const auto type = static_cast<std::uint8_t>(typeAndCode >> 8);
    result.dstPort = base::bigToNative(
        static_cast<std::uint16_t>(icmpAnswer(key.protocol, type).value_or(type) << 8 | (typeAndCode & 0xff)));
    return result;
}

IpAddress addressOf(IpFamily family, const std::uint64_t (&words)[2]) {
    return IpAddress::fromBytes(family, words);
}

void storeAddress(const IpAddress &address, std::uint64_t (&words)[2]) {
    words[0] = words[1] = 0;
    std::memcpy(words, address.bytes.data(), address.size());
}

packet::Tuple toTuple(const TupleKey &key) {
    packet::Tuple tuple{key.protocol,
                        {addressOf(key.family, key.src), base::bigToNative(key.srcPort)},
                        {addressOf(key.family, key.dst), base::bigToNative(key.dstPort)}};
    if (key.isIcmp()) tuple.dst.port = tuple.src.port;
    return tuple;
}

} // namespace natlens::proxycore
