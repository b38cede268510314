// Whether one connection was opened to pass on what another one carries.
#pragma once

#include "tracer/stitch/capture_points.h"
#include "tracer/stitch/flow_table.h"

#include <optional>
#include <string>
#include <vector>

namespace natlens::tracer {

/// What speaks for `after` being what a proxy made of `before`.
struct ProxyVerdict {
    LegIndex before = kNone, after = kNone;
    /// How surely: `named` in a PROXY protocol header by address and port; bytes that are `equal`; a request and an
    /// answer that are `alike` but for header fields.
    enum class Kind : std::uint8_t { alike, equal, named } kind = Kind::alike;
    bool inTime = false;                     ///< requests and answers are in order without allowing for clock errors
    base::Timestamp asked;                   ///< when the first request went out
    std::string host = {};                   ///< where both were seen; "" when no capture point is there
    std::vector<EvidenceKind> evidence = {}; ///< strongest first
    double confidence = 0;
};

/// Judges pairs of TCP connections, each by the leg that the proxy sees. A proxy ends one connection and begins another
/// one, so no number agrees; these must all hold instead:
/// * the second opens while the first lives, its request is not earlier and its answer not later;
/// * the first ends and the second begins at one place: one host, or one address;
/// * both were made there: times to live are as hosts set them, not as routers leave them. This tells a proxy from a
///   translation whose other side was not captured, which would fulfil all the rest;
/// * the same bytes at fixed offsets in both directions and about as many; or of HTTP the same request and answer but
///   for what proxies add and change. A PROXY protocol header that names the client's very socket says it all.
class ProxyJudge final {
public:
    ProxyJudge(const LegTable &legs, const FlowTable &flows, const CapturePoints &points)
        : m_legs(&legs)
        , m_flows(&flows)
        , m_points(&points) {}

    [[nodiscard]] std::optional<ProxyVerdict> compare(LegIndex before, LegIndex after) const;

    /// A place where a connection begins or ends, as a number: a host that was captured on, or an address.
    using Places = SmallVector<std::uint32_t, 4>;
    /// Where the leg's server (or its client) made its packets; nothing if a router stands before all sights, if the
    /// leg's beginning was not seen or nothing was said on it.
    [[nodiscard]] Places endsAt(LegIndex leg) const { return placesOf(leg, 1); }
    [[nodiscard]] Places beginsAt(LegIndex leg) const { return placesOf(leg, 0); }
    /// The request that the connection opened with: equal for both sides of a proxy.
    [[nodiscard]] std::uint32_t contentKey(LegIndex leg) const;
    [[nodiscard]] base::Timestamp asked(LegIndex leg) const;

private:
    /// Where packets of one side were seen with the highest time to live.
    struct Source {
        int ttl = 0;
        SmallVector<base::CapturePointId, 2> points; ///< but for those that they came into
        bool facing = false;                         ///< all of these know that they went out
    };
    struct Content;

    /// `end`: 0 the client, 1 the server.
    [[nodiscard]] Places placesOf(LegIndex leg, int end) const;
    [[nodiscard]] Source sourceOf(const Leg &leg, int side) const;
    [[nodiscard]] const HttpFirstLines *http(const Leg &leg, int side) const;
    [[nodiscard]] std::uint64_t bytes(const Leg &leg, int side) const;
    [[nodiscard]] HostIndex hostOf(base::CapturePointId point) const { return m_points->points()[point.value].host; }
    [[nodiscard]] bool nested(const Leg &before, const Leg &after, std::chrono::nanoseconds clockError) const;
    [[nodiscard]] bool opensFirst(const Leg &before, const Leg &after, HostIndex host) const;
    [[nodiscard]] bool meet(const Leg &before, const Leg &after, std::string &host) const;
    [[nodiscard]] bool sameBytes(const Leg &before, const Leg &after) const;
    [[nodiscard]] bool sameHttp(const Leg &before, const Leg &after, bool &clientNamed) const;

    const LegTable *m_legs;
    const FlowTable *m_flows;
    const CapturePoints *m_points;
};

} // namespace natlens::tracer
