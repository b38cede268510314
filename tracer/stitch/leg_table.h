// All legs: connections as seen with one pair of addresses.
#pragma once

#include "capture/base/hash.h"
#include "tracer/stitch/address_table.h"
#include "tracer/stitch/leg.h"
#include "tracer/stitch/proxy_preface.h"
#include "tracer/stitch/stream_opening.h"

#include <chrono>
#include <map>
#include <unordered_map>
#include <vector>

namespace natlens::tracer {

/// Packets that arrive this much too late are still put where they belong.
inline constexpr std::chrono::milliseconds kReorderWindow{50};
/// What an earlier connection with the same addresses still has on its way, the last try of its end included, is there
/// by then: far later, and numbers have gone round.
inline constexpr std::chrono::seconds kStragglers{1};
/// A pause after which datagrams between the same sockets are a new conversation (the kernel's own limit for
/// assured UDP entries, nf_conntrack_udp_timeout_stream).
inline constexpr std::chrono::seconds kIdleLimit{120};

/// Tells connections with the same addresses and ports apart: TCP by initial sequence number, others by pauses. The
/// result does not depend on the order in which capture points are read.
class LegTable final {
public:
    LegTable() = default;
    LegTable(const LegTable &) = delete;
    LegTable &operator=(const LegTable &) = delete;

    /// Hash of a leg's addresses, the smaller socket address first. Never 0. IPv6 addresses have numbers in the table
    /// only, so that they are given themselves, in any order.
    [[nodiscard]] static std::uint64_t hashOf(const PackedTuple &tuple) {
        return hashOf(std::uint64_t{tuple.ip[0]} << 32 | tuple.ip[1], tuple);
    }
    [[nodiscard]] static std::uint64_t hashOf(const packet::IpAddress &one, const packet::IpAddress &other,
                                              const PackedTuple &tuple) {
        return hashOf(packet::hashValue(one) + packet::hashValue(other), tuple);
    }

    /// Where the newest leg with the addresses of a packet stands; kNone in it where there is none yet. Valid until the
    /// next call. `tuple`: packed, as legs have it.
    [[nodiscard]] LegIndex &newest(const PackedTuple &tuple, const Observation &seen) {
        return m_index.at(seen.hash, [&](std::uint32_t i) { return m_legs[i].has(tuple, 0); });
    }
    /// The same without a place, if a packet with these addresses came not long ago; else kNone. Costs no search.
    [[nodiscard]] LegIndex recent(const PackedTuple &tuple, const Observation &seen) const {
        const LegIndex leg = m_recent[seen.hash % kRecent];
        return leg != kNone && m_legs[leg].has(tuple, 0) ? leg : kNone;
    }
    /// What recent() will answer: to be called whenever newest() was, or may have changed.
    void setRecent(const Observation &seen, LegIndex newest) { m_recent[seen.hash % kRecent] = newest; }
    /// The leg that a packet belongs to, made if there is none; `head` is newest().
    [[nodiscard]] LegIndex legFor(LegIndex &head, const PackedTuple &tuple, const Observation &seen);
    /// A packet of the connection that had these addresses before `newest` and that came a little late, by its numbers.
    [[nodiscard]] bool isLate(const Leg &newest, const Observation &seen) const;
    /// The tuple as legs have it: to be compared by Leg::has().
    [[nodiscard]] PackedTuple pack(const Observation &seen) { return m_addresses.pack(seen); }
    /// Takes over what the packet says about its leg: times and initial sequence numbers.
    void learn(LegIndex index, int side, const Observation &seen);
    [[nodiscard]] Leg &operator[](LegIndex index) { return m_legs[index]; }
    [[nodiscard]] const Leg &operator[](LegIndex index) const { return m_legs[index]; }
    [[nodiscard]] std::uint32_t size() const { return m_legs.size(); }
    /// Where tables that live as long as this one have their elements.
    [[nodiscard]] base::Arena &arena() { return m_arena; }
    [[nodiscard]] packet::Tuple tuple(const Leg &leg) const { return m_addresses.unpack(leg.packed()); }
    /// The side that a tuple of this leg comes from.
    [[nodiscard]] int sideOf(const Leg &leg, const packet::Tuple &of) const { return of == tuple(leg) ? 0 : 1; }
    /// From the client, as far as the initiator is known; else from the smaller socket address.
    [[nodiscard]] packet::Tuple request(const Leg &leg) const {
        return m_addresses.unpack(leg.initiator == 1 ? leg.packed().reversed() : leg.packed());
    }
    [[nodiscard]] const StreamSamples &samples() const { return m_samples; }
    /// What a side of a TCP connection sent first; null where that was not seen.
    [[nodiscard]] const StreamOpening *opening(const Leg &leg, int side) const {
        if (leg.openings == kNone) return nullptr;
        const StreamOpening &opening = m_openings[leg.openings].sides[static_cast<std::size_t>(side)];
        return opening.length == 0 ? nullptr : &opening;
    }
    /// Legs that began with a PROXY protocol header (of either side: requests have it), with it.
    [[nodiscard]] const std::map<LegIndex, ProxyPreface> &prefaces() const { return m_prefaces; }

