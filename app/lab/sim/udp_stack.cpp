#include "app/lab/sim/udp_stack.h"

#include "capture/packet/builder.h"

#include <fmt/format.h>

namespace natlens::lab::sim {
namespace {

constexpr nanoseconds kThinking = std::chrono::microseconds(20); // from a question to its answer

} // namespace

void UdpStack::transmit(const packet::Tuple &tuple, std::string_view text) {
    packet::PacketBuilder builder;
    builder.ip(tuple.src.ip, tuple.dst.ip).ipId(static_cast<std::uint16_t>(m_random.next()));
    builder.udp(tuple.src.port, tuple.dst.port).payload(text);
    m_send(builder.buildIp());
}

void UdpStack::send(const packet::IpAddress &source, const DatagramsAction &action, std::function<void()> done) {
    packet::Tuple tuple{packet::Protocol::udp, {source, action.sourcePort}, action.to};
    if (const auto kept = m_named.find(action.socket); kept != m_named.end()) tuple.src.port = kept->second;
    while (tuple.src.port == 0 ||
           (action.sourcePort == 0 && action.socket.empty() && m_clients.contains(tuple.src.port)))
        tuple.src.port = static_cast<packet::Port>(32768 + m_random.below(28232)); // ip_local_port_range
    m_clients[tuple.src.port] = action.to;
    if (!action.socket.empty()) m_named[action.socket] = tuple.src.port;
    sendNext(tuple, action, 0, std::move(done));
}

void UdpStack::sendNext(const packet::Tuple &tuple, const DatagramsAction &action, unsigned sent,
                        std::function<void()> done) {
    while (sent < action.count) {
        transmit(tuple, action.count == 1 ? action.text : fmt::format("{} {}", action.text, sent + 1));
        if (++sent == action.count || action.interval.count() == 0) continue;
        m_events.after(action.interval, [this, alive = alive(), tuple, action, sent, done = std::move(done)]() mutable {
            if (alive.expired()) return done();
            sendNext(tuple, action, sent, std::move(done));
        });
        return;
    }
    m_events.after(action.wait, [this, alive = alive(), port = tuple.src.port, kept = !action.socket.empty(),
                                 done = std::move(done)] {
        if (!kept && !alive.expired()) m_clients.erase(port);
        done();
    });
}

bool UdpStack::receive(const packet::DecodedPacket &packet, std::span<const std::byte> ipPacket) {
    const auto &tuple = packet.tuple;
    if (const auto client = m_clients.find(tuple.dst.port); client != m_clients.end() && client->second == tuple.src)
        return true; // connected: from others nobody takes it
    const auto server = m_servers.find(tuple.dst.port);
    if (server == m_servers.end()) return false;
    const auto bytes = ipPacket.subspan(packet.payloadOffset, packet.networkLength - packet.payloadOffset);
    std::string text(reinterpret_cast<const char *>(bytes.data()), bytes.size());
    if (!server->second.echoes)
        text = fmt::format("client_address={}\nclient_port={}\n{}", tuple.src.ip.toString(), tuple.src.port, text);
    auto answer = tuple.reversed();
    if (server->second.answerFrom) answer.src.ip = *server->second.answerFrom;
    m_events.after(kThinking, [this, alive = alive(), answer, text = std::move(text)] {
        if (!alive.expired()) transmit(answer, text);
    });
    return true;
}

} // namespace natlens::lab::sim
