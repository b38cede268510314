#include "capture/netlink/conntrack_message.h"

#include "capture/netlink/attributes.h"

#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>

namespace natlens::netlink {
namespace {

using detail::Attribute;
using detail::AttributeReader;
using packet::IpAddress;
using packet::IpFamily;
using packet::Protocol;

constexpr std::uint16_t kEventTimestamp = 27; // CTA_TIMESTAMP_EVENT, newer than the headers of Debian 12

IpAddress address(IpFamily family, const Attribute &attribute) {
    const std::size_t size = family == IpFamily::v4 ? 4 : 16;
    return attribute.payload.size() == size ? IpAddress::fromBytes(family, attribute.payload.data()) : IpAddress{};
}

void readAddresses(packet::Tuple &tuple, AttributeReader reader) {
    while (const auto attribute = reader.next()) {
        switch (attribute->type) {
        case CTA_IP_V4_SRC: tuple.src.ip = address(IpFamily::v4, *attribute); break;
        case CTA_IP_V4_DST: tuple.dst.ip = address(IpFamily::v4, *attribute); break;
        case CTA_IP_V6_SRC: tuple.src.ip = address(IpFamily::v6, *attribute); break;
        case CTA_IP_V6_DST: tuple.dst.ip = address(IpFamily::v6, *attribute); break;
        default: break;
        }
    }
}

void readProtocol(packet::Tuple &tuple, AttributeReader reader) {
    while (const auto attribute = reader.next()) {
        switch (attribute->type) {
        case CTA_PROTO_NUM: tuple.protocol = static_cast<Protocol>(attribute->u8().value_or(0)); break;
        case CTA_PROTO_SRC_PORT: tuple.src.port = attribute->big16().value_or(0); break;
        case CTA_PROTO_DST_PORT: tuple.dst.port = attribute->big16().value_or(0); break;
        case CTA_PROTO_ICMP_ID:
        case CTA_PROTO_ICMPV6_ID: tuple.src.port = tuple.dst.port = attribute->big16().value_or(0); break;
        default: break;
        }
    }
}

packet::Tuple readTuple(AttributeReader reader) {
    packet::Tuple tuple;
    while (const auto attribute = reader.next()) {
        if (attribute->type == CTA_TUPLE_IP) readAddresses(tuple, reader.nested(*attribute));
        if (attribute->type == CTA_TUPLE_PROTO) readProtocol(tuple, reader.nested(*attribute));
    }
    return tuple;
}

bool isComplete(const packet::Tuple &tuple) {
    return tuple.protocol != Protocol::none && !tuple.src.ip.isNone() && !tuple.dst.ip.isNone();
}

std::optional<base::Timestamp> readTime(const Attribute &attribute) {
    const auto value = attribute.big64();
    if (!value || *value > static_cast<std::uint64_t>(INT64_MAX)) return std::nullopt;
    return base::Timestamp{static_cast<std::int64_t>(*value)};
}

void readLifetime(ConntrackMessage &message, AttributeReader reader) {
    while (const auto attribute = reader.next()) {
        if (attribute->type == CTA_TIMESTAMP_START) message.started = readTime(*attribute);
        if (attribute->type == CTA_TIMESTAMP_STOP) message.stopped = readTime(*attribute);
    }
}

std::uint8_t readTcpState(AttributeReader reader) {
    while (const auto protocol = reader.next()) {
        if (protocol->type != CTA_PROTOINFO_TCP) continue;
        AttributeReader inner = reader.nested(*protocol);
        while (const auto attribute = inner.next()) {
            if (attribute->type == CTA_PROTOINFO_TCP_STATE) return attribute->u8().value_or(0);
        }
    }
    return 0;
}

} // namespace

std::optional<ConntrackMessage> decodeConntrack(std::span<const std::byte> message) {
    const auto header = detail::readNetfilterMessage(message);
    if (!header || header->subsystem != NFNL_SUBSYS_CTNETLINK) return std::nullopt;
    ConntrackMessage result;
    if (header->type == IPCTNL_MSG_CT_NEW) {
        result.kind =
            (header->flags & NLM_F_CREATE) != 0 ? ConntrackMessage::Kind::created : ConntrackMessage::Kind::updated;
    } else if (header->type == IPCTNL_MSG_CT_DELETE) {
        result.kind = ConntrackMessage::Kind::destroyed;
    } else {
        return std::nullopt;
    }
    AttributeReader reader = header->reader();
    while (const auto attribute = reader.next()) {
        switch (attribute->type) {
        case CTA_TUPLE_ORIG: result.original = readTuple(reader.nested(*attribute)); break;
        case CTA_TUPLE_REPLY: result.reply = readTuple(reader.nested(*attribute)); break;
        case CTA_STATUS: result.status = attribute->big32().value_or(0); break;
        case CTA_MARK: result.mark = attribute->big32().value_or(0); break;
        case CTA_ID: result.id = attribute->big32().value_or(0); break;
        case CTA_ZONE: result.zone = attribute->big16().value_or(0); break;
        case CTA_PROTOINFO: result.tcpState = readTcpState(reader.nested(*attribute)); break;
        case CTA_TIMESTAMP: readLifetime(result, reader.nested(*attribute)); break;
        case kEventTimestamp: result.happened = readTime(*attribute); break;
        default: break;
        }
    }
    if (!isComplete(result.original)) return std::nullopt;
    return result;
}

} // namespace natlens::netlink
