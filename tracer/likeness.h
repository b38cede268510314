// What decides how a connection is judged, as bytes: two connections with the same bytes end in the same group, with
// the same findings.
#pragma once

#include "tracer/findings/cluster_context.h"
#include "tracer/stitch/capture_points.h"
#include "tracer/stitch/flow_table.h"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace natlens::tracer {

/// Most connections of a large capture are like another one: the same hosts and addresses, seen at the same places in
/// the same order; only the client's port, numbers and times differ. Making a path of one costs some 28,000
/// instructions, recognising it one to two thousand.
///
/// Only plain connections have a likeness: TCP, seen to begin and to be answered, once, without resets, repetitions or
/// ICMP errors, with no more than a few pairs of addresses that begin alike. Everything that PathBuilder, LinkFinder,
/// Annotator and the findings about single paths look at in such a connection is in its bytes:
///  * all addresses, the port asked, which ports and tuples of its legs are equal or smaller;
///  * points, times to live, directions, flags, tunnels, Ethernet addresses and kinds of HTTP of its flows, and the
///    client's address that an answer tells;
///  * the order in which flows began, ties told; which opening packets are equal, and which came within a second;
///  * the cluster state, where that has been the same for a minute before.
/// Not in it, so that a finding about plain connections must not look at them: client ports as numbers, counts of
/// packets and bytes beyond none, times beyond their order. Where conntrack, rule traces, a host's facts or losses of
/// the capture may say something about a connection, nothing has a likeness: who asks must know that there are none.
///
/// A function of flows and legs only, but for facts learned of hosts (addresses, roles): whoever keeps what a likeness
/// led to must forget it when those change. Lives on one thread; the tables must not change.
class Likeness final {
public:
    Likeness(const LegTable &legs, const FlowTable &flows, const CapturePoints &points, const ClusterContext &cluster)
        : m_legs(&legs)
        , m_flows(&flows)
        , m_points(&points)
        , m_cluster(&cluster) {}

    /// Looks at a set of legs that has nothing to do with others (Components). False if it has no likeness; then
    /// nothing else may be asked.
    [[nodiscard]] bool read(std::span<const LegIndex> legs);

    [[nodiscard]] const std::string &bytes() const { return m_bytes; }
    /// As Path has them, if all legs are steps of one connection.
    [[nodiscard]] Timestamp firstSeen() const { return m_first; }
    [[nodiscard]] Timestamp lastSeen() const { return m_last; }
    [[nodiscard]] std::uint64_t packets() const;

private:
    struct Seen {
        Timestamp first;
        std::uint64_t number = 0;
        const Flow *flow = nullptr;
        std::uint32_t leg = 0;
        HostIndex host = 0;
        bool reply = false;
        std::uint32_t packets = 0;
    };

    template<class T>
    void put(const T &value) {
        m_bytes.append(reinterpret_cast<const char *>(&value), sizeof(value));
    }
    void put(const packet::IpAddress &address);
    [[nodiscard]] bool addLeg(std::uint32_t place, const Leg &leg);
    [[nodiscard]] bool addFlow(std::uint32_t place, const Flow &flow, bool reply);
    [[nodiscard]] bool compareLegs(std::span<const LegIndex> legs);
    void compareOpenings();
    void addOrder();
    [[nodiscard]] bool addClusterState();

    const LegTable *m_legs;
    const FlowTable *m_flows;
    const CapturePoints *m_points;
    const ClusterContext *m_cluster;
    std::string m_bytes;
    std::vector<Seen> m_seen; ///< every pass of every flow
    Timestamp m_first, m_last;
    bool m_answered = false;
};

} // namespace natlens::tracer
