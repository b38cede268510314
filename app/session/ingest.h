// From a capture stream to the tracer: packets, evidence, cluster state and drop counters, each to its own entrance.
#pragma once

#include "app/session/tracer_input.h"
#include "capture/base/result.h"
#include "capture/file/capture_stream.h"

#include <memory>
#include <string>
#include <vector>

namespace natlens::session {

/// Sorts a stream. Lives on the reader's thread.
class Ingest final : public file::StreamSink {
public:
    struct Options {
        std::string filter;           ///< pcap filter for packets; evidence always passes
        bool ownClusterState = false; ///< a person gave the cluster state: what the stream says of it is not used
    };

    /// The filter must be one that checkFilter() accepted.
    Ingest(TracerInput &input, Options options);

    /// Where everything goes from now on.
    void setInput(TracerInput &input) { m_input = &input; }
    [[nodiscard]] TracerInput &input() { return *m_input; }
    ~Ingest() override;

    void onCapturePoint(base::CapturePointId id, const file::CapturePoint &point) override;
    void onPacket(const file::PacketView &packet) override;
    void onStatistics(const file::PointStatistics &statistics) override;

    /// Evidence messages that could not be read since the beginning.
    [[nodiscard]] std::uint64_t unreadableEvidence() const { return m_unreadable; }
    /// What was passed over so far: packets of link types that nobody here decodes, by capture point.
    [[nodiscard]] std::vector<std::string> remarks() const;

private:
    enum class Kind : std::uint8_t { packets, foreign, conntrack, ruleTrace, clusterState, facts };
    struct Point;
    void passOver(Point &point, const file::PacketView &packet);
    TracerInput *m_input;
    Options m_options;
    std::vector<std::unique_ptr<Point>> m_points; ///< by id; null where none was announced
    std::uint64_t m_unreadable = 0;
};

/// Whether this is a filter expression (pcap-filter(7)); "" is one. The error quotes libpcap's reason.
[[nodiscard]] base::Status checkFilter(const std::string &expression);

} // namespace natlens::session
