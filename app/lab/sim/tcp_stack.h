// TCP and HTTP of one simulated host: enough of Linux's behaviour that a capture looks like one of Linux.
#pragma once

#include "app/lab/sim/event_queue.h"
#include "app/lab/sim/http_text.h"
#include "app/lab/seeded_random.h"
#include "capture/packet/builder.h"

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace natlens::lab::sim {

/// How a request ended; the words are those of the namespace lab's client.
struct HttpResult {
    int status = 0; ///< 0 when there was no answer
    std::string body, error;
};

/// Handshake with Linux's options, data in segments, acknowledgements, close; SYNs and data are sent again as Linux does
/// (1 s, doubling; data 0.2 s, doubling); closed ports answer RST; ICMP errors end a connection attempt. No congestion or
/// flow control: the lab's answers fit into a window. Lives on the lab's thread.
class TcpStack final {
public:
    using Send = std::function<void(std::vector<std::byte> ipPacket)>;

    TcpStack(EventQueue &events, SeededRandom &random, Send send);
    ~TcpStack();
    TcpStack(const TcpStack &) = delete;
    TcpStack &operator=(const TcpStack &) = delete;

    /// Serves HTTP at the address; an address of zeros is any.
    void listen(const packet::SocketAddress &address, HttpHandler handler);
    void stopListening(const packet::SocketAddress &address);

    struct Limits {
        nanoseconds connect, total;
    };
    /// One request on a connection of its own.
    void get(const packet::IpAddress &source, const HttpUrl &url, Limits limits,
             std::function<void(const HttpResult &)> done);

    /// A packet for this host, from its IP header on.
    void receive(std::span<const std::byte> ipPacket);

private:
    struct Connection;
    using ConnectionPointer = std::shared_ptr<Connection>;

    [[nodiscard]] ConnectionPointer open(const packet::Tuple &outgoing);
    [[nodiscard]] packet::PacketBuilder segment(Connection &connection, std::uint8_t flags);
    void sendSegment(const ConnectionPointer &connection, std::uint8_t flags, std::string_view payload = {});
    void sendData(const ConnectionPointer &connection, std::string_view text);
    void sendAgain(const ConnectionPointer &connection, nanoseconds delay, unsigned tries);
    void onSegment(const ConnectionPointer &connection, const packet::DecodedPacket &packet,
                   std::span<const std::byte> payload);
    void onData(const ConnectionPointer &connection);
    void onIcmpError(const packet::DecodedPacket &packet);
    void accept(const packet::DecodedPacket &packet);
    void refuse(const packet::DecodedPacket &packet);
    void finish(const ConnectionPointer &connection, HttpResult result);
    void forget(const ConnectionPointer &connection);
    [[nodiscard]] const HttpHandler *handlerFor(const packet::SocketAddress &local) const;

    EventQueue &m_events;
    SeededRandom &m_random;
    Send m_send;
    std::uint32_t m_clockOffset; ///< of TCP timestamps
    std::map<packet::SocketAddress, HttpHandler> m_listeners;
    std::map<packet::Tuple, ConnectionPointer> m_connections; ///< by outgoing tuple
};

} // namespace natlens::lab::sim
