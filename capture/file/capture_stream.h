// What a capture file or stream consists of, whatever its format: capture points, packets, statistics.
#pragma once

#include "capture/base/ids.h"
#include "capture/base/timestamp.h"
#include "capture/packet/decode.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace natlens::file {

/// Which way a packet crossed the interface (pcapng epb_flags bits 0-1).
enum class PacketDirection : std::uint8_t { unknown = 0, inbound = 1, outbound = 2 };

/// One pcapng interface, or the only one of a classic pcap file.
struct CapturePoint {
    std::string name;              ///< if_name, "node2/eth0"; for a classic pcap the file's stem
    std::string description;       ///< if_description, "" when absent
    packet::LinkType linkType = packet::LinkType::ethernet;
    std::uint32_t snapLength = 0;  ///< bytes, 0 unlimited
    std::optional<packet::MacAddress> mac; ///< if_MACaddr
};

/// One packet; `data` and `comment` are valid only during the call that hands it over.
struct PacketView {
    base::CapturePointId point;
    base::PacketNumber number;     ///< 1, 2, ... over the whole source, as Wireshark numbers frames
    base::Timestamp time;
    std::uint32_t originalLength = 0; ///< bytes on the wire
    std::span<const std::byte> data;  ///< captured bytes, possibly fewer
    PacketDirection direction = PacketDirection::unknown;
    std::string_view comment = {};    ///< all comments, in order, with '\0' between two; "" none
};

/// Calls `use` with each comment of a PacketView.
template<class Use>
void eachComment(std::string_view comments, Use &&use) {
    while (!comments.empty()) {
        const std::size_t end = std::min(comments.find('\0'), comments.size());
        use(comments.substr(0, end));
        comments.remove_prefix(std::min(end + 1, comments.size()));
    }
}

/// Counters of one capture point (pcapng Interface Statistics Block). Totals since the capture began.
struct PointStatistics {
    base::CapturePointId point;
    base::Timestamp time;
    std::uint64_t received = 0;
    std::uint64_t dropped = 0;     ///< isb_ifdrop + isb_osdrop
};

/// Receives a stream in order. Called on the reader's thread.
class StreamSink {
public:
    virtual ~StreamSink() = default;
    virtual void onCapturePoint(base::CapturePointId id, const CapturePoint &point) = 0;
    virtual void onPacket(const PacketView &packet) = 0;
    virtual void onStatistics(const PointStatistics &statistics) = 0;
};

} // namespace natlens::file
