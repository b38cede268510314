// All legs: connections as seen with one pair of addresses.
#pragma once

#include "tracer/stitch/flow.h"
#include "tracer/stitch/index_table.h"
#include "tracer/stitch/proxy_preface.h"
#include "tracer/stitch/stream_opening.h"

#include <chrono>
#include <map>
#include <vector>

namespace natlens::tracer {

/// Packets that arrive this much too late are still put where they belong.
inline constexpr std::chrono::milliseconds kReorderWindow{50};
/// A pause after which datagrams between the same sockets are a new conversation (the kernel's own limit for
/// assured UDP entries, nf_conntrack_udp_timeout_stream).
inline constexpr std::chrono::seconds kIdleLimit{120};

/// Tells connections with the same addresses and ports apart: TCP by initial sequence number, others by pauses. The
/// result does not depend on the order in which capture points are read.
class LegTable final {
public:
    /// The leg that a packet belongs to, made if there is none. `tuple` is the packet's.
    [[nodiscard]] LegIndex legFor(const packet::Tuple &tuple, const Observation &seen, Flow::Kind kind);
    /// Takes over what the packet says about its leg: times and initial sequence numbers.
    void learn(LegIndex index, int side, const Observation &seen, Flow::Kind kind);
    /// Files the leg under a key that its partners across a NAT have, too.
    void addKey(LegIndex index, std::uint64_t key);

    [[nodiscard]] Leg &operator[](LegIndex index) { return m_legs[index]; }
    [[nodiscard]] const Leg &operator[](LegIndex index) const { return m_legs[index]; }
    [[nodiscard]] std::uint32_t size() const { return m_legs.size(); }
    [[nodiscard]] const StreamSamples &samples() const { return m_samples; }
    /// What a side of a TCP connection sent first; null where that was not seen.
    [[nodiscard]] const StreamOpening *opening(const Leg &leg, int side) const {
        const std::uint32_t index = leg.openings[static_cast<std::size_t>(side)];
        return index == kNone || m_openings[index].length == 0 ? nullptr : &m_openings[index];
    }
    /// Legs that began with a PROXY protocol header (of either side: requests have it), with it.
    [[nodiscard]] const std::map<LegIndex, ProxyPreface> &prefaces() const { return m_prefaces; }

    /// Newest leg with this tuple in either direction; follow `older`. kNone if there is none.
    [[nodiscard]] LegIndex newest(const packet::Tuple &tuple) const;
    /// All legs filed under a key that some leg has.
    [[nodiscard]] const SmallVector<LegIndex, 2> *withKey(std::uint64_t key) const;
    /// Calls `visit(members)` for the legs under each key.
    template<class Visit>
    void visitGroups(Visit &&visit) const {
        for (std::uint32_t i = 0; i < m_groups.size(); ++i)
            visit(m_groups[i].members);
    }
    void prefetch(LegIndex index) const { m_legs.prefetch(index); }

    void touch(LegIndex index) {
        Leg &leg = m_legs[index];
        if (leg.dirty) return;
        leg.dirty = true;
        m_dirty.push_back(index);
    }
    /// The legs touched since the last call.
    [[nodiscard]] std::vector<LegIndex> takeDirty();

    [[nodiscard]] static std::uint64_t keyOfIsn(std::uint32_t isn);

private:
    /// The legs with one key. A new member touches all, but not before takeDirty() asks: groups may be large.
    struct Group {
        std::uint64_t key = 0;
        SmallVector<LegIndex, 2> members;
        bool dirty = false;
    };

    [[nodiscard]] LegIndex create(const packet::Tuple &tuple, base::Timestamp time, std::uint32_t &head);
    [[nodiscard]] LegIndex forSyn(LegIndex newestLeg, int side, const Observation &seen);
    [[nodiscard]] LegIndex forSynAck(LegIndex newestLeg, int side, const Observation &seen);
    [[nodiscard]] LegIndex forLater(LegIndex newestLeg, int side, const Observation &seen, Flow::Kind kind);
    void sample(Leg &leg, int side, const Observation &seen);
    void open(LegIndex index, int side, std::uint32_t offset, const Observation &seen);
    void setIsn(LegIndex index, int side, std::uint32_t isn);

    Pool<Leg> m_legs;
    StreamSamples m_samples;
    Pool<StreamOpening> m_openings;
    std::map<LegIndex, ProxyPreface> m_prefaces;
    IndexTable m_index;
    Pool<Group> m_groups;
    IndexTable m_groupIndex;
    std::vector<LegIndex> m_dirty;
    std::vector<std::uint32_t> m_dirtyGroups;
};

} // namespace natlens::tracer
