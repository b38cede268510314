#include "capture/file/pcap_variant.h"

#include "capture/base/byte_order.h"

#include <algorithm>
#include <limits>

namespace natlens::file::detail {

namespace {

constexpr std::uint32_t kStandardMax = 262144;
constexpr int kRecords = 2; ///< looked at: the second header is where a wrong length shows

class Record {
public:
    Record(const std::byte *at, bool swapped)
        : m_at(at)
        , m_swapped(swapped) {}
    [[nodiscard]] std::uint32_t u32(std::size_t more) const {
        const auto value = base::loadNative<std::uint32_t>(m_at + more);
        return m_swapped ? base::swapBytes(value) : value;
    }
    [[nodiscard]] std::uint16_t u16(std::size_t more) const {
        const auto value = base::loadNative<std::uint16_t>(m_at + more);
        return m_swapped ? base::swapBytes(value) : value;
    }
    [[nodiscard]] std::uint8_t u8(std::size_t more) const { return base::loadByte(m_at + more); }

private:
    const std::byte *m_at;
    bool m_swapped;
};

/// What a plain record header says that cannot be.
int oddities(const Record &record, const PcapShape &shape) {
    constexpr std::uint32_t kLongest = 128U << 20;
    const std::uint32_t captured = record.u32(8), original = record.u32(12);
    return int{record.u32(4) >= 1'000'000} + int{captured > shape.maxPacket} + int{captured > shape.snapLength} +
           int{original > kLongest} + int{captured > original};
}

/// Interface index, protocol (an EtherType or one of Linux' own numbers below it) and packet type as they were in 1999.
int linuxOddities(const Record &record) {
    const std::uint16_t protocol = record.u16(20);
    const bool known =
        protocol >= 0x0600 || protocol == 0x0060 || protocol == 0x0200 || protocol == 0x0400 || protocol <= 0x0017;
    return int{record.u32(16) > 10'000} + int{!known} + int{record.u8(22) > 4};
}

/// The only values ever seen in Nokia's extra field, and zero, which editcap writes there.
int nokiaOddities(const Record &record) {
    const std::uint32_t value = record.u32(16);
    const std::uint32_t a = value >> 28, b = value >> 12 & 0xf, c = value >> 8 & 0xf, d = value & 0xf;
    const bool good = value == 0 || ((value & 0x0fff00f0) == 0x0fbf0000 && (a == 0x9 || a == 0xb) &&
                                     (b == 0xb || b == 0xd) && (c == 0x6 || c == 0x9) && (d == 1 || d == 2));
    return int{!good};
}

struct Reading {
    int oddities = 0;
    std::size_t needed = 0; ///< not 0: undecided
};

Reading read(PcapVariant variant, const PcapShape &shape, std::span<const std::byte> bytes, bool ended) {
    const std::size_t header = recordHeaderOf(variant);
    Reading reading;
    std::size_t at = 0;
    for (int i = 0; i < kRecords; ++i) {
        if (bytes.size() < at + header) {
            if (!ended) return {0, at + header};
            // A rest tells that the records were shorter. Of the two modified headers the longer one is so rare that a
            // rest is rather the beginning of a record that breaks off.
            reading.oddities += int{at != bytes.size() && !shape.modified};
            break;
        }
        const Record record(bytes.data() + at, shape.swapped);
        reading.oddities += oddities(record, shape);
        if (variant == PcapVariant::nokia) reading.oddities += nokiaOddities(record);
        if (variant == PcapVariant::linux || variant == PcapVariant::linuxLong)
            reading.oddities += linuxOddities(record);
        const std::uint32_t captured = record.u32(8);
        if (captured > shape.maxPacket) break;
        at += header + captured;
    }
    return reading;
}

bool looksPatched(const Record &record) {
    return linuxOddities(record) == 0 || nokiaOddities(record) == 0;
}

} // namespace

std::size_t recordHeaderOf(PcapVariant variant) {
    switch (variant) {
    case PcapVariant::plain: break;
    case PcapVariant::nokia: return 20;
    case PcapVariant::linux: return 24;
    case PcapVariant::linuxLong: return 28;
    }
    return 16;
}

std::uint32_t maxPacket(std::uint32_t linkType) {
    switch (linkType) {
    case 189:                    // USB_LINUX
    case 220:                    // USB_LINUX_MMAPPED
    case 231:                    // DBUS
    case 249: return 128U << 20; // USBPCAP
    case 279: return 32U << 20;  // EBHSCR
    default: return kStandardMax;
    }
}

VariantGuess guessVariant(const PcapShape &shape, std::span<const std::byte> bytes, bool ended) {
    PcapShape limits = shape;
    if (limits.snapLength == 0) limits.snapLength = std::numeric_limits<std::uint32_t>::max();
    constexpr PcapVariant kStandard[] = {PcapVariant::plain, PcapVariant::linux, PcapVariant::nokia};
    constexpr PcapVariant kModified[] = {PcapVariant::linux, PcapVariant::linuxLong};
    const std::span<const PcapVariant> candidates =
        shape.modified ? std::span<const PcapVariant>(kModified) : std::span<const PcapVariant>(kStandard);

    if (!shape.modified) {
        if (bytes.size() < 16) return {candidates.front(), ended ? std::size_t{0} : std::size_t{16}};
        const Record first(bytes.data(), shape.swapped);
        const bool sane = oddities(first, limits) == 0;
        constexpr std::uint32_t kExtra = 8;
        if (sane && first.u32(8) < kExtra) return {};
        if (bytes.size() < 16 + kExtra) return {PcapVariant::plain, ended ? 0 : 16 + kExtra};
        if (!looksPatched(first)) return {};
    }
    VariantGuess best{candidates.front(), 0};
    int fewest = std::numeric_limits<int>::max();
    for (const PcapVariant variant : candidates) {
        const Reading reading = read(variant, limits, bytes, ended);
        if (reading.needed > bytes.size()) return {variant, reading.needed};
        if (reading.oddities >= fewest) continue;
        fewest = reading.oddities;
        best.variant = variant;
        if (fewest == 0) break;
    }
    return best;
}

} // namespace natlens::file::detail
