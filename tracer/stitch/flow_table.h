// Every packet goes through here: capture point and tuple to flow, counters up.
#pragma once

#include "capture/base/hash.h"
#include "tracer/path/small_vector.h"
#include "tracer/stitch/flow.h"
#include "tracer/stitch/http_streams.h"
#include "tracer/stitch/index_table.h"
#include "tracer/stitch/leg_table.h"

#include <unordered_map>

namespace natlens::tracer {

/// Flows of all capture points. The usual packet costs one hash look-up and a few counters and allocates nothing;
/// memory grows with flows, not with packets. No table of flows is needed: a leg is looked up, and of its flows, which
/// form a circle, the next packet nearly always belongs to the one that the last packet did, or to that behind it,
/// since packets pass one capture point after the other. Only legs with very many flows have a table. Whoever would
/// fetch ahead what later packets need: measured twice, it costs more than it saves. Lives on the tracer's thread.
class FlowTable final {
public:
    explicit FlowTable(LegTable &legs)
        : m_flows(legs.arena())
        , m_passes(legs.arena())
        , m_marks(legs.arena())
        , m_extras(legs.arena())
        , m_legs(&legs) {}

    /// Packets that belong to no leg are ignored.
    void add(const Observation &seen);

    [[nodiscard]] const Flow &operator[](FlowIndex index) const { return m_flows[index]; }
    [[nodiscard]] std::uint32_t size() const { return m_flows.size(); }
    /// The tunnel with the number that a pass remembers; null for 0. Its ports mean nothing: they differ between flows.
    [[nodiscard]] const packet::Encapsulation *tunnel(std::uint16_t number) const {
        return number == 0 ? nullptr : &m_tunnels[number - 1U];
    }

    /// All flows of a leg, in the order in which they began to be seen: for (const FlowIndex i : flows.of(leg)).
    class OfLeg {
    public:
        class Iterator {
        public:
            Iterator(const FlowTable &flows, FlowIndex at)
                : m_flows(&flows)
                , m_at(at) {}
            FlowIndex operator*() const { return m_at; }
            Iterator &operator++() {
                m_at = (*m_flows)[m_at].next;
                if ((*m_flows)[m_at].isFirst) m_at = kNone;
                return *this;
            }
            bool operator==(const Iterator &other) const { return m_at == other.m_at; }

        private:
            const FlowTable *m_flows;
            FlowIndex m_at;
        };
        OfLeg(const FlowTable &flows, FlowIndex any)
            : m_flows(&flows)
            , m_first(any) {
            while (m_first != kNone && !flows[m_first].isFirst)
                m_first = flows[m_first].next;
        }
        [[nodiscard]] Iterator begin() const { return {*m_flows, m_first}; }
        [[nodiscard]] Iterator end() const { return {*m_flows, kNone}; }

    private:
        const FlowTable *m_flows;
        FlowIndex m_first;
    };
    [[nodiscard]] OfLeg of(const Leg &leg) const { return {*this, leg.flows}; }

    /// From sender to receiver, of a flow of this leg; of an ICMP error: the quoted tuple, reversed.
    [[nodiscard]] packet::Tuple tuple(const Leg &leg, const Flow &flow) const {
        const packet::Tuple tuple = m_legs->tuple(leg);
        return flow.side == 0 ? tuple : tuple.reversed();
    }
    /// Of all passes.
    [[nodiscard]] std::uint32_t packets(const Flow &flow) const {
        std::uint32_t sum = flow.pass.packets;
        for (const Pass *pass = next(flow.pass); pass; pass = next(*pass))
            sum += pass->packets;
        return sum;
    }
    /// All TCP flags seen, of all passes.
    [[nodiscard]] std::uint8_t flags(const Flow &flow) const {
        std::uint8_t all = flow.pass.flags;
        for (const Pass *pass = next(flow.pass); pass; pass = next(*pass))
            all |= pass->flags;
        return all;
    }
    /// Time of the earliest packet.
    [[nodiscard]] base::Timestamp first(const Flow &flow) const;
    /// Time of a leg's newest packet.
    [[nodiscard]] base::Timestamp last(const Leg &leg) const;
    /// The pass after this one, nullptr at the last: for (p = &flow.pass; p; p = flows.next(*p)).
    [[nodiscard]] const Pass *next(const Pass &pass) const {
        if (pass.next == kNone) return nullptr;
        const std::uint32_t at = pass.next & kHasExtra ? m_extras[pass.next & ~kHasExtra].passes : pass.next;
        return at == kNone ? nullptr : &m_passes[at];
    }
    /// At most Flow::kMaxMarks, in the order in which they came.
    [[nodiscard]] SmallVector<Mark, 2> marks(const Flow &flow) const;
    [[nodiscard]] const FlowExtra &extra(const Flow &flow) const;
    [[nodiscard]] static bool hasExtra(const Flow &flow) {
        return flow.pass.next != kNone && (flow.pass.next & kHasExtra) != 0;
    }
    /// Bytes of a TCP stream that its later sequence numbers count, or the other side acknowledged with its FIN, and
    /// that no packet of it brought: 0 where none are missing, where nobody saw it begin, or where repetitions hide it.
    [[nodiscard]] std::uint64_t missingBytes(const Flow &flow) const;
    /// What HTTP said first on this stream; nullptr if it was not HTTP, or not yet.
    [[nodiscard]] const HttpFirstLines *http(const Flow &flow) const {
        return mayBeHttp(flow) ? m_http.found(flow.http) : nullptr;
    }

private:
    /// In Pass::next of a flow's first pass: what it has besides, which knows the next pass.
    static constexpr std::uint32_t kHasExtra = 0x80000000;
    /// Instead of a handle: the stream began with something else.
    static constexpr std::uint32_t kNotHttp = kNone - 1;

