// What may befall captures before somebody hands them over: each a function from packets to packets, by seed.
#pragma once

#include "capture/packet/decode.h"
#include "tests/tracer/scenario.h"

#include <functional>
#include <random>
#include <set>

namespace natlens::test {

using Packets = std::vector<Captured>;

namespace impair {

/// The clock of every host is off by up to five seconds and runs up to 100 ppm wrong.
inline void clocks(Packets &packets, std::uint32_t seed) {
    const auto hostOf = [](const Captured &packet) { return packet.point.substr(0, packet.point.find('/')); };
    std::map<std::string, std::pair<std::int64_t, double>> clocks;
    for (const auto &packet : packets)
        clocks.try_emplace(hostOf(packet));
    std::mt19937 random(seed);
    for (auto &[host, clock] : clocks)
        clock = {(static_cast<std::int64_t>(random() % 10'000) - 5'000) * kMilli,
                 (static_cast<double>(random() % 201) - 100) * 1e-6};
    for (auto &packet : packets) {
        const auto &[offset, skew] = clocks.at(hostOf(packet));
        packet.time += 5'000 * kMilli + offset + static_cast<std::int64_t>(static_cast<double>(packet.time) * skew);
    }
}

/// Every point misses some packets, each point others.
inline void lose(Packets &packets, std::uint32_t seed, unsigned perMille = 20) {
    std::mt19937 random(seed);
    std::erase_if(packets, [&](const Captured &) { return random() % 1000 < perMille; });
}

inline void withoutHost(Packets &packets, const std::string &host) {
    std::erase_if(packets, [&](const Captured &packet) { return packet.point.starts_with(host + "/"); });
}

inline void withoutPoint(Packets &packets, const std::string &point) {
    std::erase_if(packets, [&](const Captured &packet) { return packet.point == point; });
}

inline void snap(Packets &packets, std::size_t length) {
    for (auto &packet : packets) {
        if (packet.length == 0) packet.length = static_cast<std::uint32_t>(packet.bytes.size());
        if (packet.bytes.size() > length) packet.bytes.resize(length);
    }
}

/// mergecap: one file, one capture point.
inline void merge(Packets &packets) {
    std::ranges::stable_sort(packets, {}, &Captured::time);
    for (auto &packet : packets) {
        packet.point = "merged";
        packet.crossing = tracer::Crossing::unknown;
    }
}

/// Every point begins to capture at its own moment within the first `share` of the time, and ends so, too.
inline void window(Packets &packets, std::uint32_t seed, double share) {
    std::map<std::string, std::pair<std::int64_t, std::int64_t>> windows;
    std::int64_t last = 0;
    for (const auto &packet : packets) {
        windows.try_emplace(packet.point);
        last = std::max(last, packet.time);
    }
    std::mt19937 random(seed);
    const auto part = [&] {
        return static_cast<std::int64_t>(static_cast<double>(last) * share * static_cast<double>(random() % 1000) /
                                         1000);
    };
    for (auto &[point, window] : windows)
        window = {part(), last - part()};
    std::erase_if(packets, [&](const Captured &packet) {
        const auto &[from, to] = windows.at(packet.point);
        return packet.time < from || packet.time > to;
    });
}

/// All points begin at once after this share of the time, in the middle of connections that were opened before.
inline void beginAt(Packets &packets, double share) {
    std::int64_t last = 0;
    for (const auto &packet : packets)
        last = std::max(last, packet.time);
    const auto from = static_cast<std::int64_t>(static_cast<double>(last) * share);
    std::erase_if(packets, [&](const Captured &packet) { return packet.time < from; });
}

/// Some packets are captured twice within microseconds.
inline void duplicate(Packets &packets, std::uint32_t seed, unsigned perMille = 20) {
    std::mt19937 random(seed);
    Packets more;
    for (const auto &packet : packets) {
        if (random() % 1000 >= perMille) continue;
        more.push_back(packet);
        more.back().time += 3 * kMicro;
    }
    packets.insert(packets.end(), more.begin(), more.end());
}

/// Super-packets are cut into segments as the wire carries them, at every second point.
inline void segment(Packets &packets, std::uint32_t seed, std::uint32_t size = 1448) {
    std::map<std::string, bool> cuts;
    for (const auto &packet : packets)
        cuts.try_emplace(packet.point);
    std::mt19937 random(seed);
    for (auto &[point, cut] : cuts)
        cut = random() % 2 == 0;
    Packets result;
    const auto put16 = [](std::vector<std::byte> &bytes, std::size_t at, std::uint16_t value) {
        bytes[at] = std::byte(value >> 8);
        bytes[at + 1] = std::byte(value & 0xff);
    };
    for (auto &packet : packets) {
        const auto decoded = packet::decode(packet::LinkType::ethernet, packet.bytes);
        if (!cuts.at(packet.point) || !decoded.isTcp() || decoded.payloadLength <= size ||
            packet.bytes.size() < decoded.payloadOffset + decoded.payloadLength) {
            result.push_back(std::move(packet));
            continue;
        }
        for (std::uint32_t from = 0, n = 0; from < decoded.payloadLength; from += size, ++n) {
            Captured part{packet.point, packet.time + n * 1200, packet.crossing, {}, 0};
            const std::uint32_t length = std::min(size, decoded.payloadLength - from);
            part.bytes.assign(packet.bytes.begin(), packet.bytes.begin() + decoded.payloadOffset);
            const auto begin = packet.bytes.begin() + decoded.payloadOffset + from;
            part.bytes.insert(part.bytes.end(), begin, begin + length);
            put16(part.bytes, decoded.networkOffset + 2,
                  static_cast<std::uint16_t>(part.bytes.size() - decoded.networkOffset));
            put16(part.bytes, decoded.networkOffset + 4, static_cast<std::uint16_t>(decoded.ipId + n));
            const std::uint32_t seq = decoded.tcpSeq + from;
            put16(part.bytes, decoded.transportOffset + 4, static_cast<std::uint16_t>(seq >> 16));
            put16(part.bytes, decoded.transportOffset + 6, static_cast<std::uint16_t>(seq));
            result.push_back(std::move(part));
        }
    }
    packets = std::move(result);
}

/// Both ends have TCP timestamps switched off.
inline void withoutTimestamps(Packets &packets) {
    constexpr std::byte kNothing{1}; // NOP
    for (auto &packet : packets) {
        const auto decoded = packet::decode(packet::LinkType::ethernet, packet.bytes);
        if (!decoded.isTcp() || !decoded.hasTcpTimestamp) continue;
        const std::size_t end = decoded.payloadOffset;
        for (std::size_t at = decoded.transportOffset + 20U; at + 10 <= end;) {
            const auto kind = std::to_integer<unsigned>(packet.bytes[at]);
            if (kind == 8) {
                std::fill_n(packet.bytes.begin() + static_cast<std::ptrdiff_t>(at), 10, kNothing);
                break;
            }
            at += kind <= 1 ? 1 : std::to_integer<std::size_t>(packet.bytes[at + 1]);
        }
    }
}

/// What a clock that ticks seldom says.
inline void ticks(Packets &packets, std::int64_t length) {
    for (auto &packet : packets)
        packet.time -= packet.time % length;
}

/// A filter let only packets through that open, close or reset (tcp[tcpflags] & (tcp-syn|tcp-fin|tcp-rst) != 0), and
/// datagrams.
inline void onlyEnds(Packets &packets) {
    std::erase_if(packets, [](const Captured &packet) {
        const auto decoded = packet::decode(packet::LinkType::ethernet, packet.bytes);
        return decoded.isTcp() && !(decoded.tcpFlags & (TcpFlags::syn | TcpFlags::fin | TcpFlags::rst));
    });
}

/// Every second point sees one direction only (a mirror of what it receives).
inline void oneWay(Packets &packets, std::uint32_t seed) {
    std::map<std::string, bool> halves;
    for (const auto &packet : packets)
        halves.try_emplace(packet.point);
    std::mt19937 random(seed);
    for (auto &[point, half] : halves)
        half = random() % 2 == 0;
    std::erase_if(packets, [&](const Captured &packet) {
        if (!halves.at(packet.point)) return false;
        const auto decoded = packet::decode(packet::LinkType::ethernet, packet.bytes);
        return decoded.tuple.src.port < decoded.tuple.dst.port;
    });
}

} // namespace impair

/// Changes packets by a seed.
using Spoil = std::function<void(Packets &, std::uint32_t seed)>;

struct Impairment {
    const char *name;
    Spoil spoil;
};

inline const std::vector<Impairment> &impairments() {
    static const std::vector<Impairment> all = {
        {"nothing", [](Packets &, std::uint32_t) {}},
        {"clocks shifted and skewed", [](Packets &p, std::uint32_t s) { impair::clocks(p, s); }},
        {"2 % lost", [](Packets &p, std::uint32_t s) { impair::lose(p, s); }},
        {"client missing", [](Packets &p, std::uint32_t) { impair::withoutHost(p, "client"); }},
        {"node2 missing", [](Packets &p, std::uint32_t) { impair::withoutHost(p, "node2"); }},
        {"node1 missing", [](Packets &p, std::uint32_t) { impair::withoutHost(p, "node1"); }},
        {"pod missing", [](Packets &p, std::uint32_t) { impair::withoutHost(p, "source-ip-app"); }},
        {"bridge missing", [](Packets &p, std::uint32_t) { impair::withoutPoint(p, "node1/cbr0"); }},
        {"snap length 96", [](Packets &p, std::uint32_t) { impair::snap(p, 96); }},
        {"merged into one file", [](Packets &p, std::uint32_t) { impair::merge(p); }},
        {"begun in mid-connection", [](Packets &p, std::uint32_t) { impair::beginAt(p, 0.6); }},
        {"points begin and end at different moments", [](Packets &p, std::uint32_t s) { impair::window(p, s, 0.3); }},
        {"2 % twice", [](Packets &p, std::uint32_t s) { impair::duplicate(p, s); }},
        {"super-packets cut at some points", [](Packets &p, std::uint32_t s) { impair::segment(p, s); }},
        {"snap length 96, mid-connection, 2 % lost",
         [](Packets &p, std::uint32_t s) {
             impair::window(p, s, 0.3);
             impair::lose(p, s);
             impair::snap(p, 96);
         }},
        {"cut super-packets, snap length 96, mid-connection",
         [](Packets &p, std::uint32_t s) {
             impair::segment(p, s);
             impair::window(p, s, 0.3);
             impair::snap(p, 96);
         }},
        {"only what opens and closes", [](Packets &p, std::uint32_t) { impair::onlyEnds(p); }},
        {"one direction at some points", [](Packets &p, std::uint32_t s) { impair::oneWay(p, s); }},
        {"without TCP timestamps, mid-connection, merged",
         [](Packets &p, std::uint32_t s) {
             impair::withoutTimestamps(p);
             impair::window(p, s, 0.3);
             impair::merge(p);
         }},
        {"merged, times in milliseconds",
         [](Packets &p, std::uint32_t) {
             impair::merge(p);
             impair::ticks(p, kMilli);
         }},
        {"clocks wrong, merged",
         [](Packets &p, std::uint32_t s) {
             impair::clocks(p, s);
             impair::merge(p);
         }},
        {"clocks wrong, 2 % lost, 2 % twice, node2 missing",
         [](Packets &p, std::uint32_t s) {
             impair::duplicate(p, s);
             impair::lose(p, s + 1);
             impair::clocks(p, s);
             impair::withoutHost(p, "node2");
         }},
    };
    return all;
}

} // namespace natlens::test
