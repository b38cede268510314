#include "capture/file/pcap_parser.h"

#include "capture/base/byte_order.h"

#include <fmt/format.h>
#include <utility>

namespace natlens::file::detail {

namespace {

constexpr std::uint32_t kMicroseconds = 0xa1b2c3d4, kNanoseconds = 0xa1b23c4d, kModified = 0xa1b2cd34,
                        kIxiaHardware = 0x1c0001ac, kIxiaSoftware = 0x1c0001ab;
constexpr std::size_t kFileHeader = 24;
constexpr std::uint16_t kDgUx = 543; ///< major version of DG/UX' tcpdump, otherwise like 2.2

bool isMagic(std::uint32_t value) {
    return value == kMicroseconds || value == kNanoseconds || value == kModified || value == kIxiaHardware ||
           value == kIxiaSoftware;
}

} // namespace

bool PcapParser::recognises(const std::byte *magic) {
    const auto value = base::loadNative<std::uint32_t>(magic);
    return isMagic(value) || isMagic(base::swapBytes(value));
}

/// What the version changes. AIX writes 2.2 with numbers of its own for link types (RFC 1573) and nanoseconds; as those
/// numbers had no other meaning at that time, they tell it from an old libpcap.
void PcapParser::setVersion(std::uint16_t major, std::uint16_t minor, std::uint32_t &linkType) {
    if (major == kDgUx || (major == 2 && minor < 3)) m_lengths = Lengths::originalFirst;
    if (major == 2 && minor == 3) m_lengths = Lengths::smallerIsCaptured;
    if (major == kDgUx || (major == 2 && minor < 4)) m_recordHeader = recordHeaderOf(PcapVariant::plain);
    if (major != 2 || minor != 2) return;
    constexpr std::pair<std::uint32_t, std::uint32_t> kAix[] = {{6, 1}, {9, 6}, {15, 10}, {24, 0}};
    for (const auto &[ifType, link] : kAix)
        if (linkType == ifType) {
            linkType = link;
            m_nanosecondsPerTick = 1;
            m_lengths = Lengths::originalFirst;
            return;
        }
}

Step PcapParser::fileHeader(std::span<const std::byte> bytes, std::uint64_t offset) {
    if (bytes.size() < kFileHeader) return Step::want(kFileHeader);
    m_shape.swapped = !isMagic(base::loadNative<std::uint32_t>(bytes.data()));
    const std::uint32_t magic = u32(bytes.data());
    const bool ixia = magic == kIxiaHardware || magic == kIxiaSoftware;
    const std::size_t header = kFileHeader + (ixia ? 4 : 0); // Ixia: the length of all records
    if (bytes.size() < header) return Step::want(header);
    m_shape.modified = magic == kModified;
    if (magic == kNanoseconds || magic == kIxiaHardware) m_nanosecondsPerTick = 1;
    if (magic == kNanoseconds || ixia) m_recordHeader = recordHeaderOf(PcapVariant::plain);

    const std::uint32_t versions = u32(bytes.data() + 4);
    const bool lowHalfFirst = (std::endian::native == std::endian::little) != m_shape.swapped;
    const auto low = static_cast<std::uint16_t>(versions), high = static_cast<std::uint16_t>(versions >> 16);
    const auto [major, minor] = lowHalfFirst ? std::pair(low, high) : std::pair(high, low);
    if (major < 2) return fail(offset + 4, fmt::format("pcap version {} is not known; 2 is the oldest", major));

    std::uint32_t linkType = u32(bytes.data() + 20) & 0xffff; // above: length of the FCS
    setVersion(major, minor, linkType);
    m_shape.snapLength = u32(bytes.data() + 16);
    m_shape.maxPacket = maxPacket(linkType);

    CapturePoint point;
    point.name = m_pointName;
    point.snapLength = m_shape.snapLength;
    point.linkType = static_cast<packet::LinkType>(linkType);
    m_point = m_delivery.addPoint(point);
    m_opened = true;
    return Step::take(header);
}

Step PcapParser::next(std::span<const std::byte> bytes, std::uint64_t offset) {
    if (!m_opened) return fileHeader(bytes, offset);
    if (m_recordHeader == 0) {
        const VariantGuess guess = guessVariant(m_shape, bytes, m_ended);
        if (guess.needed > bytes.size()) return Step::want(guess.needed);
        m_recordHeader = recordHeaderOf(guess.variant);
    }
    const std::size_t header = m_recordHeader;
    if (bytes.size() < header) return Step::want(header);

    const std::byte *record = bytes.data();
    std::uint32_t captured = u32(record + 8), original = u32(record + 12);
    if (m_lengths == Lengths::originalFirst || (m_lengths == Lengths::smallerIsCaptured && captured > original))
        std::swap(captured, original);
    if (captured > m_shape.maxPacket)
        return fail(offset, fmt::format("packet {} claims {} captured bytes; the file is damaged here",
                                        m_delivery.nextPacket, captured));
    if (bytes.size() - header < captured) return Step::want(header + captured);

    PacketView view;
    view.point = m_point;
    view.time.nanoseconds =
        std::int64_t{u32(record)} * 1'000'000'000 + std::int64_t{u32(record + 4)} * m_nanosecondsPerTick;
    view.originalLength = std::max(original, captured);
    view.data = bytes.subspan(header, captured);
    if (header >= recordHeaderOf(PcapVariant::linux)) // Linux packet type: 4 is PACKET_OUTGOING
        view.direction = base::loadByte(record + 22) == 4 ? PacketDirection::outbound : PacketDirection::inbound;
    m_delivery.packet(view);
    return Step::take(header + captured);
}

std::string PcapParser::unitName(std::span<const std::byte> bytes) const {
    if (!m_opened) return "the file header";
    return bytes.size() < std::max<std::size_t>(m_recordHeader, 16) ? "a packet header" : "a packet";
}

} // namespace natlens::file::detail