    /// A flow, and the leg that it belongs to.
    struct Place {
        LegIndex leg;
        FlowIndex flow;
    };
    /// What tells the flows of a leg apart.
    struct Spot {
        base::CapturePointId point;
        Flow::Kind kind;
        std::uint8_t side;

        explicit Spot(const Flow &flow)
            : Spot(flow.point, flow.kind, flow.side) {}
        explicit Spot(const Observation &seen)
            : Spot(seen.point, seen.isIcmpError ? Flow::Kind::icmpError : Flow::Kind::packets, seen.side) {}
        Spot(base::CapturePointId ofPoint, Flow::Kind ofKind, std::uint8_t ofSide)
            : point(ofPoint)
            , kind(ofKind)
            , side(ofSide) {}
        /// One comparison: of most flows that are looked at one of the three is different, and which one nobody can
        /// tell.
        bool operator==(const Spot &other) const {
            return ((point.value ^ other.point.value) |
                    (static_cast<std::uint32_t>(kind) ^ static_cast<std::uint32_t>(other.kind)) |
                    (std::uint32_t{side} ^ std::uint32_t{other.side})) == 0;
        }
    };
    struct Key {
        LegIndex leg;
        Spot spot;
        bool operator==(const Key &) const = default;
    };
    struct KeyHash {
        std::size_t operator()(const Key &key) const {
            const auto rest = static_cast<unsigned>(key.spot.kind) << 1 | unsigned{key.spot.side};
            return base::mix(std::uint64_t{key.leg} << 32 | key.spot.point.value, rest);
        }
    };
    /// A leg with more flows than this (a file may have thousands of interfaces) has them in m_many, too.
    static constexpr unsigned kFew = 32;
    /// Of a circle that may be one of those so much is walked before m_many is asked.
    static constexpr unsigned kNear = 4;
    struct MoreMark {
        Mark mark;
        std::uint32_t next = kNone;
    };

    [[nodiscard]] base::Timestamp last(const Flow &flow) const;
    [[nodiscard]] bool belongsToNewest(const Leg &leg, const Flow &flow, const Observation &seen) const;
    [[nodiscard]] FlowIndex find(LegIndex index, const Leg &leg, const Spot &spot) const;
    [[nodiscard]] FlowIndex create(LegIndex leg, const Spot &spot);
    void append(LegIndex leg, FlowIndex index);
    void count(Place place, const Observation &seen);
    void addFragment(const Observation &seen);
    void countFragment(Place place, const Observation &seen);
    void beginFragments(Place place, const Observation &first);
    void noteEnd(const Leg &leg, Flow &flow, const Observation &seen);
    void noteAcknowledged(Place by, const Observation &seen);
    void keepEnd(Flow &flow, std::uint32_t begin, std::uint64_t end);
    [[nodiscard]] std::uint64_t bytesOf(const Flow &flow) const;
    void addDuplicate(Flow &flow, const Pass &pass, const Observation &seen);
    [[nodiscard]] bool seenBefore(const Flow &flow, const Observation &seen) const;
    void keepFirstMark(Flow &flow, const Pass &pass);
    void noteReset(Flow &flow, const Observation &seen);
    void addTcp(Place place, Pass &pass, const Observation &seen);
    [[nodiscard]] std::uint16_t remember(const packet::Encapsulation &tunnel);
    [[nodiscard]] Pass &passFor(Flow &flow, const Observation &seen);
    [[nodiscard]] FlowExtra &extraOf(Flow &flow);
    [[nodiscard]] static Mark firstMark(const Flow &flow);
    void mark(Flow &flow, bool isFirst, const Observation &seen);
    void addMark(Flow &flow, const Mark &mark);
    [[nodiscard]] static bool mayBeHttp(const Flow &flow) { return flow.http < kNotHttp; }
    void peek(Flow &flow, std::uint32_t isn, const Observation &seen);

    Pool<Flow> m_flows;
    Pool<Pass> m_passes; ///< beyond the first of each flow
    Pool<MoreMark> m_marks;
    Pool<FlowExtra> m_extras;
    std::vector<packet::Encapsulation> m_tunnels;          ///< few: one for each pair of nodes and network
    std::unordered_map<std::uint64_t, Place> m_fragmented; ///< the flows of first fragments, by fragmentOf
    std::unordered_map<std::uint64_t, std::vector<Observation>> m_early; ///< fragments whose first one is yet to come
    std::unordered_map<Key, FlowIndex, KeyHash> m_many;
    std::unordered_map<LegIndex, FlowIndex> m_lastOfMany; ///< the last flow of each leg in m_many
    HttpStreams m_http;
    LegTable *m_legs;
};

} // namespace natlens::tracer
