// A sink that keeps everything as one line of text each, so that streams can be compared as lists of text.
#pragma once

#include "capture/file/reader.h"

#include <QByteArray>
#include <QStringList>
#include <fmt/format.h>

namespace natlens::test {

class RecordingSink final : public file::StreamSink {
public:
    QStringList lines;
    int packets = 0;

    void onCapturePoint(base::CapturePointId id, const file::CapturePoint &point) override {
        std::string line = fmt::format("point {} '{}' '{}' link {} snap {}", id.value, point.name, point.description,
                                       static_cast<int>(point.linkType), point.snapLength);
        if (point.mac) line += fmt::format(" mac {:02x}..{:02x}", (*point.mac)[0], (*point.mac)[5]);
        lines << QString::fromStdString(line);
    }
    void onPacket(const file::PacketView &packet) override {
        ++packets;
        std::string line = fmt::format("packet {} on {} at {} of {}", packet.number.value, packet.point.value,
                                       packet.time.toString(), packet.originalLength);
        if (packet.direction != file::PacketDirection::unknown)
            line += packet.direction == file::PacketDirection::inbound ? " in" : " out";
        file::eachComment(packet.comment, [&](std::string_view text) { line += fmt::format(" '{}'", text); });
        const QByteArray data(reinterpret_cast<const char *>(packet.data.data()), qsizetype(packet.data.size()));
        lines << QString::fromStdString(line) + ": " + QString::fromLatin1(data.toHex());
    }
    void onStatistics(const file::PointStatistics &statistics) override {
        lines << QString::fromStdString(fmt::format("statistics {} at {} received {} dropped {}",
                                                    statistics.point.value, statistics.time.toString(),
                                                    statistics.received, statistics.dropped));
    }
};

} // namespace natlens::test
