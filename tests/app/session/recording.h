// Recordings for tests: one TCP connection that node2 translates, as the document's nodeport section has it.
#pragma once

#include "capture/file/pcapng_writer.h"
#include "capture/packet/builder.h"

#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

namespace natlens::testing {

inline base::UniqueFd createFile(const std::filesystem::path &path) {
    return base::UniqueFd(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
}

inline std::string contents(const std::filesystem::path &path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

inline void writeText(const std::filesystem::path &path, std::string_view text) {
    std::ofstream(path, std::ios::binary) << text;
}

/// One frame of the conversation at one capture point.
struct Frame {
    std::string point;
    std::int64_t microseconds;
    std::vector<std::byte> bytes;
    file::PacketDirection direction = file::PacketDirection::unknown;
};

/// SYN, SYN-ACK, ACK and RST of one connection: client -> node2 (SNAT, DNAT) -> pod, at "client/eth0", "node2/eth0" and
/// "pod/eth0". Two connections of different `clientPort` have nothing in common.
inline std::vector<Frame> conversation(packet::Port clientPort = 53210, std::int64_t start = 0) {
    using packet::IpAddress;
    using packet::TcpFlags;
    const IpAddress client = IpAddress::v4(104, 132, 1, 79), node = IpAddress::v4(10, 240, 0, 5),
                    pod = IpAddress::v4(10, 180, 1, 136);
    const auto nodePort = static_cast<packet::Port>(clientPort + 1000);
    const std::uint32_t isn = 1000u + clientPort, answer = 77'000u + clientPort;
    std::vector<Frame> frames;
    std::int64_t time = start;
    const auto request = [&](std::uint8_t flags, std::uint32_t seq, std::uint32_t ack, std::uint16_t id) {
        const auto outside =
            packet::PacketBuilder().ip(client, node).tcp(clientPort, 32080, flags).seq(seq).ack(ack).ipId(id).ttl(64);
        const auto inside =
            packet::PacketBuilder().ip(node, pod).tcp(nodePort, 8080, flags).seq(seq).ack(ack).ipId(id).ttl(63);
        frames.push_back({"client/eth0", time += 10, outside.build()});
        frames.push_back({"node2/eth0", time += 10, outside.build()});
        frames.push_back({"node2/eth0", time += 10, inside.build()});
        frames.push_back({"pod/eth0", time += 10, inside.build()});
    };
    const auto reply = [&](std::uint8_t flags, std::uint32_t seq, std::uint32_t ack, std::uint16_t id) {
        const auto inside =
            packet::PacketBuilder().ip(pod, node).tcp(8080, nodePort, flags).seq(seq).ack(ack).ipId(id).ttl(64);
        const auto outside =
            packet::PacketBuilder().ip(node, client).tcp(32080, clientPort, flags).seq(seq).ack(ack).ipId(id).ttl(63);
        frames.push_back({"pod/eth0", time += 10, inside.build()});
        frames.push_back({"node2/eth0", time += 10, inside.build()});
        frames.push_back({"node2/eth0", time += 10, outside.build()});
        frames.push_back({"client/eth0", time += 10, outside.build()});
    };
    const auto id = static_cast<std::uint16_t>(clientPort % 1000);
    request(TcpFlags::syn, isn, 0, static_cast<std::uint16_t>(id + 1));
    reply(TcpFlags::syn | TcpFlags::ack, answer, isn + 1, static_cast<std::uint16_t>(id + 2));
    request(TcpFlags::ack, isn + 1, answer + 1, static_cast<std::uint16_t>(id + 3));
    request(TcpFlags::fin | TcpFlags::ack, isn + 1, answer + 1, static_cast<std::uint16_t>(id + 4));
    reply(TcpFlags::fin | TcpFlags::ack, answer + 1, isn + 2, static_cast<std::uint16_t>(id + 5));
    request(TcpFlags::ack, isn + 2, answer + 2, static_cast<std::uint16_t>(id + 6));
    return frames;
}

/// Writes the frames of the named points only (all when empty). False when something could not be written.
inline bool writeRecording(base::UniqueFd fd, const std::vector<Frame> &frames,
                           const std::vector<std::string> &points = {"client/eth0", "node2/eth0", "pod/eth0"}) {
    file::PcapngWriter writer(std::move(fd));
    std::vector<base::CapturePointId> ids;
    for (const std::string &name : points) {
        file::CapturePoint point;
        point.name = name;
        auto id = writer.addPoint(point);
        if (!id) return false;
        ids.push_back(*id);
    }
    for (const Frame &frame : frames) {
        for (std::size_t i = 0; i < points.size(); ++i) {
            if (points[i] != frame.point) continue;
            file::PacketView view;
            view.point = ids[i];
            view.time = {1'700'000'000'000'000'000 + frame.microseconds * 1000};
            view.originalLength = static_cast<std::uint32_t>(frame.bytes.size());
            view.data = frame.bytes;
            view.direction = frame.direction;
            if (!writer.writePacket(view)) return false;
        }
    }
    return writer.flush().has_value();
}

} // namespace natlens::testing
