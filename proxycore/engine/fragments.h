// Fragments: only the first of a packet says which connection it belongs to.
#pragma once

#include "proxycore/engine/packet_fields.h"

#include <deque>
#include <unordered_map>

namespace natlens::proxycore {

/// Remembers, by addresses, protocol and identification, what became of the first fragment, and keeps the others until
/// it comes: at most 256 packets, 64 fragments and 512 KiB in all; 30 s each. Lives on one thread.
class FragmentStore final {
public:
    struct Fate {
        enum class Kind : std::uint8_t { waiting, untouched, translated, discarded } kind = Kind::waiting;
        std::uint64_t connection = 0; ///< its id, so that one that has ended meanwhile is noticed
        std::uint32_t index = 0;
        unsigned direction = 0;
    };
    struct Key {
        TupleKey addresses; ///< without ports
        std::uint32_t id = 0;

        bool operator==(const Key &) const = default;
    };
    [[nodiscard]] static Key keyOf(const PacketFields &fields);

    /// What became of the packet that the fragment belongs to; null: its first fragment has not come.
    [[nodiscard]] const Fate *find(const Key &key, std::int64_t now);
    /// The first fragment has come. Gives back the fragments that waited for it, in the order of their arrival.
    std::vector<std::vector<std::byte>> decide(const Key &key, const Fate &fate, std::int64_t now);
    /// Keeps a fragment; false: there is no room.
    [[nodiscard]] bool hold(const Key &key, const PacketFields &fields, std::int64_t now);
    void expire(std::int64_t now);

private:
    struct Hash {
        std::size_t operator()(const Key &key) const { return hashOf(key.addresses, key.id); }
    };
    struct Packet {
        Fate fate;
        std::int64_t expires = 0;
        std::vector<std::vector<std::byte>> held;
    };
    /// The packet's record, made if need be; the oldest gives way when there are too many.
    Packet &entry(const Key &key, std::int64_t now);
    void drop(const Key &key);

    std::unordered_map<Key, Packet, Hash> m_packets;
    std::deque<std::pair<std::int64_t, Key>> m_order; ///< by time; keys may be gone
    std::size_t m_heldCount = 0, m_heldBytes = 0;
};

} // namespace natlens::proxycore
