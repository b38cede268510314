// What a recording says about each of its packets.
#pragma once

#include "capture/file/capture_stream.h"
#include "tracer/path/snapshot.h"

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace natlens::session {

/// Finds the path, and the hop in it, that a packet belongs to: by host, addresses and time. A function of a finished
/// snapshot, of all paths of its source even where it holds only some. A few hundred bytes a path. Lives on one thread.
class Annotations final {
public:
    explicit Annotations(const tracer::Snapshot &snapshot);

    /// Capture points must be told of before their packets.
    void addPoint(base::CapturePointId id, const file::CapturePoint &point);
    /// "path 12, hop 2 of 5: SNAT 104.132.1.79 -> 10.240.0.5", with findings that the packet is evidence of behind it;
    /// "" when it belongs to no path. Hops are counted in their direction, client and endpoint included. Valid until
    /// the next call.
    [[nodiscard]] std::string_view of(const file::PacketView &packet);

    /// A comment that this class made, in this or another run.
    [[nodiscard]] static bool isOne(std::string_view comment);

private:
    struct Place {
        base::Timestamp first, last; ///< of the path
        std::uint32_t text = 0;      ///< index
    };
    struct Point {
        std::string host;
        packet::LinkType linkType = packet::LinkType::ethernet;
        bool packets = false;
    };
    [[nodiscard]] const Place *find(const std::string &host, const packet::Tuple &tuple, base::Timestamp time) const;
    [[nodiscard]] static std::uint64_t keyOf(std::string_view host, const packet::Tuple &tuple);
    void add(const tracer::Path &path);

    std::unordered_map<std::uint64_t, std::vector<Place>> m_places; ///< by host and tuple; by time of the path
    std::vector<std::string> m_texts;
    std::unordered_map<std::uint64_t, std::string> m_findings; ///< by packet number
    std::vector<Point> m_points;
    std::string m_text;
};

/// The hop in one line: "SNAT 104.132.1.79 -> 10.240.0.5, DNAT 10.240.0.5:32080 -> 10.180.1.136:8080",
/// "node1 forwards".
[[nodiscard]] std::string hopInWords(const tracer::Path &path, const tracer::Hop &hop);

} // namespace natlens::session
