#include "proxycore/engine/connection_table.h"

namespace natlens::proxycore {

namespace {
constexpr std::uint32_t kFewestSlots = 1024;
}

ConnectionTable::ConnectionTable(std::size_t maximum, std::uint64_t seed)
    : m_maximum(std::min<std::size_t>(maximum, 1U << 28))
    , m_seed(base::mix(seed, 0x2545f4914f6cdd1dULL))
    , m_slots(kFewestSlots)
    , m_mask(kFewestSlots - 1)
    , m_wheel(kTicks, kNone) {}

ConnectionTable::Found ConnectionTable::find(const TupleKey &key, std::uint32_t hash) const {
    for (std::uint32_t i = hash & m_mask;; i = (i + 1) & m_mask) {
        const Slot slot = m_slots[i];
        if (slot.place == 0) return {};
        if (slot.hash != hash) continue;
        Connection &candidate = at(slot.place / 2 - 1);
        const unsigned direction = slot.place & 1;
        if (candidate.tuple(direction) == key) return {&candidate, direction};
    }
}

void ConnectionTable::prefetchConnection(std::uint32_t hash) const {
    std::uint32_t i = hash & m_mask;
    for (int steps = 0; steps < 4; ++steps, i = (i + 1) & m_mask) {
        const Slot slot = m_slots[i];
        if (slot.place == 0) return;
        if (slot.hash != hash) continue;
        const auto *lines = reinterpret_cast<const std::byte *>(&at(slot.place / 2 - 1));
        for (std::size_t line = 0; line < 3; ++line)
            __builtin_prefetch(lines + line * 64, 1);
        return;
    }
}

Connection &ConnectionTable::insert(const TupleKey &original, const TupleKey &reply) {
    if ((m_count + 1) * 4 > m_slots.size()) grow();
    const std::uint32_t index = allocate();
    Connection &connection = at(index);
    std::construct_at(&connection);
    connection.original = original;
    connection.reply = reply;
    connection.id = m_nextId++;
    connection.index = index;
    connection.isUsed = true;
    connection.dueTick = UINT32_MAX;
    connection.next = connection.previous = kNone;
    m_protocols[index] = original.protocol;
    addSlot(hash(original), (index + 1) * 2);
    addSlot(hash(reply), (index + 1) * 2 + 1);
    ++m_count;
    return connection;
}

void ConnectionTable::erase(Connection &connection) {
    unlink(connection);
    removeSlot(hash(connection.original), (connection.index + 1) * 2);
    removeSlot(hash(connection.reply), (connection.index + 1) * 2 + 1);
    connection.isUsed = false;
    m_protocols[connection.index] = Protocol::none;
    m_free.push_back(connection.index);
    --m_count;
}

std::uint32_t ConnectionTable::allocate() {
    if (m_free.empty()) {
        const auto first = static_cast<std::uint32_t>(m_protocols.size());
        if (m_chunksLeft == 0) { // one chunk is enough for most; who needs more gets huge pages
            constexpr std::size_t kBytes = kChunk * sizeof(Connection);
            m_chunksLeft = m_slabs.empty() ? 1 : static_cast<std::uint32_t>(kHugePage / kBytes);
            m_slabs.emplace_back(m_slabs.empty() ? kBytes : kHugePage);
            m_chunks.push_back(reinterpret_cast<Connection *>(m_slabs.back().data()));
        } else {
            m_chunks.push_back(m_chunks.back() + kChunk);
        }
        --m_chunksLeft;
        std::uninitialized_default_construct_n(m_chunks.back(), kChunk);
        m_protocols.resize(first + kChunk, Protocol::none);
        m_free.reserve(m_protocols.size());
        for (std::uint32_t i = kChunk; i > 0; --i)
            m_free.push_back(first + i - 1);
    }
    const std::uint32_t index = m_free.back();
    m_free.pop_back();
    return index;
}

void ConnectionTable::grow() {
    const HugeArray<Slot> old = std::exchange(m_slots, HugeArray<Slot>(m_slots.size() * 2));
    m_mask = static_cast<std::uint32_t>(m_slots.size() - 1);
    for (std::size_t i = 0; i < old.size(); ++i)
        if (old[i].place != 0) addSlot(old[i].hash, old[i].place);
}

void ConnectionTable::addSlot(std::uint32_t hash, std::uint32_t place) {
    std::uint32_t i = hash & m_mask;
    while (m_slots[i].place != 0)
        i = (i + 1) & m_mask;
    m_slots[i] = {hash, place};
}

void ConnectionTable::removeSlot(std::uint32_t hash, std::uint32_t place) {
    std::uint32_t hole = hash & m_mask;
    while (m_slots[hole].place != place)
        hole = (hole + 1) & m_mask;
    // What follows moves up, so that no search ends too early at the hole.
    for (std::uint32_t i = (hole + 1) & m_mask; m_slots[i].place != 0; i = (i + 1) & m_mask) {
        if (((i - m_slots[i].hash) & m_mask) < ((i - hole) & m_mask)) continue;
        m_slots[hole] = m_slots[i];
        hole = i;
    }
    m_slots[hole] = {};
}

void ConnectionTable::place(Connection &connection, std::uint32_t tick) {
    unlink(connection);
    // Beyond the wheel's reach: looked at when it has turned once. Never before now: that tick has been done.
    tick = std::clamp(tick, m_tick, m_tick + kTicks - 1);
    std::uint32_t &first = m_wheel[tick % kTicks];
    connection.next = first;
    connection.previous = kNone;
    connection.dueTick = tick;
    if (first != kNone) at(first).previous = connection.index;
    first = connection.index;
}

void ConnectionTable::unlink(Connection &connection) {
    if (connection.dueTick == UINT32_MAX) return;
    if (connection.previous != kNone)
        at(connection.previous).next = connection.next;
    else
        m_wheel[connection.dueTick % kTicks] = connection.next;
    if (connection.next != kNone) at(connection.next).previous = connection.previous;
    connection.next = connection.previous = kNone;
    connection.dueTick = UINT32_MAX;
}

} // namespace natlens::proxycore
