#include "capture/file/pcap_parser.h"

#include "capture/base/byte_order.h"
#include "capture/file/pcapng_format.h"

#include <fmt/format.h>

namespace natlens::file::detail {

namespace {

constexpr std::uint32_t kMicroseconds = 0xa1b2c3d4, kNanoseconds = 0xa1b23c4d, kModified = 0xa1b2cd34;
constexpr std::size_t kFileHeader = 24;

bool isMagic(std::uint32_t value) {
    return value == kMicroseconds || value == kNanoseconds || value == kModified;
}

} // namespace

bool PcapParser::recognises(const std::byte *magic) {
    const auto value = base::loadNative<std::uint32_t>(magic);
    return isMagic(value) || isMagic(base::swapBytes(value));
}

std::uint32_t PcapParser::u32(const std::byte *from) const {
    const auto value = base::loadNative<std::uint32_t>(from);
    return m_swapped ? base::swapBytes(value) : value;
}

Step PcapParser::fileHeader(std::span<const std::byte> bytes, std::uint64_t offset) {
    if (bytes.size() < kFileHeader) return Step::want(kFileHeader);
    m_swapped = !isMagic(base::loadNative<std::uint32_t>(bytes.data()));
    const std::uint32_t magic = u32(bytes.data());
    m_modified = magic == kModified;
    m_nanosecondsPerTick = magic == kNanoseconds ? 1 : 1000;

    const std::uint32_t versions = u32(bytes.data() + 4);
    const bool lowHalfFirst = (std::endian::native == std::endian::little) != m_swapped;
    const std::uint32_t major = lowHalfFirst ? versions & 0xffff : versions >> 16;
    if (major != 2) return fail(offset + 4, fmt::format("pcap version {} is not known; only 2 is", major));

    CapturePoint point;
    point.name = m_pointName;
    point.snapLength = u32(bytes.data() + 16);
    point.linkType = static_cast<packet::LinkType>(u32(bytes.data() + 20) & 0xffff); // above: length of the FCS
    m_point = base::CapturePointId{m_delivery.nextPoint++};
    m_opened = true;
    m_delivery.sink.onCapturePoint(m_point, point);
    return Step::take(kFileHeader);
}

Step PcapParser::next(std::span<const std::byte> bytes, std::uint64_t offset) {
    if (!m_opened) return fileHeader(bytes, offset);
    const std::size_t header = recordHeader();
    if (bytes.size() < header) return Step::want(header);

    const std::byte *record = bytes.data();
    const std::uint32_t captured = u32(record + 8);
    if (captured > pcapng::kMaxBlock)
        return fail(offset, fmt::format("packet {} claims {} captured bytes; the file is damaged here",
                                        m_delivery.nextPacket, captured));
    if (bytes.size() - header < captured) return Step::want(header + captured);

    PacketView view;
    view.point = m_point;
    view.time.nanoseconds =
        std::int64_t{u32(record)} * 1'000'000'000 + std::int64_t{u32(record + 4)} * m_nanosecondsPerTick;
    view.originalLength = std::max(u32(record + 12), captured);
    view.data = bytes.subspan(header, captured);
    if (m_modified) // Linux packet type: 4 is PACKET_OUTGOING
        view.direction = base::loadByte(record + 22) == 4 ? PacketDirection::outbound : PacketDirection::inbound;
    m_delivery.packet(view);
    return Step::take(header + captured);
}

std::string PcapParser::unitName(std::span<const std::byte> bytes) const {
    if (!m_opened) return "the file header";
    return bytes.size() < recordHeader() ? "a packet header" : "a packet";
}

} // namespace natlens::file::detail