    /// Newest leg with this tuple in either direction; follow `older`. kNone if there is none.
    [[nodiscard]] LegIndex newest(const packet::Tuple &tuple) const;
    /// Calls `visit(other)` for all legs that began with the same initial sequence number as this one, itself
    /// included; unless they are a crowd, of which it returns the size, else 0.
    template<class Visit>
    std::size_t visitAlike(const Leg &leg, Visit &&visit) const {
        if (leg.initiator < 0) return 0;
        if (const std::size_t crowd = crowdOf(leg); crowd != 0) return crowd;
        LegIndex i = leg.alike;
        do {
            visit(i);
            i = m_legs[i].alike;
        } while (i != leg.alike);
        return 0;
    }
    /// How many legs began as this one did, if that is more than kCrowd: comparing each with each would be slow and
    /// could only end in "ambiguous". 0 otherwise.
    [[nodiscard]] std::size_t crowdOf(const Leg &leg) const {
        if (m_crowds.empty() || leg.initiator < 0) return 0;
        const auto found = m_crowds.find(isnOf(leg));
        return found == m_crowds.end() ? 0 : found->second;
    }
    static constexpr std::size_t kCrowd = 64;

    void touch(LegIndex index) {
        Leg &leg = m_legs[index];
        if (leg.dirty) return;
        leg.dirty = true;
        m_dirty.push_back(index);
    }
    /// Gives back what only new legs need. More packets may be added all the same: then it is made anew.
    void rest();
    /// The legs touched since the last call.
    [[nodiscard]] std::vector<LegIndex> takeDirty();

private:
    struct Openings {
        std::array<StreamOpening, 2> sides;
    };
    [[nodiscard]] static std::uint64_t hashOf(std::uint64_t addresses, const PackedTuple &tuple) {
        const std::uint64_t rest =
            static_cast<std::uint64_t>(tuple.protocol) << 32 | std::uint64_t{tuple.port[0]} << 16 | tuple.port[1];
        return base::mix(base::mix(addresses, rest), rest) | 1;
    }
    [[nodiscard]] LegIndex create(const PackedTuple &tuple, base::Timestamp time, std::uint32_t &head);
    [[nodiscard]] LegIndex forSyn(LegIndex newestLeg, int side, const Observation &seen);
    [[nodiscard]] LegIndex forSynAck(LegIndex newestLeg, int side, const Observation &seen);
    [[nodiscard]] LegIndex forLater(LegIndex newestLeg, int side, const Observation &seen);
    void sample(Leg &leg, int side, const Observation &seen);
    void open(LegIndex index, int side, std::uint32_t offset, const Observation &seen);
    void addAlike(LegIndex index);
    [[nodiscard]] LegIndex &alikeAt(std::uint32_t isn);
    /// The number with which the connection began; it must have.
    [[nodiscard]] static std::uint32_t isnOf(const Leg &leg) {
        return leg.isn[static_cast<std::size_t>(leg.initiator)];
    }

    base::Arena m_arena; // first: the others' elements are in it
    AddressTable m_addresses{m_arena};
    Pool<Leg> m_legs{m_arena};
    StreamSamples m_samples{m_arena};
    Pool<Openings> m_openings{m_arena};
    std::map<LegIndex, ProxyPreface> m_prefaces;
    IndexTable m_index; ///< by tuple: the newest leg
    /// Some of m_index, by hash: connections of which packets come now are few, those that there were are many.
    static constexpr std::size_t kRecent = 1024;
    std::vector<LegIndex> m_recent = std::vector<LegIndex>(kRecent, kNone);
    IndexTable m_alikeIndex; ///< by initial sequence number: one of those that began with it, the one with `news`
    bool m_rested = false;   ///< it has been given back
    std::unordered_map<std::uint32_t, std::size_t> m_crowds; ///< by initial sequence number, of more than kCrowd
    std::vector<LegIndex> m_dirty;
    std::vector<LegIndex> m_news; ///< one of those that are alike, with a new one among them
};

} // namespace natlens::tracer
