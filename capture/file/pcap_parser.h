// Private to capture/file: classic pcap (draft-ietf-opsawg-pcap) and what else carries its magic numbers: both byte
// orders, micro- and nanoseconds, the longer record headers of patched libpcaps, Ixia's longer file header, AIX, and
// the versions before 2.4.
#pragma once

#include "capture/base/byte_order.h"
#include "capture/file/parser.h"
#include "capture/file/pcap_variant.h"

namespace natlens::file::detail {

class PcapParser final : public Parser {
public:
    /// `pointName` names the only capture point.
    PcapParser(Delivery &delivery, std::string pointName)
        : m_delivery(delivery)
        , m_pointName(std::move(pointName)) {}

    /// Whether a file that begins with these four bytes is a classic pcap.
    [[nodiscard]] static bool recognises(const std::byte *magic);

    Step next(std::span<const std::byte> bytes, std::uint64_t offset) override;
    [[nodiscard]] std::string unitName(std::span<const std::byte> bytes) const override;
    void endOfInput() override { m_ended = true; }

private:
    /// Order of the two lengths in a record. It changed with version 2.3, and some files of that version have the old
    /// one.
    enum class Lengths : std::uint8_t { capturedFirst, originalFirst, smallerIsCaptured };

    [[nodiscard]] std::uint32_t u32(const std::byte *from) const {
        const auto value = base::loadNative<std::uint32_t>(from);
        return m_shape.swapped ? base::swapBytes(value) : value;
    }
    Step fileHeader(std::span<const std::byte> bytes, std::uint64_t offset);
    void setVersion(std::uint16_t major, std::uint16_t minor, std::uint32_t &linkType);

    Delivery &m_delivery;
    std::string m_pointName;
    base::CapturePointId m_point;
    PcapShape m_shape;
    std::size_t m_recordHeader = 0; ///< 0 until the first record told it
    std::uint32_t m_nanosecondsPerTick = 1000;
    Lengths m_lengths = Lengths::capturedFirst;
    bool m_opened = false, m_ended = false;
};

} // namespace natlens::file::detail
