// Many connections through the document's cluster at once, as Linux hosts send them, with what really became of each.
#pragma once

#include "tests/tracer/scenario.h"

#include <fmt/format.h>

#include <random>

namespace natlens::test {

using packet::Protocol;

/// One connection as its hosts know it: its addresses on every leg, from the client's to the endpoint's.
struct Truth {
    std::vector<Tuple> legs;
    std::int64_t begin = 0; ///< nanoseconds after kStart
};

struct Traffic {
    Scenario scenario;
    std::vector<Truth> truths;
};

/// What of a kind of connection varies.
struct Mix {
    unsigned connections = 200;
    std::uint32_t seed = 1;
    std::int64_t spacing = 4 * kMilli; ///< from one beginning to the next
    unsigned longEvery = 25;           ///< each such connection carries hundreds of segments, in super-packets
    bool udp = false;
};

namespace detail {

inline std::uint32_t number(std::mt19937 &random) {
    return static_cast<std::uint32_t>(random());
}

/// Every connection carries the same text, so that payload alone tells nothing apart.
inline std::string textAt(std::uint32_t position, std::uint32_t length) {
    std::string text;
    text.reserve(length);
    for (std::uint32_t i = position; text.size() < length; ++i)
        text.push_back(static_cast<char>(' ' + ((i * 2'654'435'761u) >> 16) % 90));
    return text;
}

inline Tuple pair(Protocol protocol, const std::string &src, const std::string &dst) {
    return {protocol, at(src.c_str()), at(dst.c_str())};
}

/// Ways of the document's five scenarios. `n` makes addresses differ.
inline Talk wayOf(unsigned kind, unsigned n, Protocol protocol) {
    const auto clientPort = 32768 + (n * 7) % 28000;
    const auto snatPort = 1024 + (n * 7919) % 64000;
    const std::string client = fmt::format("104.132.{}.79:{}", 1 + n / 4000, clientPort);
    const std::string pod = protocol == Protocol::udp ? "10.180.1.136:53" : "10.180.1.136:8080";
    const Tuple outside2 = pair(protocol, client, "10.240.0.5:32080"),
                outside1 = pair(protocol, client, "10.240.0.4:32080");
    const Tuple vip = pair(protocol, client, "104.198.149.140:80");
    const Tuple masked2 = pair(protocol, fmt::format("10.240.0.5:{}", snatPort), pod);
    const Tuple masked1 = pair(protocol, fmt::format("10.180.1.1:{}", snatPort), pod);
    const Tuple kept = pair(protocol, client, pod);
    const std::string busybox = fmt::format("10.244.3.8:{}", clientPort);
    Talk talk;
    if (kind == 0) {
        talk = viaNode2();
        for (auto *way : {&talk.request, &talk.reply})
            for (Stop &stop : *way)
                stop.tuple = stop.tuple.dst.port == 32080 ? outside2 : masked2;
    } else if (kind == 1) {
        talk = viaNode1(outside1, masked1);
    } else if (kind == 2) {
        talk = viaNode1(outside1, kept);
    } else if (kind == 3) {
        talk.request = {{"client/eth0", kOut, 64, vip},    {"lb/eth0", kIn, 64, vip},
                        {"lb/eth0", kOut, 63, vip},        {"node2/eth0", kIn, 63, vip},
                        {"node2/eth0", kOut, 62, masked2}, {"node1/eth0", kIn, 62, masked2},
                        {"node1/cbr0", kOut, 61, masked2}, {"source-ip-app/eth0", kIn, 61, masked2}};
        talk.reply = {{"source-ip-app/eth0", kOut, 64, masked2},
                      {"node1/cbr0", kIn, 64, masked2},
                      {"node1/eth0", kOut, 63, masked2},
                      {"node2/eth0", kIn, 63, masked2},
                      {"node2/eth0", kOut, 62, vip},
                      {"client/eth0", kIn, 62, vip}};
    } else {
        const Tuple asked = pair(protocol, busybox, "10.0.170.92:80"), sent = pair(protocol, busybox, pod);
        talk.request = {{"busybox/eth0", kOut, 64, asked}, {"node3/cbr0", kIn, 64, asked},
                        {"node3/eth0", kOut, 63, sent},    {"node1/eth0", kIn, 63, sent},
                        {"node1/cbr0", kOut, 62, sent},    {"source-ip-app/eth0", kIn, 62, sent}};
        talk.reply = {{"source-ip-app/eth0", kOut, 64, sent}, {"node1/cbr0", kIn, 64, sent},
                      {"node1/eth0", kOut, 63, sent},         {"node3/eth0", kIn, 63, sent},
                      {"node3/cbr0", kOut, 62, asked},        {"busybox/eth0", kIn, 62, asked}};
    }
    return talk;
}

inline Truth truthOf(const Talk &talk) {
    Truth truth{.legs = {}, .begin = talk.begin};
    for (const Stop &stop : talk.request)
        if (truth.legs.empty() || truth.legs.back() != stop.tuple) truth.legs.push_back(stop.tuple);
    return truth;
}

/// Handshake, `turns` of request and answer, and the end; IP ids and timestamps as Linux gives them.
inline void converse(Scenario &scenario, const Talk &talk, unsigned turns, std::uint32_t answer, std::mt19937 &random) {
    std::int64_t time = talk.begin;
    std::uint16_t ids[2] = {talk.ipId, static_cast<std::uint16_t>(random())};
    std::uint32_t ts[2] = {talk.ts, static_cast<std::uint32_t>(random() | 1)};
    std::uint32_t next[2] = {talk.clientIsn, talk.serverIsn}, from[2] = {talk.clientIsn + 1, talk.serverIsn + 1};
    const auto packet = [&](int side, std::uint8_t flags, std::uint32_t length) {
        const bool syn = flags & TcpFlags::syn;
        const std::string text = detail::textAt(next[side] - from[side], length);
        send(scenario, side ? talk.reply : talk.request, time, side == 1, [&](auto &builder, const Tuple &tuple) {
            builder.tcp(tuple.src.port, tuple.dst.port, flags)
                .seq(next[side])
                .timestamps(ts[side], syn && !side ? 0 : ts[1 - side]);
            if (flags & TcpFlags::ack) builder.ack(next[1 - side]);
            builder.ipId(syn && side ? std::uint16_t{0} : ids[side]);
            if (syn) builder.mss(1460).sackPermitted().windowScale(7);
            builder.payload(std::string_view(text));
        });
        next[side] += length + ((flags & (TcpFlags::syn | TcpFlags::fin)) ? 1 : 0);
        ids[side] = static_cast<std::uint16_t>(ids[side] + std::max(1u, (length + 1447) / 1448));
        const std::int64_t pause = 200 * kMicro + static_cast<std::int64_t>(random() % 3000) * kMicro;
        time += pause;
        for (auto &value : ts)
            value += static_cast<std::uint32_t>(pause / kMilli);
    };
    packet(0, TcpFlags::syn, 0);
    packet(1, TcpFlags::syn | TcpFlags::ack, 0);
    packet(0, TcpFlags::ack, 0);
    for (unsigned turn = 0; turn < turns; ++turn) {
        packet(0, TcpFlags::ack | TcpFlags::psh, 60 + number(random) % 300);
        for (std::uint32_t left = answer; left != 0;) {
            const std::uint32_t length =
                std::min(left, static_cast<std::uint32_t>(1448 * (1 + random() % (answer > 1448 ? 12 : 1))));
            packet(1, TcpFlags::ack | (length == left ? TcpFlags::psh : 0), length);
            left -= length;
        }
        packet(0, TcpFlags::ack, 0);
    }
    packet(0, TcpFlags::ack | TcpFlags::fin, 0);
    packet(1, TcpFlags::ack | TcpFlags::fin, 0);
    packet(0, TcpFlags::ack, 0);
}

inline void ask(Scenario &scenario, const Talk &talk, unsigned turns, std::mt19937 &random) {
    std::uint16_t ids[2] = {talk.ipId, static_cast<std::uint16_t>(random() | 1)};
    std::int64_t time = talk.begin;
    for (unsigned turn = 0; turn < turns; ++turn) {
        const auto name = random();
        for (const int side : {0, 1}) {
            const std::string text = fmt::format("{}{:08x}.source-ip.default.svc", side ? 'A' : 'Q', name);
            send(scenario, side ? talk.reply : talk.request, time, side == 1, [&](auto &builder, const Tuple &tuple) {
                builder.udp(tuple.src.port, tuple.dst.port).ipId(ids[side]).payload(std::string_view(text));
            });
            ids[side] = static_cast<std::uint16_t>(ids[side] + 1 + random() % 3);
            time += kMilli;
        }
    }
}

} // namespace detail

/// Deterministic: the same mix gives the same packets.
inline Traffic makeTraffic(const Mix &mix) {
    Traffic traffic;
    std::mt19937 random(mix.seed);
    for (unsigned n = 0; n < mix.connections; ++n) {
        const bool udp = mix.udp && n % 3 == 0;
        Talk talk = detail::wayOf(n % 5, n, udp ? Protocol::udp : Protocol::tcp);
        talk.begin = n * mix.spacing;
        talk.clientIsn = static_cast<std::uint32_t>(random());
        talk.serverIsn = static_cast<std::uint32_t>(random());
        talk.ts = static_cast<std::uint32_t>(random() | 1);
        talk.ipId = static_cast<std::uint16_t>(random());
        const bool bulk = mix.longEvery != 0 && n % mix.longEvery == mix.longEvery - 1;
        if (udp)
            detail::ask(traffic.scenario, talk, 1 + detail::number(random) % 3, random);
        else if (bulk)
            detail::converse(traffic.scenario, talk, 4, 400'000, random);
        else
            detail::converse(traffic.scenario, talk, 1 + detail::number(random) % 6,
                             200 + detail::number(random) % 2500, random);
        traffic.truths.push_back(detail::truthOf(talk));
    }
    return traffic;
}

} // namespace natlens::test
