// Connections as they look in captures, for tests of the tracer: packets at capture points, made by rule.
#pragma once

#include "capture/packet/builder.h"
#include "tracer/tracer.h"

#include <algorithm>
#include <map>
#include <string>
#include <vector>

namespace natlens::test {

using packet::SocketAddress;
using packet::TcpFlags;
using packet::Tuple;

inline SocketAddress at(const char *text) {
    return *SocketAddress::parse(text);
}

inline Tuple tcp(const char *src, const char *dst) {
    return {packet::Protocol::tcp, at(src), at(dst)};
}

/// Of packets whose way through the capture point is not known.
inline constexpr auto kNoWay = tracer::Crossing::unknown;

inline constexpr std::int64_t kStart = 1'700'000'000'000'000'000; ///< nanoseconds
inline constexpr std::int64_t kMicro = 1'000, kMilli = 1'000'000;

/// One captured packet.
struct Captured {
    std::string point;     ///< "node2/eth0"
    std::int64_t time = 0; ///< nanoseconds after kStart
    tracer::Crossing crossing = tracer::Crossing::unknown;
    std::vector<std::byte> bytes;
    std::uint32_t length = 0; ///< on the wire; 0: all of it is in `bytes`
};

/// A sight on the way of a packet: where, in which guise.
struct Stop {
    std::string point;
    tracer::Crossing crossing;
    std::uint8_t ttl;
    Tuple tuple; ///< of a request packet; replies pass it reversed
};

inline constexpr auto kIn = tracer::Crossing::inbound, kOut = tracer::Crossing::outbound;

struct Scenario {
    std::vector<Captured> packets;
    std::vector<tracer::TranslationEvent> translations;
    std::vector<tracer::RuleTraceEvent> traces;
    std::vector<std::pair<std::int64_t, std::string>> clusterState;
    std::vector<std::tuple<std::string, std::int64_t, std::uint64_t>> drops; ///< point, time, total
    std::int64_t endsAt = 0; ///< the capture goes on until then (a statistics block says so)
};

/// Options of a simulated TCP conversation.
struct Talk {
    std::vector<Stop> request, reply; ///< in the order of travel; reply tuples are those of the request
    std::int64_t begin = 0;
    std::uint32_t clientIsn = 1'000'000, serverIsn = 7'000'000;
    std::uint32_t ts = 5'000'000;
    std::uint16_t ipId = 0x1000;
    std::string ask = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    std::string answer = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nCLIENT VALUES:\nclient_address=10.0.0.1\n";
    bool close = true;
};

/// Puts one packet at every stop of a way, 10 microseconds from stop to stop.
inline void send(Scenario &scenario, const std::vector<Stop> &way, std::int64_t time, bool reply,
                 const std::function<void(packet::PacketBuilder &, const Tuple &)> &fill) {
    for (const Stop &stop : way) {
        const Tuple tuple = reply ? stop.tuple.reversed() : stop.tuple;
        packet::PacketBuilder builder;
        builder.ip(tuple.src.ip, tuple.dst.ip).ttl(stop.ttl);
        fill(builder, tuple);
        scenario.packets.push_back({stop.point, time, stop.crossing, builder.build(), 0});
        time += 10 * kMicro;
    }
}

inline void addTcp(Scenario &scenario, const Talk &talk) {
    std::int64_t time = talk.begin;
    std::uint16_t id = talk.ipId;
    std::uint32_t ts = talk.ts, seq = talk.clientIsn, ack = talk.serverIsn;
    const auto packet = [&](bool reply, std::uint8_t flags, std::uint32_t s, std::uint32_t a, const std::string &text) {
        const bool syn = flags & TcpFlags::syn;
        send(scenario, reply ? talk.reply : talk.request, time, reply, [&](auto &builder, const Tuple &tuple) {
            builder.tcp(tuple.src.port, tuple.dst.port, flags).seq(s).ack(a).timestamps(ts, syn && !reply ? 0 : ts - 1);
            builder.ipId(syn && reply ? std::uint16_t{0} : id);
            if (syn) builder.mss(1460).sackPermitted().windowScale(7);
            builder.payload(std::string_view(text));
        });
        time += kMilli;
        ++id;
        ++ts;
    };
    packet(false, TcpFlags::syn, seq, 0, "");
    if (talk.reply.empty()) return;
    packet(true, TcpFlags::syn | TcpFlags::ack, ack, ++seq, "");
    packet(false, TcpFlags::ack, seq, ++ack, "");
    packet(false, TcpFlags::ack | TcpFlags::psh, seq, ack, talk.ask);
    seq += static_cast<std::uint32_t>(talk.ask.size());
    packet(true, TcpFlags::ack | TcpFlags::psh, ack, seq, talk.answer);
    ack += static_cast<std::uint32_t>(talk.answer.size());
    packet(false, TcpFlags::ack, seq, ack, "");
    if (!talk.close) return;
    packet(false, TcpFlags::ack | TcpFlags::fin, seq++, ack, "");
    packet(true, TcpFlags::ack | TcpFlags::fin, ack++, seq, "");
    packet(false, TcpFlags::ack, seq, ack, "");
}

/// A SYN and its repetitions (at 0, 1, 3, 7 s) without an answer.
/// client - node2, which translates - node1 - pod, and back; one interface for each of the nodes' sides.
inline Talk throughTwoNodes(const Tuple &outside, const Tuple &inside) {
    Talk talk;
    talk.request = {{"client/eth0", kNoWay, 64, outside}, {"node2/c1", kNoWay, 64, outside},
                    {"node2/eth0", kNoWay, 63, inside},   {"node1/eth0", kNoWay, 63, inside},
                    {"node1/cbr0", kNoWay, 62, inside},   {"pod/eth0", kNoWay, 62, inside}};
    talk.reply = {{"pod/eth0", kNoWay, 64, inside},   {"node1/cbr0", kNoWay, 64, inside},
                  {"node1/eth0", kNoWay, 63, inside}, {"node2/eth0", kNoWay, 63, inside},
                  {"node2/c1", kNoWay, 62, outside},  {"client/eth0", kNoWay, 62, outside}};
    return talk;
}

inline void addSyns(Scenario &scenario, const Talk &talk, unsigned count) {
    for (unsigned i = 0; i < count; ++i)
        send(scenario, talk.request, talk.begin + ((1 << i) - 1) * 1000 * kMilli, false,
             [&](auto &builder, const Tuple &tuple) {
                 builder.tcp(tuple.src.port, tuple.dst.port, TcpFlags::syn).seq(talk.clientIsn);
                 builder.timestamps(talk.ts + i * 1000, 0).mss(1460).sackPermitted().windowScale(7);
                 builder.ipId(static_cast<std::uint16_t>(talk.ipId + i));
             });
}

inline void addConntrack(Scenario &scenario, const std::string &host, std::int64_t time, const Tuple &original,
                         const Tuple &translated) {
    tracer::TranslationEvent event;
    event.time.nanoseconds = kStart + time;
    event.host = host;
    event.original = original;
    event.reply = translated.reversed();
    scenario.translations.push_back(event);
}

struct Feeding {
    bool evidence = true; ///< conntrack and rule traces
    bool crossings = true;
    bool clusterState = true;
    bool finish = true;
    bool byPoint = false;       ///< file after file instead of in order of time
    unsigned snapshotEvery = 0; ///< packets; 0: only at the end
    tracer::Tracer::Options options = {};
};

/// Feeds a scenario and returns the last snapshot. Points get their ids in order of their names' first appearance.
inline std::shared_ptr<const tracer::Snapshot> trace(Scenario scenario, const Feeding &how = {}) {
    tracer::Tracer tracer(how.options);
    std::map<std::string, base::CapturePointId> points;
    const auto pointOf = [&](const std::string &name) {
        const auto [found, isNew] =
            points.try_emplace(name, base::CapturePointId{static_cast<unsigned>(points.size())});
        if (isNew) tracer.addCapturePoint(found->second, name, packet::LinkType::ethernet);
        return found->second;
    };
    if (how.clusterState)
        for (const auto &[time, json] : scenario.clusterState)
            tracer.addClusterState(base::Timestamp{kStart + time}, json);
    if (!how.byPoint)
        std::ranges::stable_sort(scenario.packets, {}, &Captured::time);
    else
        std::ranges::stable_sort(scenario.packets, {}, [](const Captured &c) { return std::pair(c.point, c.time); });
    std::uint64_t number = 0;
    const auto evidence = [&] {
        if (!how.evidence) return;
        for (const auto &event : scenario.translations)
            tracer.addTranslation(event);
        for (const auto &event : scenario.traces)
            tracer.addRuleTrace(event);
    };
    if (how.byPoint) evidence();
    for (const auto &captured : scenario.packets) {
        tracer.addPacket(pointOf(captured.point), base::Timestamp{kStart + captured.time}, base::PacketNumber{++number},
                         how.crossings ? captured.crossing : tracer::Crossing::unknown,
                         captured.length ? captured.length : static_cast<std::uint32_t>(captured.bytes.size()),
                         captured.bytes);
        if (how.snapshotEvery != 0 && number % how.snapshotEvery == 0) (void)tracer.snapshot();
    }
    if (!how.byPoint) evidence();
    for (const auto &[point, time, total] : scenario.drops)
        tracer.addDrops(pointOf(point), base::Timestamp{kStart + time}, total);
    if (scenario.endsAt != 0 && !points.empty())
        tracer.addDrops(points.begin()->second, base::Timestamp{kStart + scenario.endsAt}, 0);
    if (how.finish) tracer.finish();
    return tracer.snapshot();
}

// ---- the document's cluster -----------------------------------------------------------------------------------

inline constexpr auto kOutside = "104.132.1.79:53210";

/// client -> node2 (SNAT and DNAT) -> node1 -> pod, as in the first diagram.
inline Talk viaNode2(const char *client = kOutside, const char *snat = "10.240.0.5:4021") {
    const Tuple outside = tcp(client, "10.240.0.5:32080"), inside = tcp(snat, "10.180.1.136:8080");
    Talk talk;
    talk.request = {{"client/eth0", kOut, 64, outside},     {"node2/eth0", kIn, 64, outside},
                    {"node2/eth0", kOut, 63, inside},       {"node1/eth0", kIn, 63, inside},
                    {"node1/cbr0", kOut, 62, inside},       {"node1/veth1", kOut, 62, inside},
                    {"source-ip-app/eth0", kIn, 62, inside}};
    talk.reply = {{"source-ip-app/eth0", kOut, 64, inside}, {"node1/veth1", kIn, 64, inside},
                  {"node1/cbr0", kIn, 64, inside},          {"node1/eth0", kOut, 63, inside},
                  {"node2/eth0", kIn, 63, inside},          {"node2/eth0", kOut, 62, outside},
                  {"client/eth0", kIn, 62, outside}};
    return talk;
}

/// client -> node1 -> pod, with the given translation at node1.
inline Talk viaNode1(const Tuple &outside, const Tuple &inside) {
    Talk talk;
    talk.request = {{"client/eth0", kOut, 64, outside},
                    {"node1/eth0", kIn, 64, outside},
                    {"node1/cbr0", kOut, 63, inside},
                    {"node1/veth1", kOut, 63, inside},
                    {"source-ip-app/eth0", kIn, 63, inside}};
    talk.reply = {{"source-ip-app/eth0", kOut, 64, inside},
                  {"node1/veth1", kIn, 64, inside},
                  {"node1/cbr0", kIn, 64, inside},
                  {"node1/eth0", kOut, 63, outside},
                  {"client/eth0", kIn, 63, outside}};
    return talk;
}

/// "client>node2[SNAT,DNAT]>node1>source-ip-app": hosts of one direction with what they translated.
inline std::string route(const tracer::Path &path, tracer::Direction direction = tracer::Direction::request) {
    std::string text;
    for (const auto &hop : path.hops) {
        if (hop.direction != direction) continue;
        text += (text.empty() ? "" : ">") + hop.host;
        std::string nat;
        for (const auto kind : hop.nat)
            nat += (nat.empty() ? "" : ",") + std::string(toString(kind));
        if (!nat.empty()) text += "[" + nat + "]";
        if (hop.inferred) text += "?";
    }
    return text;
}

} // namespace natlens::test
