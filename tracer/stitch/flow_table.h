// Every packet goes through here: capture point and tuple to flow, counters up.
#pragma once

#include "tracer/path/small_vector.h"
#include "tracer/stitch/flow.h"
#include "tracer/stitch/http_streams.h"
#include "tracer/stitch/index_table.h"
#include "tracer/stitch/leg_table.h"

namespace natlens::tracer {

/// Flows of all capture points. The usual packet costs one hash look-up and a few counters and allocates nothing;
/// memory grows with flows, not with packets. Whoever would fetch ahead what later packets need: measured with two
/// million flows, that costs a fifth more than it saves.
/// Lives on the tracer's thread.
class FlowTable final {
public:
    explicit FlowTable(LegTable &legs)
        : m_flows(legs.arena())
        , m_passes(legs.arena())
        , m_marks(legs.arena())
        , m_extras(legs.arena())
        , m_legs(&legs) {}

    /// Whether the packet is one that has a flow: others are not counted anywhere.
    [[nodiscard]] static bool wants(const packet::DecodedPacket &packet) {
        return packet.family != packet::IpFamily::none && !packet.tuple.src.ip.isNone() &&
               // A later fragment carries no ports: it cannot be told whose it is, and its first fragment stands for
               // it.
               !(packet.isFragment && packet.fragmentOffset != 0);
    }
    /// Never 0.
    [[nodiscard]] static std::uint64_t hashOf(base::CapturePointId point, const packet::DecodedPacket &packet);

    /// Packets that are not wanted (whose hash is 0) are ignored.
    void add(const Observation &seen);

    /// Gives back what only packets need. More packets may be added all the same: then it is made anew.
    void rest() { m_index = {}; }

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
                return *this;
            }
            bool operator==(const Iterator &other) const { return m_at == other.m_at; }

        private:
            const FlowTable *m_flows;
            FlowIndex m_at;
        };
        OfLeg(const FlowTable &flows, FlowIndex first)
            : m_flows(&flows)
            , m_first(first) {}
        [[nodiscard]] Iterator begin() const { return {*m_flows, m_first}; }
        [[nodiscard]] Iterator end() const { return {*m_flows, kNone}; }

    private:
        const FlowTable *m_flows;
        FlowIndex m_first;
    };
    [[nodiscard]] OfLeg of(const Leg &leg) const { return {*this, leg.flows}; }

    /// From sender to receiver; of an ICMP error: the quoted tuple, reversed.
    [[nodiscard]] packet::Tuple tuple(const Flow &flow) const {
        const packet::Tuple tuple = m_legs->tuple((*m_legs)[flow.leg]);
        return flow.side == 0 ? tuple : tuple.reversed();
    }
    /// Of all passes.
    [[nodiscard]] std::uint32_t packets(const Flow &flow) const {
        std::uint32_t sum = flow.pass.packets;
        for (const Pass *pass = next(flow.pass); pass; pass = next(*pass))
            sum += pass->packets;
        return sum;
    }
    /// Time of the earliest packet.
    [[nodiscard]] base::Timestamp first(const Flow &flow) const;
    /// The pass after this one, nullptr at the last: for (p = &flow.pass; p; p = flows.next(*p)).
    [[nodiscard]] const Pass *next(const Pass &pass) const {
        return pass.next == kNone ? nullptr : &m_passes[pass.next];
    }
    /// At most Flow::kMaxMarks, in the order in which they came.
    [[nodiscard]] SmallVector<Mark, 2> marks(const Flow &flow) const;
    [[nodiscard]] const FlowExtra &extra(const Flow &flow) const;
    /// What HTTP said first on this stream; nullptr if it was not HTTP, or not yet.
    [[nodiscard]] const HttpFirstLines *http(const Flow &flow) const { return m_http.found(flow.http); }

private:
    struct MoreMark {
        Mark mark;
        std::uint32_t next = kNone;
    };

    [[nodiscard]] base::Timestamp last(const Flow &flow) const;
    [[nodiscard]] bool belongsToNewest(const Flow &flow, const Observation &seen) const;
    [[nodiscard]] FlowIndex find(const PackedTuple &tuple, const Observation &seen, Flow::Kind kind);
    [[nodiscard]] static std::uint64_t hashOf(base::CapturePointId point, const packet::Tuple &tuple, Flow::Kind kind);
    void indexAll();
    void count(Flow &flow, const Observation &seen);
    void addDuplicate(Flow &flow, const Pass &pass, const Observation &seen);
    [[nodiscard]] bool seenBefore(const Flow &flow, const Observation &seen) const;
    void addTcp(Flow &flow, Pass &pass, const Observation &seen);
    [[nodiscard]] std::uint16_t remember(const packet::Encapsulation &tunnel);
    [[nodiscard]] Pass &passFor(Flow &flow, const Observation &seen);
    [[nodiscard]] FlowExtra &extraOf(Flow &flow);
    [[nodiscard]] static Mark firstMark(const Flow &flow);
    void mark(Flow &flow, bool isFirst, const Observation &seen);
    void addMark(Flow &flow, const Mark &mark);
    void peek(Flow &flow, const Observation &seen);

    Pool<Flow> m_flows;
    Pool<Pass> m_passes; ///< beyond the first of each flow
    Pool<MoreMark> m_marks;
    Pool<FlowExtra> m_extras;
    std::vector<packet::Encapsulation> m_tunnels; ///< few: one for each pair of nodes and network
    IndexTable m_index;
    HttpStreams m_http;
    LegTable *m_legs;
};

} // namespace natlens::tracer
