#include "capture/file/pcapng_parser.h"

#include "capture/file/pcapng_format.h"

#include <algorithm>
#include <fmt/format.h>
#include <limits>

namespace natlens::file::detail {

using namespace pcapng;

namespace {

constexpr std::size_t padded(std::size_t length) {
    return (length + 3) & ~std::size_t{3};
}

PacketDirection directionOf(std::uint32_t flags) {
    return (flags & 3) == 3 ? PacketDirection::unknown : static_cast<PacketDirection>(flags & 3);
}

std::string_view textOf(std::span<const std::byte> bytes) {
    std::string_view text(reinterpret_cast<const char *>(bytes.data()), bytes.size());
    return text.substr(0, text.find('\0')); // some writers count a terminator
}

} // namespace

bool PcapngParser::bad(std::uint64_t offset, std::string message) {
    fail(offset, std::move(message));
    return false;
}

/// The byte order of a section stands after the block length, so a section header is looked at before its length is
/// believed. Answers with no wish (needed 0, no failure) when the order is known.
Step PcapngParser::sectionStart(std::span<const std::byte> bytes, std::uint64_t offset) {
    if (bytes.size() < 12) return Step::want(12);
    const auto magic = base::loadNative<std::uint32_t>(bytes.data() + 8);
    if (magic != kByteOrderMagic && base::swapBytes(magic) != kByteOrderMagic)
        return fail(offset + 8, "the section header has no valid byte-order magic; this is not a pcapng file");
    m_swapped = magic != kByteOrderMagic;
    return Step{};
}

Step PcapngParser::next(std::span<const std::byte> bytes, std::uint64_t offset) {
    if (bytes.size() < 8) return Step::want(8);
    // The section header's type is a palindrome: the same in both byte orders.
    const bool isSection = base::loadNative<std::uint32_t>(bytes.data()) == kSectionHeader;
    if (isSection) {
        const Step start = sectionStart(bytes, offset);
        if (start.needed != 0 || failure()) return start;
    }

    const std::uint32_t type = u32(bytes.data());
    const std::uint32_t stated = u32(bytes.data() + 4);
    if (stated > kMaxBlock)
        return fail(offset,
                    fmt::format("a block (type {}) claims {} bytes; more than 128 MiB cannot be", type, stated));
    const auto length = static_cast<std::uint32_t>(padded(stated)); // some writers do not count the padding
    if (length < 12)
        return fail(offset, fmt::format("a block (type {}) claims an impossible length of {} bytes", type, stated));
    if (bytes.size() < length) return Step::want(length);
    if (const std::uint32_t trailer = u32(bytes.data() + length - 4); trailer != stated && trailer != length)
        return fail(offset, fmt::format("a block (type {}) begins with length {} and ends with length {}", type, stated,
                                        trailer));

    const Body body = bytes.subspan(8, length - 12);
    bool good = true;
    switch (type) {
    case kSectionHeader: good = sectionHeader(body, offset); break;
    case kInterface: good = interfaceDescription(body, offset); break;
    case kEnhancedPacket: good = enhancedPacket(body, offset); break;
    case kSimplePacket: good = simplePacket(body, offset); break;
    case kObsoletePacket: good = obsoletePacket(body, offset); break;
    case kInterfaceStatistics: good = interfaceStatistics(body, offset); break;
    default: break; // name resolution, custom and future blocks
    }
    return good ? Step::take(length) : Step::failed();
}

/// Calls visit(code, value) for each option. A value that would pass the end of the block is a fault.
template<class Visitor>
bool PcapngParser::visitOptions(Body options, std::uint64_t offset, Visitor &&visit) {
    while (options.size() >= 4) {
        const std::uint16_t code = u16(options.data());
        const std::size_t length = u16(options.data() + 2);
        if (code == kEndOfOptions) return true;
        if (options.size() - 4 < length)
            return bad(offset, fmt::format("option {} of a block claims {} bytes, the block has {} left", code, length,
                                           options.size() - 4));
        visit(code, options.subspan(4, length));
        options = options.subspan(std::min(options.size(), 4 + padded(length)));
    }
    return true;
}

bool PcapngParser::sectionHeader(Body body, std::uint64_t offset) {
    if (body.size() < 16) return bad(offset, "the section header is too short");
    if (const std::uint16_t major = u16(body.data() + 4); major != 1)
        return bad(offset, fmt::format("pcapng version {} is not known; only 1 is", major));
    m_interfaces.clear();
    return true;
}

bool PcapngParser::interfaceDescription(Body body, std::uint64_t offset) {
    if (body.size() < 8) return bad(offset, "an interface block is too short");
    CapturePoint point;
    Interface interface;
    point.linkType = static_cast<packet::LinkType>(u16(body.data()));
    point.snapLength = interface.snapLength = u32(body.data() + 4);
    const auto visit = [&](std::uint16_t code, Body value) {
        if (code == kInterfaceName) point.name = textOf(value);
        if (code == kInterfaceDescription) point.description = textOf(value);
        if (code == kInterfaceMac && value.size() == 6)
            std::memcpy(point.mac.emplace().data(), value.data(), value.size());
        if (code == kInterfaceResolution && value.size() == 1) interface.resolution = base::loadByte(value.data());
        if (code == kInterfaceTimeOffset && value.size() == 8)
            interface.offsetSeconds = static_cast<std::int64_t>(u64(value.data()));
    };
    if (!visitOptions(body.subspan(8), offset, visit)) return false;
    point.name = m_names.next(std::move(point.name), point.linkType);
    if (interface.offsetSeconds == 0)
        interface.nanosecondsPerTick = interface.resolution == 9 ? 1 : interface.resolution == 6 ? 1000 : 0;
    interface.point = m_delivery.addPoint(point);
    m_interfaces.push_back(interface);
    return true;
}

const PcapngParser::Interface *PcapngParser::findInterface(std::uint32_t id, std::uint64_t offset,
                                                           std::string_view blockName) {
    if (id < m_interfaces.size()) return &m_interfaces[id];
    bad(offset,
        fmt::format("{} names interface {}, but the section has {} so far", blockName, id, m_interfaces.size()));
    return nullptr;
}

base::Timestamp PcapngParser::timestamp(const Interface &interface, std::uint64_t ticks) {
    constexpr std::uint64_t kSafe = std::uint64_t{1} << 63; // below this, a thousandth of it in microseconds
    const std::uint64_t perTick = interface.nanosecondsPerTick;
    if (perTick != 0 && ticks < (perTick == 1 ? kSafe : kSafe / 1000)) [[likely]]
        return base::Timestamp{static_cast<std::int64_t>(ticks * perTick)};
    return unusualTimestamp(interface, ticks);
}

/// Resolution as in if_tsresol: the high bit chooses powers of two. Values outside the range of Timestamp are clamped.
base::Timestamp PcapngParser::unusualTimestamp(const Interface &interface, std::uint64_t ticks) {
    __extension__ using Wide = __int128;
    const unsigned exponent = interface.resolution & 0x7f;
    Wide nanoseconds = ticks;
    if ((interface.resolution & 0x80) != 0) {
        nanoseconds = nanoseconds * 1'000'000'000 >> exponent; // 94 bits at most, the shift is 127 at most
    } else if (exponent <= 9) {
        for (unsigned i = exponent; i < 9; ++i)
            nanoseconds *= 10;
    } else {
        for (unsigned i = 9; i < exponent && nanoseconds != 0; ++i)
            nanoseconds /= 10;
    }
    nanoseconds += Wide{interface.offsetSeconds} * 1'000'000'000;
    return base::Timestamp{static_cast<std::int64_t>(std::clamp<Wide>(
        nanoseconds, std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::int64_t>::max()))};
}

/// One comment is looked at where it lies, several are put side by side.
void PcapngParser::addComment(std::string_view &all, std::string_view text) {
    if (text.empty()) return;
    if (all.empty()) {
        all = text;
        return;
    }
    if (all.data() != m_comments.data()) m_comments = all;
    m_comments += '\0';
    m_comments += text;
    all = m_comments;
}

/// Enhanced and obsolete packet blocks are alike from the time stamp on: high, low, captured, original.
bool PcapngParser::packet(std::uint32_t interfaceId, Body afterHeader, const std::byte *timeAndLengths,
                          std::uint64_t offset) {
    const Interface *interface = findInterface(interfaceId, offset, "a packet block");
    if (!interface) return false;
    const std::uint32_t captured = u32(timeAndLengths + 8);
    if (captured > afterHeader.size())
        return bad(offset, fmt::format("a packet block claims {} captured bytes but holds at most {}", captured,
                                       afterHeader.size()));

    PacketView view;
    view.point = interface->point;
    view.time = timestamp(*interface, std::uint64_t{u32(timeAndLengths)} << 32 | u32(timeAndLengths + 4));
    view.originalLength = std::max(u32(timeAndLengths + 12), captured);
    view.data = afterHeader.first(captured);
    const auto visit = [&](std::uint16_t code, Body value) {
        if (code == kComment) addComment(view.comment, textOf(value));
        if (code == kPacketFlags && value.size() == 4) view.direction = directionOf(u32(value.data()));
    };
    const Body options = afterHeader.subspan(std::min(afterHeader.size(), padded(captured)));
    if (!visitOptions(options, offset, visit)) return false;
    m_delivery.packet(view);
    return true;
}

bool PcapngParser::enhancedPacket(Body body, std::uint64_t offset) {
    if (body.size() < 20) return bad(offset, "a packet block is too short");
    return packet(u32(body.data()), body.subspan(20), body.data() + 4, offset);
}

bool PcapngParser::obsoletePacket(Body body, std::uint64_t offset) {
    if (body.size() < 20) return bad(offset, "an obsolete packet block is too short");
    return packet(u16(body.data()), body.subspan(20), body.data() + 4, offset);
}

bool PcapngParser::simplePacket(Body body, std::uint64_t offset) {
    if (body.size() < 4) return bad(offset, "a simple packet block is too short");
    const Interface *interface = findInterface(0, offset, "a simple packet block");
    if (!interface) return false;

    PacketView view;
    view.point = interface->point;
    view.originalLength = u32(body.data());
    const std::size_t limit = interface->snapLength == 0 ? view.originalLength : interface->snapLength;
    const std::size_t captured = std::min<std::size_t>(view.originalLength, limit);
    if (captured > body.size() - 4)
        return bad(offset, fmt::format("a simple packet block claims {} captured bytes but holds at most {}", captured,
                                       body.size() - 4));
    view.data = body.subspan(4, captured);
    m_delivery.packet(view);
    return true;
}

bool PcapngParser::interfaceStatistics(Body body, std::uint64_t offset) {
    if (body.size() < 12) return bad(offset, "a statistics block is too short");
    const std::uint32_t id = u32(body.data());
    if (id >= m_interfaces.size()) return true; // of nobody: says nothing, harms nothing
    const Interface *interface = &m_interfaces[id];

    PointStatistics statistics;
    statistics.point = interface->point;
    statistics.time = timestamp(*interface, std::uint64_t{u32(body.data() + 4)} << 32 | u32(body.data() + 8));
    const auto visit = [&](std::uint16_t code, Body value) {
        if (value.size() != 8) return;
        if (code == kStatisticsReceived) statistics.received = u64(value.data());
        if (code == kStatisticsDropped || code == kStatisticsOsDropped) statistics.dropped += u64(value.data());
    };
    if (!visitOptions(body.subspan(12), offset, visit)) return false;
    m_delivery.sink.onStatistics(statistics);
    return true;
}

std::string PcapngParser::unitName(std::span<const std::byte> bytes) const {
    if (bytes.size() < 8) return "a block header";
    switch (u32(bytes.data())) {
    case kSectionHeader: return "a section header";
    case kInterface: return "an interface block";
    case kEnhancedPacket:
    case kSimplePacket:
    case kObsoletePacket: return "a packet block";
    case kInterfaceStatistics: return "a statistics block";
    default: return "a block";
    }
}

} // namespace natlens::file::detail
