// SCTP of one simulated host: servers that answer, and clients that ask once.
#pragma once

#include "app/lab/host_action.h"
#include "app/lab/seeded_random.h"
#include "app/lab/sim/event_queue.h"
#include "capture/packet/decode.h"

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace natlens::lab::sim {

/// Associations from INIT to SHUTDOWN COMPLETE (RFC 9260), each with one question and one answer in one DATA chunk
/// each. No wire of the simulation loses packets, so nothing is sent twice. Lives on the lab's thread.
class SctpStack final {
public:
    using Send = std::function<void(std::vector<std::byte> ipPacket)>;

    SctpStack(EventQueue &events, SeededRandom &random, Send send)
        : m_events(events)
        , m_random(random)
        , m_send(std::move(send)) {}

    /// Answers every message to this port, on any address, as the lab's pods do (SctpServer).
    void listen(packet::Port port) { m_servers.insert(port); }
    /// Asks as the action says, from `source`, and closes after the answer. `done` follows that, or the action's wait.
    void ask(const packet::IpAddress &source, const ConnectAction &action, std::function<void()> done);
    /// A packet for this host, from its IP header on.
    void receive(const packet::DecodedPacket &packet, std::span<const std::byte> ipPacket);

private:
    struct Association {
        std::uint32_t ownTag = 0, peerTag = 0;       ///< what the peer must send, and what it wants
        std::uint32_t ownTsn = 0, peerTsn = 0;       ///< of the next DATA chunk to send; of the last one that came
        std::string question;                        ///< clients: what to ask
        std::shared_ptr<std::function<void()>> done; ///< clients: null in servers, empty when called
    };
    void begin(const packet::Tuple &tuple, const packet::DecodedPacket &init);
    void client(const packet::Tuple &tuple, Association &association, const packet::DecodedPacket &packet);
    void server(const packet::Tuple &tuple, Association &association, const packet::DecodedPacket &packet,
                std::span<const std::byte> chunk);
    void transmit(const packet::Tuple &tuple, std::uint32_t tag, const std::vector<std::byte> &chunk);
    void sendData(const packet::Tuple &tuple, Association &association, std::string_view text);
    void acknowledge(const packet::Tuple &tuple, const Association &association);

    /// For events that may come after a host was removed.
    [[nodiscard]] std::weak_ptr<const bool> alive() const { return m_alive; }

    std::shared_ptr<const bool> m_alive = std::make_shared<const bool>(true);
    EventQueue &m_events;
    SeededRandom &m_random;
    Send m_send;
    std::set<packet::Port> m_servers;
    std::map<packet::Tuple, Association> m_associations; ///< by the tuple of what this host sends
};

} // namespace natlens::lab::sim
