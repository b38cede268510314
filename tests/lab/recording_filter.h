// Copies of recordings with something left out, for tests.
#pragma once

#include "capture/file/pcapng_writer.h"
#include "capture/file/reader.h"

#include <QString>
#include <fcntl.h>
#include <functional>
#include <map>

namespace natlens::test {

/// Writes what it is given to a new file, except what the two predicates turn down.
class RecordingFilter final : public file::StreamSink {
public:
    using KeepPoint = std::function<bool(const file::CapturePoint &)>;
    using KeepPacket = std::function<bool(const file::CapturePoint &, const file::PacketView &)>;

    RecordingFilter(const QString &to, KeepPoint keepPoint, KeepPacket keepPacket)
        : m_writer(base::UniqueFd(::open(to.toLocal8Bit().constData(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644)))
        , m_keepPoint(std::move(keepPoint))
        , m_keepPacket(std::move(keepPacket)) {}

    static base::Status copy(const QString &from, const QString &to, KeepPoint keepPoint,
                             KeepPacket keepPacket = [](const auto &, const auto &) { return true; }) {
        RecordingFilter filter(to, std::move(keepPoint), std::move(keepPacket));
        if (auto status = file::readFile(from.toStdString(), filter); !status) return status;
        return filter.m_writer.flush();
    }

    void onCapturePoint(base::CapturePointId id, const file::CapturePoint &point) override {
        if (!m_keepPoint(point)) return;
        const auto added = m_writer.addPoint(point);
        if (added) m_points[id] = {*added, point};
    }
    void onPacket(const file::PacketView &packet) override {
        const auto found = m_points.find(packet.point);
        if (found == m_points.end() || !m_keepPacket(found->second.second, packet)) return;
        file::PacketView copy = packet;
        copy.point = found->second.first;
        (void)m_writer.writePacket(copy);
    }
    void onStatistics(const file::PointStatistics &statistics) override {
        const auto found = m_points.find(statistics.point);
        if (found == m_points.end()) return;
        file::PointStatistics copy = statistics;
        copy.point = found->second.first;
        (void)m_writer.writeStatistics(copy);
    }

private:
    file::PcapngWriter m_writer;
    KeepPoint m_keepPoint;
    KeepPacket m_keepPacket;
    std::map<base::CapturePointId, std::pair<base::CapturePointId, file::CapturePoint>> m_points;
};

inline bool isPackets(const file::CapturePoint &point) {
    return point.linkType != packet::LinkType::netlink && point.linkType != packet::LinkType::user0;
}

} // namespace natlens::test
