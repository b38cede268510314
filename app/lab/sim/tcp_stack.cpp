#include "app/lab/sim/tcp_stack.h"

#include "app/lab/addressing.h"
#include "app/lab/sockets.h"

#include <algorithm>

namespace natlens::lab::sim {
namespace {

using packet::TcpFlags;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::uint8_t kWindowScale = 7;
constexpr nanoseconds kThinking = microseconds(40); // from a request to its answer
constexpr nanoseconds kFirstSyn = seconds(1), kFirstData = milliseconds(200);
constexpr unsigned kTries = 6;

/// The lab's MTU less the headers.
std::uint16_t mssFor(const packet::IpAddress &own) { return static_cast<std::uint16_t>(kMtu - (own.isV6() ? 60 : 40)); }

} // namespace

struct TcpStack::Connection {
    packet::Tuple out;
    enum class State { synSent, synReceived, established, closed } state = State::synSent;
    std::uint32_t sendNext = 0, receiveNext = 0, acknowledged = 0, echo = 0;
    std::uint16_t ipId = 0;
    bool finSent = false, finReceived = false;
    struct Sent {
        std::uint32_t seq, end;
        std::uint8_t flags;
        std::string payload;
    };
    std::vector<Sent> unacknowledged;
    std::string received;
    // client
    std::string request;
    std::function<void(const HttpResult &)> done;
    // server
    const HttpHandler *handler = nullptr;
};

TcpStack::TcpStack(EventQueue &events, SeededRandom &random, Send send)
    : m_events(events), m_random(random), m_send(std::move(send)),
      m_clockOffset(static_cast<std::uint32_t>(random.next())) {}

TcpStack::~TcpStack() = default;

void TcpStack::listen(const packet::SocketAddress &address, HttpHandler handler) {
    m_listeners.insert_or_assign(address, std::move(handler));
}

void TcpStack::stopListening(const packet::SocketAddress &address) { m_listeners.erase(address); }

const HttpHandler *TcpStack::handlerFor(const packet::SocketAddress &local) const {
    for (const auto &[address, handler] : m_listeners) {
        const bool any = address.ip == anyAddress(local.ip.family);
        if (address.port == local.port && (any || address.ip == local.ip)) return &handler;
    }
    return nullptr;
}

TcpStack::ConnectionPointer TcpStack::open(const packet::Tuple &outgoing) {
    auto connection = std::make_shared<Connection>();
    connection->out = outgoing;
    connection->sendNext = connection->acknowledged = static_cast<std::uint32_t>(m_random.next());
    connection->ipId = static_cast<std::uint16_t>(m_random.next());
    m_connections[outgoing] = connection;
    return connection;
}

void TcpStack::get(const packet::IpAddress &source, const HttpUrl &url, Limits limits,
                   std::function<void(const HttpResult &)> done) {
    packet::Tuple tuple{packet::Protocol::tcp, {source, 0}, url.server};
    do tuple.src.port = static_cast<packet::Port>(32768 + m_random.below(28232)); // ip_local_port_range
    while (m_connections.contains(tuple));
    const auto connection = open(tuple);
    connection->request = requestText(url);
    connection->done = std::move(done);
    sendSegment(connection, TcpFlags::syn);
    const auto giveUp = [this, weak = std::weak_ptr(connection)](bool onlyUnconnected) {
        const auto pointer = weak.lock();
        if (!pointer || !pointer->done) return;
        if (onlyUnconnected && pointer->state != Connection::State::synSent) return;
        finish(pointer, {0, {}, "timed out"});
        forget(pointer);
    };
    m_events.after(limits.connect, [giveUp] { giveUp(true); });
    m_events.after(limits.total, [giveUp] { giveUp(false); });
}

packet::PacketBuilder TcpStack::segment(Connection &connection, std::uint8_t flags) {
    packet::PacketBuilder builder;
    // Linux numbers the packets of a connection, and leaves the number out where it means nothing (SYN-ACK, RST).
    const bool numbered = (flags & TcpFlags::rst) == 0 && flags != (TcpFlags::syn | TcpFlags::ack);
    builder.ip(connection.out.src.ip, connection.out.dst.ip).ipId(numbered ? connection.ipId++ : std::uint16_t{0});
    builder.tcp(connection.out.src.port, connection.out.dst.port, flags);
    if ((flags & TcpFlags::ack) != 0) builder.ack(connection.receiveNext);
    const auto clock = static_cast<std::uint32_t>(m_events.now().nanoseconds / 1'000'000) + m_clockOffset;
    if ((flags & TcpFlags::syn) != 0)
        builder.window(65535)
            .mss(mssFor(connection.out.src.ip))
            .sackPermitted()
            .timestamps(clock, connection.echo)
            .windowScale(kWindowScale);
    else
        builder.window(512).timestamps(clock, connection.echo);
    return builder;
}

void TcpStack::sendSegment(const ConnectionPointer &connection, std::uint8_t flags, std::string_view payload) {
    const auto seq = connection->sendNext;
    const bool takesNumber = (flags & (TcpFlags::syn | TcpFlags::fin)) != 0;
    connection->sendNext += static_cast<std::uint32_t>(payload.size()) + (takesNumber ? 1 : 0);
    if (connection->sendNext != seq) {
        connection->unacknowledged.push_back({seq, connection->sendNext, flags, std::string(payload)});
        sendAgain(connection, (flags & TcpFlags::syn) != 0 ? kFirstSyn : kFirstData, 1);
    }
    m_send(segment(*connection, flags).seq(seq).payload(payload).buildIp());
}

void TcpStack::sendAgain(const ConnectionPointer &connection, nanoseconds delay, unsigned tries) {
    const auto seq = connection->unacknowledged.back().seq;
    m_events.after(delay, [this, weak = std::weak_ptr(connection), delay, tries, seq] {
        const auto pointer = weak.lock();
        if (!pointer || pointer->state == Connection::State::closed) return;
        const auto lost = std::ranges::find(pointer->unacknowledged, seq, &Connection::Sent::seq);
        if (lost == pointer->unacknowledged.end()) return;
        if (tries == kTries) return forget(pointer);
        m_send(segment(*pointer, lost->flags).seq(lost->seq).payload(lost->payload).buildIp());
        std::rotate(lost, lost + 1, pointer->unacknowledged.end()); // sendAgain() looks at the last
        sendAgain(pointer, delay * 2, tries + 1);
    });
}

void TcpStack::sendData(const ConnectionPointer &connection, std::string_view text) {
    while (!text.empty()) {
        const auto part =
            text.substr(0, mssFor(connection->out.src.ip) - 12U); // timestamps take 12 bytes of every segment
        text.remove_prefix(part.size());
        sendSegment(connection, TcpFlags::ack | (text.empty() ? TcpFlags::psh : 0), part);
    }
}

void TcpStack::receive(std::span<const std::byte> ipPacket) {
    const auto packet = packet::decode(packet::LinkType::rawIp, ipPacket);
    if (packet.hasQuoted) return onIcmpError(packet);
    if (!packet.isTcp()) return;
    const auto found = m_connections.find(packet.tuple.reversed());
    if (found != m_connections.end()) {
        const auto connection = found->second; // keeps it alive while it handles this
        return onSegment(connection, packet, packet::payload(packet, ipPacket));
    }
    if ((packet.tcpFlags & TcpFlags::rst) != 0) return;
    if (packet.isSyn() && handlerFor(packet.tuple.dst) != nullptr) return accept(packet);
    refuse(packet);
}

void TcpStack::accept(const packet::DecodedPacket &packet) {
    const auto connection = open(packet.tuple.reversed());
    connection->state = Connection::State::synReceived;
    connection->handler = handlerFor(packet.tuple.dst);
    connection->receiveNext = packet.tcpSeq + 1;
    connection->echo = packet.tcpTsVal;
    sendSegment(connection, TcpFlags::syn | TcpFlags::ack);
}

/// RFC 9293, section 3.5.2: the answer to a segment for which there is no connection.
void TcpStack::refuse(const packet::DecodedPacket &packet) {
    packet::PacketBuilder builder;
    const auto out = packet.tuple.reversed();
    builder.ip(out.src.ip, out.dst.ip).window(0);
    if ((packet.tcpFlags & TcpFlags::ack) != 0) {
        builder.tcp(out.src.port, out.dst.port, TcpFlags::rst).seq(packet.tcpAck);
    } else {
        builder.tcp(out.src.port, out.dst.port, TcpFlags::rst | TcpFlags::ack).seq(0);
        builder.ack(packet.tcpSeq + packet.payloadLength + (packet.isSyn() ? 1 : 0));
    }
    m_send(builder.buildIp());
}

void TcpStack::onSegment(const ConnectionPointer &connection, const packet::DecodedPacket &packet,
                         std::span<const std::byte> payload) {
    using State = Connection::State;
    const auto flags = packet.tcpFlags;
    if ((flags & TcpFlags::rst) != 0) {
        finish(connection, {0, {}, connection->state == State::synSent ? "connection refused" : "connection reset"});
        return forget(connection);
    }
    if (packet.hasTcpTimestamp) connection->echo = packet.tcpTsVal;
    if ((flags & TcpFlags::ack) != 0)
        std::erase_if(connection->unacknowledged, [&](const auto &sent) {
            return static_cast<std::int32_t>(packet.tcpAck - sent.end) >= 0;
        });
    if (connection->state == State::synSent) {
        if (!packet.isSynAck()) return;
        connection->state = State::established;
        connection->receiveNext = packet.tcpSeq + 1;
        sendSegment(connection, TcpFlags::ack);
        return sendData(connection, connection->request);
    }
    if (packet.isSyn() || packet.isSynAck()) { // our answer to it was lost
        if (connection->state == State::established) sendSegment(connection, TcpFlags::ack);
        return;
    }
    connection->state = State::established;
    const bool fin = (flags & TcpFlags::fin) != 0;
    if (packet.tcpSeq != connection->receiveNext) {
        if (!payload.empty() || fin) sendSegment(connection, TcpFlags::ack);
        return;
    }
    connection->receiveNext += static_cast<std::uint32_t>(payload.size()) + (fin ? 1 : 0);
    connection->finReceived = connection->finReceived || fin;
    if (!payload.empty()) {
        connection->received.append(reinterpret_cast<const char *>(payload.data()), payload.size());
        sendSegment(connection, TcpFlags::ack);
        onData(connection);
    }
    if (fin) {
        sendSegment(connection, connection->finSent ? TcpFlags::ack : TcpFlags::ack | TcpFlags::fin);
        connection->finSent = true;
    }
    if (connection->finReceived && connection->finSent && connection->unacknowledged.empty()) forget(connection);
}

void TcpStack::onData(const ConnectionPointer &connection) {
    if (connection->handler != nullptr) {
        const auto request = parseRequest(connection->received, connection->out.dst);
        if (!request) return;
        connection->received.clear();
        const auto answer = (*connection->handler)(*request);
        m_events.after(kThinking, [this, connection, answer] {
            if (connection->state != Connection::State::closed)
                sendData(connection, answerText(answer, m_events.now()));
        });
        return;
    }
    const auto answer = parseAnswer(connection->received);
    if (!answer || connection->finSent) return;
    finish(connection, {answer->status, answer->body, {}});
    connection->finSent = true;
    sendSegment(connection, TcpFlags::ack | TcpFlags::fin);
}

void TcpStack::onIcmpError(const packet::DecodedPacket &packet) {
    const auto found = m_connections.find(packet.quoted);
    if (found == m_connections.end() || found->second->state != Connection::State::synSent) return;
    const bool v4 = packet.quoted.src.ip.isV4();
    const bool refused = v4 ? packet.icmpType == 3 && packet.icmpCode == 3 : packet.icmpType == 1 && packet.icmpCode == 4;
    const auto connection = found->second;
    finish(connection, {0, {}, refused ? "connection refused" : "no route to host"});
    forget(connection);
}

void TcpStack::finish(const ConnectionPointer &connection, HttpResult result) {
    if (!connection->done) return;
    const auto done = std::exchange(connection->done, nullptr);
    done(result);
}

void TcpStack::forget(const ConnectionPointer &connection) {
    connection->state = Connection::State::closed;
    const auto found = m_connections.find(connection->out);
    if (found != m_connections.end() && found->second == connection) m_connections.erase(found);
}

} // namespace natlens::lab::sim
