// What a recording of the lab holds, for tests that spoil it: the packets, and the translations that conntrack told of.
#pragma once

#include "capture/file/reader.h"
#include "capture/netlink/conntrack_message.h"
#include "capture/netlink/message.h"
#include "tests/tracer/referee.h"

#include <fstream>

namespace natlens::test {

class RecordedPackets final : public file::StreamSink {
public:
    void onCapturePoint(base::CapturePointId id, const file::CapturePoint &point) override { m_points[id] = point; }
    void onStatistics(const file::PointStatistics &statistics) override {
        const auto type = m_points.at(statistics.point).linkType;
        if (type != packet::LinkType::netlink && type != packet::LinkType::user0)
            m_lost[statistics.point] = statistics.dropped;
    }
    void onPacket(const file::PacketView &view) override {
        const auto &point = m_points.at(view.point);
        if (point.linkType == packet::LinkType::user0) return;
        if (point.linkType == packet::LinkType::netlink) return translation(view, point.name);
        packets.push_back({.point = point.name,
                           .time = view.time.nanoseconds,
                           .crossing = tracer::Crossing::unknown,
                           .bytes = {view.data.begin(), view.data.end()},
                           .length = view.originalLength});
    }

    /// Packets that the captures lost, at all points together.
    [[nodiscard]] std::uint64_t lost() const {
        std::uint64_t sum = 0;
        for (const auto &[point, count] : m_lost)
            sum += count;
        return sum;
    }

    Packets packets; ///< times since 1970
    std::vector<Truth> translated;

private:
    void translation(const file::PacketView &view, const std::string &name) {
        if (!name.ends_with("/conntrack")) return;
        const auto unwrapped = netlink::unwrap(view.data);
        const auto message = unwrapped ? netlink::decodeConntrack(unwrapped->message) : std::nullopt;
        if (!message || message->original == message->reply.reversed()) return;
        if (message->kind == netlink::ConntrackMessage::Kind::created)
            translated.push_back({{message->original, message->reply.reversed()}, view.time.nanoseconds});
    }

    std::map<base::CapturePointId, file::CapturePoint> m_points;
    std::map<base::CapturePointId, std::uint64_t> m_lost;
};

/// Writes classic pcap files, one for each capture point, as tcpdump would: node1-eth0.pcap. Knows nothing of
/// directions and drops. Returns what `natlens replay` is to be given.
inline QStringList writePlainFiles(Packets packets, const QString &folder) {
    std::ranges::stable_sort(packets, {}, &Captured::time);
    std::map<std::string, std::ofstream> files;
    QStringList arguments;
    const auto put = [](std::ofstream &out, std::initializer_list<std::uint32_t> words) {
        for (const std::uint32_t word : words)
            out.write(reinterpret_cast<const char *>(&word), sizeof(word));
    };
    for (const Captured &packet : packets) {
        auto [at, isNew] = files.try_emplace(packet.point);
        if (isNew) {
            std::string name = packet.point;
            std::ranges::replace(name, '/', '-');
            const QString path = folder + "/" + QString::fromStdString(name) + ".pcap";
            at->second.open(path.toStdString(), std::ios::binary | std::ios::trunc);
            put(at->second, {0xa1b23c4d, 0x00040002, 0, 0, 262'144, 1});
            arguments << path << "--point=" + path + "=" + QString::fromStdString(packet.point);
        }
        put(at->second, {static_cast<std::uint32_t>(packet.time / 1'000'000'000),
                         static_cast<std::uint32_t>(packet.time % 1'000'000'000),
                         static_cast<std::uint32_t>(packet.bytes.size()), packet.length});
        at->second.write(reinterpret_cast<const char *>(packet.bytes.data()),
                         static_cast<std::streamsize>(packet.bytes.size()));
    }
    return arguments;
}

} // namespace natlens::test
