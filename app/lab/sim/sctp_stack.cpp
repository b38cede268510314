#include "app/lab/sim/sctp_stack.h"

#include "capture/base/byte_order.h"
#include "capture/packet/builder.h"
#include "capture/packet/sctp_chunk.h"

#include <algorithm>
#include <fmt/format.h>
#include <utility>

namespace natlens::lab::sim {
namespace {

constexpr nanoseconds kThinking = std::chrono::microseconds(20); // from a question to its answer
constexpr std::uint32_t kWindow = 106496;                        // bytes; what Linux offers at first

using Chunk = packet::SctpChunk::Type;
using enum packet::SctpChunk::Type;
constexpr std::size_t kDataHeader = 16;

/// One chunk, with its padding.
class ChunkBytes final {
public:
    explicit ChunkBytes(Chunk type, std::uint8_t flags = 0) {
        add16(static_cast<std::uint16_t>(type << 8 | flags)).add16(0);
    }
    ChunkBytes &add16(std::uint16_t value) {
        m_bytes.resize(m_bytes.size() + sizeof value);
        base::storeBig16(m_bytes.data() + m_bytes.size() - sizeof value, value);
        return *this;
    }
    ChunkBytes &add32(std::uint32_t value) {
        return add16(static_cast<std::uint16_t>(value >> 16)).add16(static_cast<std::uint16_t>(value));
    }
    ChunkBytes &add(std::string_view text) {
        for (const char letter : text)
            m_bytes.push_back(static_cast<std::byte>(letter));
        return *this;
    }
    std::vector<std::byte> finished() {
        base::storeBig16(m_bytes.data() + 2, static_cast<std::uint16_t>(m_bytes.size()));
        m_bytes.resize((m_bytes.size() + 3) / 4 * 4);
        return m_bytes;
    }

private:
    std::vector<std::byte> m_bytes;
};

/// What an INIT and an INIT ACK have in common: one stream each way.
ChunkBytes initiation(Chunk type, std::uint32_t tag, std::uint32_t tsn) {
    return ChunkBytes(type).add32(tag).add32(kWindow).add16(1).add16(1).add32(tsn);
}

/// The state cookie: the server here remembers, so any text will do.
constexpr std::string_view kCookie = "natlens simulated state cookie..";

std::string textOf(std::span<const std::byte> chunk) {
    const std::size_t length = std::min<std::size_t>(base::loadBig16(chunk.data() + 2), chunk.size());
    if (length <= kDataHeader) return {};
    const auto text = chunk.subspan(kDataHeader, length - kDataHeader);
    return {reinterpret_cast<const char *>(text.data()), text.size()};
}

} // namespace

void SctpStack::transmit(const packet::Tuple &tuple, std::uint32_t tag, const std::vector<std::byte> &chunk) {
    packet::PacketBuilder builder;
    builder.ip(tuple.src.ip, tuple.dst.ip).ipId(static_cast<std::uint16_t>(m_random.next()));
    builder.sctp(tuple.src.port, tuple.dst.port, tag).payload(chunk);
    m_send(builder.buildIp());
}

void SctpStack::ask(const packet::IpAddress &source, const ConnectAction &action, std::function<void()> done) {
    packet::Tuple tuple{packet::Protocol::sctp, {source, action.sourcePort}, action.to};
    while (tuple.src.port == 0 || (action.sourcePort == 0 && m_associations.contains(tuple)))
        tuple.src.port = static_cast<packet::Port>(32768 + m_random.below(28232)); // ip_local_port_range
    const auto call = std::make_shared<std::function<void()>>(std::move(done));
    const Association begun{.ownTag = 1 + m_random.below(0xffff'fffe),
                            .peerTag = 0,
                            .ownTsn = m_random.below(0xffff'ffff),
                            .peerTsn = 0,
                            .question = action.text,
                            .done = call};
    m_associations.insert_or_assign(tuple, begun);
    m_events.after(action.wait, [this, alive = alive(), tuple, call] {
        if (!*call) return;
        const auto own = alive.expired() ? m_associations.end() : m_associations.find(tuple);
        if (!alive.expired() && own != m_associations.end() && own->second.done == call) m_associations.erase(own);
        std::exchange(*call, nullptr)();
    });
    transmit(tuple, 0, initiation(init, begun.ownTag, begun.ownTsn).finished());
}

void SctpStack::receive(const packet::DecodedPacket &packet, std::span<const std::byte> ipPacket) {
    const auto tuple = packet.tuple.reversed(); // of what goes back
    const auto chunk = ipPacket.subspan(packet.payloadOffset, packet.networkLength - packet.payloadOffset);
    const auto found = m_associations.find(tuple);
    const bool asked = found == m_associations.end() || !found->second.done;
    if (asked && packet.sctpChunk == init) return begin(tuple, packet); // anew, whatever was (RFC 9260 section 5.2.2)
    if (found == m_associations.end()) return;
    auto &association = found->second;
    if (packet.sctpTag != association.ownTag) return; // RFC 9260 section 8.5
    if (packet.sctpChunk == data) association.peerTsn = packet.sctpTsn;
    if (association.done)
        client(tuple, association, packet);
    else
        server(tuple, association, packet, chunk);
}

/// A first packet: nobody listens, or somebody does.
void SctpStack::begin(const packet::Tuple &tuple, const packet::DecodedPacket &packet) {
    if (!m_servers.contains(tuple.src.port))
        return transmit(tuple, packet.sctpInitiateTag, ChunkBytes(abort).finished());
    const Association begun{.ownTag = 1 + m_random.below(0xffff'fffe),
                            .peerTag = packet.sctpInitiateTag,
                            .ownTsn = m_random.below(0xffff'ffff),
                            .peerTsn = 0,
                            .question = {},
                            .done = nullptr};
    m_associations.insert_or_assign(tuple, begun);
    constexpr std::uint16_t kStateCookie = 7;
    auto answer = initiation(initAck, begun.ownTag, begun.ownTsn);
    answer.add16(kStateCookie).add16(static_cast<std::uint16_t>(4 + kCookie.size())).add(kCookie);
    transmit(tuple, begun.peerTag, answer.finished());
}

void SctpStack::client(const packet::Tuple &tuple, Association &association, const packet::DecodedPacket &packet) {
    switch (packet.sctpChunk) {
    case initAck:
        association.peerTag = packet.sctpInitiateTag;
        return transmit(tuple, association.peerTag, ChunkBytes(cookieEcho).add(kCookie).finished());
    case cookieAck: return sendData(tuple, association, association.question);
    case data: // the answer
        acknowledge(tuple, association);
        return transmit(tuple, association.peerTag, ChunkBytes(shutdown).add32(association.peerTsn).finished());
    case shutdownAck: transmit(tuple, association.peerTag, ChunkBytes(shutdownComplete).finished()); [[fallthrough]];
    case abort: {
        const auto call = association.done;
        m_associations.erase(tuple);
        if (*call) std::exchange(*call, nullptr)();
        return;
    }
    default: return;
    }
}

void SctpStack::server(const packet::Tuple &tuple, Association &association, const packet::DecodedPacket &packet,
                       std::span<const std::byte> chunk) {
    switch (packet.sctpChunk) {
    case cookieEcho: return transmit(tuple, association.peerTag, ChunkBytes(cookieAck).finished());
    case data: {
        acknowledge(tuple, association);
        const auto text = fmt::format("client_address={}\nclient_port={}\n{}", tuple.dst.ip.toString(), tuple.dst.port,
                                      textOf(chunk));
        m_events.after(kThinking, [this, alive = alive(), tuple, text] {
            if (alive.expired()) return;
            if (const auto still = m_associations.find(tuple); still != m_associations.end())
                sendData(tuple, still->second, text);
        });
        return;
    }
    case shutdown: return transmit(tuple, association.peerTag, ChunkBytes(shutdownAck).finished());
    case shutdownComplete:
    case abort: m_associations.erase(tuple); return;
    default: return;
    }
}

void SctpStack::sendData(const packet::Tuple &tuple, Association &association, std::string_view text) {
    constexpr std::uint8_t kWhole = 3; // first and last fragment
    auto chunk = ChunkBytes(data, kWhole).add32(association.ownTsn++).add16(0).add16(0).add32(0).add(text);
    transmit(tuple, association.peerTag, chunk.finished());
}

void SctpStack::acknowledge(const packet::Tuple &tuple, const Association &association) {
    auto chunk = ChunkBytes(sack).add32(association.peerTsn).add32(kWindow).add16(0).add16(0);
    transmit(tuple, association.peerTag, chunk.finished());
}

} // namespace natlens::lab::sim
