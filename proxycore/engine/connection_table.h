// All tracked connections: found by the tuple of either direction, and let go when their time is over.
#pragma once

#include "proxycore/engine/connection.h"
#include "proxycore/engine/huge_array.h"

#include <algorithm>
#include <array>
#include <utility>

namespace natlens::proxycore {

/// An open-addressing table of 8-byte slots (hash and number) over connections that never move, and a timing wheel of
/// one-second ticks. A packet that merely prolongs a connection does not touch the wheel: when the old time comes the
/// wheel finds the new one and waits on. Lives on one thread.
class ConnectionTable final {
public:
    ConnectionTable(std::size_t maximum, std::uint64_t seed);

    struct Found {
        Connection *connection = nullptr;
        unsigned direction = 0; ///< 1: the tuple is that of the reply
    };
    [[nodiscard]] std::uint32_t hash(const TupleKey &key) const { return hashOf(key, m_seed); }
    [[nodiscard]] Found find(const TupleKey &key, std::uint32_t hash) const;
    [[nodiscard]] bool isTaken(const TupleKey &key) const { return find(key, hash(key)).connection != nullptr; }
    void prefetchSlot(std::uint32_t hash) const { __builtin_prefetch(&m_slots[hash & m_mask]); }
    /// Fetches the connection that the slot of `hash` names, right or wrong.
    void prefetchConnection(std::uint32_t hash) const;

    [[nodiscard]] bool isFull() const { return m_count >= m_maximum; }
    [[nodiscard]] std::size_t size() const { return m_count; }

    /// A new connection with both tuples; the caller sets the rest and calls schedule(). Not when isFull().
    Connection &insert(const TupleKey &original, const TupleKey &reply);
    void erase(Connection &connection);

    /// To be called when `expires` may have become earlier than the wheel believes; cheap when it has not.
    void schedule(Connection &connection) {
        const std::uint32_t tick = tickOf(connection.expires);
        if (tick < connection.dueTick) place(connection, tick);
    }

    /// Calls `expired(connection)`, which must erase it, for each whose time is over at `now`.
    template<class Expired>
    void advance(std::int64_t now, Expired &&expired);

    /// Null when that connection has ended.
    [[nodiscard]] Connection *find(std::uint32_t index, std::uint64_t id) const {
        return index < m_protocols.size() && at(index).isUsed && at(index).id == id ? &at(index) : nullptr;
    }

    /// All connections in the order of their memory; `visit` may erase the one it is given.
    template<class Visit>
    void forEach(Visit &&visit) {
        for (std::uint32_t i = 0; i < m_protocols.size(); ++i)
            if (at(i).isUsed) visit(at(i));
    }
    /// The same for one protocol, at little cost for those of others.
    template<class Visit>
    void forEach(Protocol protocol, Visit &&visit) {
        for (std::uint32_t i = 0; i < m_protocols.size(); ++i)
            if (m_protocols[i] == protocol) visit(at(i));
    }

private:
    static constexpr std::uint32_t kChunk = 256, kTicks = 1024, kNone = UINT32_MAX;
    struct Slot {
        std::uint32_t hash = 0;
        std::uint32_t place = 0; ///< (index + 1) * 2 + direction; 0: empty
    };

    [[nodiscard]] Connection &at(std::uint32_t index) const { return m_chunks[index / kChunk][index % kChunk]; }
    [[nodiscard]] static std::uint32_t tickOf(std::int64_t nanoseconds) {
        return static_cast<std::uint32_t>(nanoseconds / 1'000'000'000);
    }
    void grow();
    void addSlot(std::uint32_t hash, std::uint32_t place);
    void removeSlot(std::uint32_t hash, std::uint32_t place);
    void place(Connection &connection, std::uint32_t tick);
    void unlink(Connection &connection);
    [[nodiscard]] std::uint32_t allocate();

    std::size_t m_maximum;
    std::uint64_t m_seed;
    HugeArray<Slot> m_slots;
    std::uint32_t m_mask = 0;
    std::vector<HugeArray<std::byte>> m_slabs; ///< memory of the chunks
    std::vector<Connection *> m_chunks;
    std::uint32_t m_chunksLeft = 0;    ///< that the last slab has room for
    std::vector<Protocol> m_protocols; ///< by index; none: free
    std::vector<std::uint32_t> m_free;
    std::size_t m_count = 0;
    std::uint64_t m_nextId = 1;
    std::vector<std::uint32_t> m_wheel; ///< first connection of each tick
    std::uint32_t m_tick = 0;           ///< nothing is due before it
    bool m_started = false;
};

template<class Expired>
void ConnectionTable::advance(std::int64_t now, Expired &&expired) {
    const std::uint32_t tick = tickOf(now);
    if (!m_started) m_tick = tick;
    m_started = true;
    // After a long pause one turn of the wheel sees everything.
    const std::uint32_t turns = std::min(tick - m_tick, kTicks - 1);
    m_tick = tick;
    for (std::uint32_t t = tick - turns;; ++t) {
        // Some at a time: where their slots are is known before the first of them is removed, and they are fetched.
        std::array<Connection *, 32> due;
        for (std::uint32_t index = std::exchange(m_wheel[t % kTicks], kNone); index != kNone;) {
            std::size_t count = 0;
            for (; index != kNone && count < due.size(); ++count) {
                Connection &connection = *(due[count] = &at(index));
                index = connection.next;
                connection.next = connection.previous = kNone;
                connection.dueTick = UINT32_MAX;
                if (connection.expires > now) continue;
                prefetchSlot(hash(connection.original));
                prefetchSlot(hash(connection.reply));
            }
            for (std::size_t i = 0; i < count; ++i)
                if (due[i]->expires <= now)
                    expired(*due[i]);
                else
                    place(*due[i], tickOf(due[i]->expires));
        }
        if (t == tick) break;
    }
}

} // namespace natlens::proxycore
