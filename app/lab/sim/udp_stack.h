// UDP of one simulated host: servers that answer, and clients that keep their socket.
#pragma once

#include "app/lab/host_action.h"
#include "app/lab/seeded_random.h"
#include "app/lab/sim/event_queue.h"
#include "capture/packet/decode.h"

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace natlens::lab::sim {

/// Lives on the lab's thread.
class UdpStack final {
public:
    using Send = std::function<void(std::vector<std::byte> ipPacket)>;

    UdpStack(EventQueue &events, SeededRandom &random, Send send)
        : m_events(events)
        , m_random(random)
        , m_send(std::move(send)) {}

    /// Answers every datagram to this port, on any address, as the lab's pods do (UdpServer).
    void listen(packet::Port port) { m_servers[port] = {}; }
    /// Sends back what it gets, from another address if the action says so.
    void listen(const UdpServerAction &action) { m_servers[action.port] = Server{true, action.answerFrom}; }

    /// Sends as the action says, from `source`; a named socket keeps its port.
    void send(const packet::IpAddress &source, const DatagramsAction &action, std::function<void()> done);

    /// A datagram for this host, from its IP header on. False: nobody has the port.
    [[nodiscard]] bool receive(const packet::DecodedPacket &packet, std::span<const std::byte> ipPacket);

private:
    struct Server {
        bool echoes = false;
        std::optional<packet::IpAddress> answerFrom;
    };
    void sendNext(const packet::Tuple &tuple, const DatagramsAction &action, unsigned sent, std::function<void()> done);
    void transmit(const packet::Tuple &tuple, std::string_view text);

    /// For events that may come after a host was removed.
    [[nodiscard]] std::weak_ptr<const bool> alive() const { return m_alive; }

    std::shared_ptr<const bool> m_alive = std::make_shared<const bool>(true);
    EventQueue &m_events;
    SeededRandom &m_random;
    Send m_send;
    std::map<packet::Port, Server> m_servers;
    std::map<packet::Port, packet::SocketAddress> m_clients; ///< open sockets, and whom they are connected to
    std::map<std::string, packet::Port> m_named;
};

} // namespace natlens::lab::sim
