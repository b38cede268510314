// Private to capture/file: classic pcap (draft-ietf-opsawg-pcap), both byte orders, micro- and nanoseconds, and the
// variant with a longer record header that Alexey Kuznetsov's patched libpcap wrote (magic 0xa1b2cd34).
#pragma once

#include "capture/file/parser.h"

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

private:
    [[nodiscard]] std::uint32_t u32(const std::byte *from) const;
    Step fileHeader(std::span<const std::byte> bytes, std::uint64_t offset);
    [[nodiscard]] std::size_t recordHeader() const { return m_modified ? 24 : 16; }

    Delivery &m_delivery;
    std::string m_pointName;
    base::CapturePointId m_point;
    bool m_opened = false;
    bool m_swapped = false;
    bool m_modified = false;
    std::uint32_t m_nanosecondsPerTick = 1000;
};

} // namespace natlens::file::detail
