#include "capture/netlink/trace_message.h"

#include "capture/netlink/attributes.h"
#include "capture/packet/decode.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

namespace natlens::netlink {
namespace {

using detail::AttributeReader;
using detail::Bytes;

constexpr std::uint16_t kTraceConntrackId = 18; // NFTA_TRACE_CT_ID, newer than the headers of Debian 12
constexpr std::string_view kNamesPrefix = "interfaces:";

/// The words of nft(8).
std::string verdictText(std::uint32_t code) {
    switch (static_cast<std::int32_t>(code)) {
    case NF_DROP: return "drop";
    case NF_ACCEPT: return "accept";
    case NF_STOLEN: return "stolen";
    case NF_QUEUE: return "queue";
    case NF_REPEAT: return "repeat";
    case NFT_CONTINUE: return "continue";
    case NFT_BREAK: return "break";
    case NFT_JUMP: return "jump";
    case NFT_GOTO: return "goto";
    case NFT_RETURN: return "return";
    default: return fmt::format("verdict {:#x}", code);
    }
}

void readVerdict(TraceMessage &result, AttributeReader reader) {
    while (const auto attribute = reader.next()) {
        if (attribute->type == NFTA_VERDICT_CODE) {
            if (const auto code = attribute->big32()) result.verdict = verdictText(*code);
        } else if (attribute->type == NFTA_VERDICT_CHAIN) {
            result.jumpTarget = attribute->text();
        }
    }
}

/// The kernel sends the network and the transport header apart and at most 40 and 20 bytes of them.
std::optional<packet::Tuple> readTuple(Bytes network, Bytes transport) {
    std::array<std::byte, 128> bytes{};
    if (network.empty() || network.size() + transport.size() > bytes.size()) return std::nullopt;
    std::ranges::copy(transport, std::ranges::copy(network, bytes.begin()).out);
    const Bytes headers(bytes.data(), network.size() + transport.size());
    // The captured bytes end behind the headers by nature: that is no fault of the packet, so `issue` says nothing
    // here.
    const packet::Tuple tuple = packet::decode(packet::LinkType::rawIp, headers).tuple;
    if (tuple.src.ip.isNone()) return std::nullopt;
    return tuple;
}

std::string nameOf(std::uint32_t index, const InterfaceNames &names) {
    const auto found = names.find(index);
    return found == names.end() ? std::string() : found->second;
}

} // namespace

std::string describeInterfaceNames(const InterfaceNames &names) {
    std::string text(kNamesPrefix);
    for (const auto &[index, name] : names)
        text += fmt::format(" {}={}", index, name);
    return text;
}

InterfaceNames parseInterfaceNames(std::string_view description) {
    InterfaceNames names;
    if (!description.starts_with(kNamesPrefix)) return names;
    description.remove_prefix(kNamesPrefix.size());
    while (!description.empty()) {
        const std::size_t end = std::min(description.find(' '), description.size());
        const std::string_view entry = description.substr(0, end);
        description.remove_prefix(std::min(end + 1, description.size()));
        const std::size_t equals = entry.find('=');
        if (equals == std::string_view::npos) continue;
        std::uint32_t index = 0;
        const auto [rest, error] = std::from_chars(entry.data(), entry.data() + equals, index);
        if (error == std::errc() && rest == entry.data() + equals) names[index] = entry.substr(equals + 1);
    }
    return names;
}

std::optional<TraceMessage> decodeTrace(std::span<const std::byte> message, const InterfaceNames &names) {
    const auto header = detail::readNetfilterMessage(message);
    if (!header || header->subsystem != NFNL_SUBSYS_NFTABLES || header->type != NFT_MSG_TRACE) return std::nullopt;
    TraceMessage result;
    result.family = header->family;
    std::optional<std::uint32_t> id;
    Bytes network, transport;
    AttributeReader reader = header->reader();
    while (const auto attribute = reader.next()) {
        switch (attribute->type) {
        case NFTA_TRACE_TABLE: result.table = attribute->text(); break;
        case NFTA_TRACE_CHAIN: result.chain = attribute->text(); break;
        case NFTA_TRACE_RULE_HANDLE: result.ruleHandle = attribute->big64().value_or(0); break;
        case NFTA_TRACE_TYPE: {
            const std::uint32_t type = attribute->big32().value_or(0);
            result.type =
                type <= NFT_TRACETYPE_RULE ? static_cast<TraceMessage::Type>(type) : TraceMessage::Type::unknown;
            break;
        }
        case NFTA_TRACE_VERDICT: readVerdict(result, reader.nested(*attribute)); break;
        case NFTA_TRACE_ID: id = attribute->big32(); break;
        case NFTA_TRACE_NETWORK_HEADER: network = attribute->payload; break;
        case NFTA_TRACE_TRANSPORT_HEADER: transport = attribute->payload; break;
        case NFTA_TRACE_IIF: result.inIndex = attribute->big32().value_or(0); break;
        case NFTA_TRACE_OIF: result.outIndex = attribute->big32().value_or(0); break;
        case NFTA_TRACE_MARK: result.mark = attribute->big32().value_or(0); break;
        case NFTA_TRACE_NFPROTO:
            result.protocolFamily = static_cast<std::uint8_t>(attribute->big32().value_or(0) & 0xff);
            break;
        case NFTA_TRACE_POLICY:
            if (const auto code = attribute->big32()) result.policy = verdictText(*code);
            break;
        case kTraceConntrackId: result.conntrackId = attribute->big32(); break;
        default: break;
        }
    }
    if (!id) return std::nullopt;
    result.traceId = *id;
    result.inInterface = nameOf(result.inIndex, names);
    result.outInterface = nameOf(result.outIndex, names);
    result.tuple = readTuple(network, transport);
    return result;
}

} // namespace natlens::netlink
