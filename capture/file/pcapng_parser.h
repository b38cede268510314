// Private to capture/file: pcapng (draft-ietf-opsawg-pcapng).
#pragma once

#include "capture/base/byte_order.h"
#include "capture/file/parser.h"
#include "capture/file/point_names.h"

#include <string>
#include <string_view>
#include <vector>

namespace natlens::file::detail {

/// Blocks of one pcapng stream after another. Each section numbers its interfaces from 0; capture point ids go on
/// counting across sections.
class PcapngParser final : public Parser {
public:
    PcapngParser(Delivery &delivery, PointNames names)
        : m_delivery(delivery)
        , m_names(std::move(names)) {}

    Step next(std::span<const std::byte> bytes, std::uint64_t offset) override;
    [[nodiscard]] std::string unitName(std::span<const std::byte> bytes) const override;

private:
    struct Interface {
        base::CapturePointId point;
        std::uint32_t snapLength = 0;
        std::uint8_t resolution = 6; ///< if_tsresol
        std::int64_t offsetSeconds = 0;
        /// What a tick is where the resolution is the usual one and there is no offset; else 0.
        std::uint64_t nanosecondsPerTick = 0;
    };
    using Body = std::span<const std::byte>;

    template<class T>
    [[nodiscard]] T load(const std::byte *from) const {
        const auto value = base::loadNative<T>(from);
        return m_swapped ? base::swapBytes(value) : value;
    }
    [[nodiscard]] std::uint16_t u16(const std::byte *from) const { return load<std::uint16_t>(from); }
    [[nodiscard]] std::uint32_t u32(const std::byte *from) const { return load<std::uint32_t>(from); }
    [[nodiscard]] std::uint64_t u64(const std::byte *from) const { return load<std::uint64_t>(from); }

    Step sectionStart(std::span<const std::byte> bytes, std::uint64_t offset);
    // Each is given the bytes between the two total lengths; false: a fault, reported.
    bool sectionHeader(Body body, std::uint64_t offset);
    bool interfaceDescription(Body body, std::uint64_t offset);
    bool enhancedPacket(Body body, std::uint64_t offset);
    bool obsoletePacket(Body body, std::uint64_t offset);
    bool simplePacket(Body body, std::uint64_t offset);
    bool interfaceStatistics(Body body, std::uint64_t offset);

    bool packet(std::uint32_t interfaceId, Body afterHeader, const std::byte *timeAndLengths, std::uint64_t offset);
    void addComment(std::string_view &all, std::string_view text);
    const Interface *findInterface(std::uint32_t id, std::uint64_t offset, std::string_view blockName);
    bool bad(std::uint64_t offset, std::string message);
    template<class Visitor>
    bool visitOptions(Body options, std::uint64_t offset, Visitor &&visit);
    [[nodiscard]] static base::Timestamp timestamp(const Interface &interface, std::uint64_t ticks);
    [[nodiscard]] static base::Timestamp unusualTimestamp(const Interface &interface, std::uint64_t ticks);

    Delivery &m_delivery;
    PointNames m_names;
    std::vector<Interface> m_interfaces; ///< of the current section
    std::string m_comments;              ///< of a packet that has several
    bool m_swapped = false;
};

} // namespace natlens::file::detail
