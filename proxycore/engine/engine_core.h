// The inside of PacketEngine: what its files share.
#pragma once

#include "proxycore/engine/affinity.h"
#include "proxycore/engine/choice.h"
#include "proxycore/engine/connection_table.h"
#include "proxycore/engine/fragments.h"
#include "proxycore/engine/port_allocation.h"
#include "proxycore/engine/tcp_tracking.h"

#include <array>
#include <optional>

namespace natlens::proxycore {

class PacketEngine::Impl final {
public:
    Impl(const NodeRouting &routing, RandomSource &random, Options options);

    void setPlan(const ProxyPlan &plan);
    PacketAction process(std::span<std::byte> packet, const PacketOrigin &origin, base::Timestamp now);
    void processBatch(std::span<const std::span<std::byte>> packets, const PacketOrigin &origin, base::Timestamp now,
                      std::span<PacketAction> actions);
    void expire(base::Timestamp now);
    [[nodiscard]] ConnectionView view(const Connection &connection) const;
    [[nodiscard]] std::vector<ConnectionView> connections();

    std::vector<std::vector<std::byte>> generated;
    ConnectionListener listener;
    ConnectionTable table;
    Counters counters;

private:
    /// What belongs to one IP family.
    struct Side {
        bool isSet = false;
        FrontEndIndex index;
        AffinityTable affinity;
    };
    /// The reply tuple that a new connection shall have; its port is still to be allocated.
    struct Wish {
        TupleKey reply;
        PortChoice choice = PortChoice::keepIfFree;
        std::optional<std::uint32_t> drawn; ///< drawPort() has put it into `reply`
    };
    enum class Reading : std::uint8_t { malformed, notOurs, fragment, packet };
    /// A packet with what was read from it.
    struct Incoming {
        PacketFields fields;
        TupleKey key;
        std::uint32_t hash = 0;
        Reading reading = Reading::malformed;
        TupleKind kind = TupleKind::invalid;
        Side *side = nullptr;
        std::optional<Wish> wish; ///< decided ahead
    };

    void begin(base::Timestamp now);
    void read(std::span<std::byte> packet, Incoming &in);
    PacketAction handle(Incoming &in, const PacketOrigin &origin);
    PacketAction track(Incoming &in, const PacketOrigin &origin);
    PacketAction existing(Incoming &in, Connection &connection, unsigned direction, const PacketOrigin &origin);
    PacketAction invalid(const Incoming &in, const PacketOrigin &origin);
    PacketAction icmpError(Incoming &in, const PacketOrigin &origin);
    PacketAction fragment(Incoming &in, const PacketOrigin &origin);
    [[nodiscard]] PacketAction followFate(const FragmentStore::Fate &fate, const PacketFields &fields) const;

    // new connections: new_connections.cpp
    PacketAction begin(Incoming &in, const PacketOrigin &origin);
    /// What the new connection shall be; false: there is no way to make it.
    bool arrange(const Incoming &in, const PacketOrigin &origin, const Choice &choice, const IpAddress &source,
                 Wish &wish);
    /// Decides first packets of a group before any is carried out, so that the places of their reply tuples are fetched
    /// together. Draws the same random numbers in the same order as carrying them out would, as long as no ports clash;
    /// stops where a packet may depend on an earlier one.
    void decideAhead(std::span<Incoming> group, const PacketOrigin &origin);
    const packet::SocketAddress &pick(Side &side, const Choice &choice, const IpAddress &client);
    PacketAction reject(const Incoming &in);
    void removeStaleUdp(const Side &side, IpFamily family);

    [[nodiscard]] Side &sideOf(IpFamily family) { return m_sides[family == IpFamily::v6 ? 1 : 0]; }
    void destroy(Connection &connection);
    void notify(ConnectionChange change, const Connection &connection) const {
        if (listener) listener(change, view(connection));
    }

    const NodeRouting &m_routing;
    RandomSource &m_random;
    Options m_options;
    TcpSettings m_tcp;
    std::array<Side, 2> m_sides;
    FragmentStore m_fragments;
    std::int64_t m_now = 0, m_nextTick = 0; ///< ns
    /// Which connection the packet in hand belongs to; null: none.
    Connection *m_current = nullptr;
    unsigned m_currentDirection = 0;
};

} // namespace natlens::proxycore
