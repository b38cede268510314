#include "app/session/clock_plan.h"

#include "app/session/clock_note.h"

#include <algorithm>
#include <atomic>
#include <limits>
#include <set>
#include <thread>

namespace natlens::session {
namespace {

constexpr std::uint64_t kEverything = std::numeric_limits<std::uint64_t>::max();
/// Every host of one file was seen in so many packets: that tells whether clocks agree.
constexpr std::uint32_t kEnough = 1'024;
/// With one host only up to here there is nothing to compare.
constexpr std::uint64_t kFirstGlance = 1U << 20;
/// Ids of capture points in different files are kept apart by this.
constexpr std::uint32_t kPointsPerFile = 1U << 20;

bool carriesPackets(packet::LinkType type) {
    return type != packet::LinkType::netlink && type != packet::LinkType::user0;
}

tracer::Facing facingOf(file::PacketDirection direction) {
    switch (direction) {
    case file::PacketDirection::inbound: return tracer::Facing::in;
    case file::PacketDirection::outbound: return tracer::Facing::out;
    case file::PacketDirection::unknown: break;
    }
    return tracer::Facing::unknown;
}

/// What one file shows of clocks.
class Survey final : public file::StreamSink {
public:
    void onCapturePoint(base::CapturePointId id, const file::CapturePoint &point) override {
        if (m_points.size() <= id.value) m_points.resize(id.value + 1);
        m_points[id.value] = {hostOfPoint(point.name), point.linkType, carriesPackets(point.linkType), 0};
        if (m_points[id.value].wanted) m_hosts.insert(m_points[id.value].host);
    }
    void onPacket(const file::PacketView &packet) override {
        if (packet.point.value >= m_points.size()) return;
        Point &point = m_points[packet.point.value];
        const std::uint32_t ordinal = point.packets++;
        if (!point.wanted) return;
        m_sightings.add({packet.point, ordinal}, packet.time, facingOf(packet.direction), point.linkType,
                        packet.originalLength, packet.data);
    }
    void onStatistics(const file::PointStatistics &) override {}

    [[nodiscard]] const std::set<std::string> &hosts() const { return m_hosts; }
    /// Every host was seen in so many packets.
    [[nodiscard]] bool sawAll(std::uint32_t packets) const {
        std::map<std::string_view, std::uint64_t> seen;
        for (const Point &point : m_points)
            if (point.wanted) seen[point.host] += point.packets;
        return std::ranges::all_of(seen, [&](const auto &host) { return host.second >= packets; });
    }
    [[nodiscard]] tracer::ClockEvidence evidence(const std::vector<std::string> &hosts, std::uint32_t number) const {
        tracer::ClockEvidence result{&m_sightings, number * kPointsPerFile, {}};
        for (const Point &point : m_points)
            result.hostOf.push_back(
                static_cast<std::uint32_t>(std::ranges::lower_bound(hosts, point.host) - hosts.begin()));
        return result;
    }

private:
    struct Point {
        std::string host;
        packet::LinkType linkType = packet::LinkType::ethernet;
        bool wanted = false;
        std::uint32_t packets = 0;
    };
    std::vector<Point> m_points;
    std::set<std::string> m_hosts;
    tracer::ClockSightings m_sightings;
};

struct Comparison {
    std::vector<std::string> hosts; ///< sorted: the result must not depend on the order of the files
    std::vector<tracer::HostAlignment> alignments;
    bool partial = false; ///< files go on beyond what was looked at
};

Comparison compare(const std::vector<Survey> &surveys) {
    Comparison result;
    std::set<std::string> names;
    for (const Survey &survey : surveys)
        names.insert(survey.hosts().begin(), survey.hosts().end());
    result.hosts.assign(names.begin(), names.end());
    if (names.size() < 2) return result;
    std::vector<tracer::ClockEvidence> evidence;
    for (std::uint32_t i = 0; i < surveys.size(); ++i)
        evidence.push_back(surveys[i].evidence(result.hosts, i));
    result.alignments = tracer::alignClocks(result.hosts, evidence);
    return result;
}

Comparison compareInOneFile(CaptureInput input, std::uint64_t limit, const std::function<bool()> &goOn) {
    std::vector<Survey> surveys(1);
    std::vector<CaptureInput> inputs;
    inputs.push_back(std::move(input));
    bool partial = false;
    (void)readMerged(inputs, surveys[0], {[&](std::uint64_t bytes) {
                         const bool glanced = limit != kEverything && bytes >= kFirstGlance;
                         const bool enough = glanced && surveys[0].sawAll(kEnough);
                         if (bytes >= limit || enough || (bytes >= kFirstGlance && surveys[0].hosts().size() < 2))
                             partial = true;
                         return !partial && goOn();
                     }});
    Comparison result = compare(surveys);
    result.partial = partial;
    return result;
}

/// `limit`: bytes of each.
Comparison compareFiles(std::vector<CaptureInput> inputs, std::uint64_t limit, const std::function<bool()> &goOn) {
    std::vector<Survey> surveys(inputs.size());
    std::atomic<std::size_t> next = 0;
    std::atomic<bool> partial = false;
    const auto work = [&] {
        for (std::size_t i = next++; i < inputs.size(); i = next++) {
            std::vector<CaptureInput> one;
            one.push_back(std::move(inputs[i]));
            (void)readMerged(one, surveys[i], {[&](std::uint64_t bytes) {
                                 if (bytes >= limit) partial = true;
                                 return bytes < limit && goOn();
                             }});
        }
    };
    {
        const std::size_t wanted = std::clamp<std::size_t>(std::thread::hardware_concurrency(), 1, inputs.size());
        std::vector<std::jthread> threads;
        for (std::size_t i = 1; i < wanted; ++i)
            threads.emplace_back(work);
        work();
    }
    Comparison result = compare(surveys);
    result.partial = partial;
    return result;
}

bool isCorrected(const tracer::HostAlignment &alignment) {
    return !alignment.correction.isIdentity();
}

/// Changes times on the way through.
class CorrectingSink final : public file::StreamSink {
public:
    CorrectingSink(const std::map<std::string, tracer::ClockCorrection> &corrections, std::size_t input,
                   file::StreamSink &next)
        : m_corrections(corrections)
        , m_next(next)
        , m_firstPoint(static_cast<std::uint32_t>(input) * kPointsPerFile) {}

    void onCapturePoint(base::CapturePointId id, const file::CapturePoint &point) override {
        if (m_points.size() <= id.value) m_points.resize(id.value + 1);
        const auto found = m_corrections.find(hostOfPoint(point.name));
        m_points[id.value] = {found == m_corrections.end() ? nullptr : &found->second, 0};
        m_next.onCapturePoint(id, point);
    }
    void onPacket(const file::PacketView &packet) override {
        file::PacketView corrected = packet;
        corrected.time = correct(packet.point, packet.time, true);
        m_next.onPacket(corrected);
    }
    void onStatistics(const file::PointStatistics &statistics) override {
        file::PointStatistics corrected = statistics;
        corrected.time = correct(statistics.point, statistics.time, false);
        m_next.onStatistics(corrected);
    }

private:
    struct Point {
        const tracer::ClockCorrection *correction = nullptr;
        std::uint32_t packets = 0;
    };
    base::Timestamp correct(base::CapturePointId id, base::Timestamp time, bool isPacket) {
        if (id.value >= m_points.size()) return time;
        Point &point = m_points[id.value];
        const std::uint32_t ordinal = isPacket ? point.packets++ : point.packets;
        if (!point.correction || time.nanoseconds == 0) return time; // zero: the file does not say when
        return point.correction->apply(time, {base::CapturePointId{m_firstPoint + id.value}, ordinal});
    }

    const std::map<std::string, tracer::ClockCorrection> &m_corrections;
    file::StreamSink &m_next;
    std::uint32_t m_firstPoint;
    std::vector<Point> m_points;
};

/// Lets one host's part of a stream through and puts its times right; part 0 is all hosts that need no correction.
class HostPart final : public file::StreamSink {
public:
    HostPart(const std::map<std::string, tracer::ClockCorrection> &corrections, std::size_t part,
             std::unique_ptr<file::StreamSink> next)
        : m_corrections(corrections)
        , m_part(part)
        , m_next(std::move(next)) {}

    void onCapturePoint(base::CapturePointId id, const file::CapturePoint &point) override {
        const auto found = m_corrections.find(hostOfPoint(point.name));
        const std::size_t part = found == m_corrections.end()
                                     ? 0
                                     : 1 + static_cast<std::size_t>(std::distance(m_corrections.begin(), found));
        if (m_ours.size() <= id.value) m_ours.resize(id.value + 1);
        m_ours[id.value] = part == m_part;
        if (part == m_part) m_next->onCapturePoint(id, point);
    }
    void onPacket(const file::PacketView &packet) override {
        if (ours(packet.point)) m_next->onPacket(packet);
    }
    void onStatistics(const file::PointStatistics &statistics) override {
        if (ours(statistics.point)) m_next->onStatistics(statistics);
    }

private:
    [[nodiscard]] bool ours(base::CapturePointId id) const { return id.value < m_ours.size() && m_ours[id.value]; }

    const std::map<std::string, tracer::ClockCorrection> &m_corrections;
    std::size_t m_part;
    std::unique_ptr<file::StreamSink> m_next;
    std::vector<bool> m_ours;
};

} // namespace

std::string hostOfPoint(const std::string &pointName) {
    return pointName.substr(0, pointName.find('/'));
}

ClockPlan ClockPlan::make(const std::function<std::vector<CaptureInput>()> &open, const std::function<bool()> &goOn,
                          const std::function<void(const ClockPlan &)> &early, const ClockLooks &looks) {
    const auto planOf = [](Comparison result) {
        ClockPlan plan;
        for (std::size_t i = 0; i < result.alignments.size(); ++i) {
            plan.m_clocks[result.hosts[i]] = result.alignments[i].clock;
            if (isCorrected(result.alignments[i]))
                plan.m_corrections[result.hosts[i]] = std::move(result.alignments[i].correction);
        }
        return plan;
    };
    const auto look = [&](std::vector<CaptureInput> inputs, std::uint64_t limit) {
        if (inputs.size() == 1) return compareInOneFile(std::move(inputs.front()), limit, goOn);
        // Several files are read to their ends afterwards in any case: somebody waits for the first paths meanwhile.
        constexpr std::uint64_t kImpatience = 4;
        return compareFiles(std::move(inputs), limit == kEverything ? limit : limit / kImpatience / inputs.size(),
                            goOn);
    };
    auto inputs = open();
    if (inputs.empty()) return {};
    const bool one = inputs.size() == 1;
    std::uint64_t size = 0;
    for (const CaptureInput &input : inputs)
        size += input.size;
    Comparison result = look(std::move(inputs), !one && size <= looks.small ? kEverything : looks.first);
    // Hosts that agree in the beginning of one file: one machine has written it.
    if (result.partial && (!one || std::ranges::any_of(result.alignments, isCorrected)) && goOn()) {
        if (early) early(planOf(result));
        if (inputs = open(); !inputs.empty()) result = look(std::move(inputs), kEverything);
    }
    return goOn() ? planOf(std::move(result)) : ClockPlan();
}

void tellClock(const ClockPlan &plan, const file::CapturePoint &point, TracerInput &input) {
    const auto clock = plan.clocks().find(hostOfPoint(point.name));
    if (clock == plan.clocks().end()) return;
    // What the recording itself says of a correction stays true while nothing is corrected now.
    if (!clock->second.changesTimes() && readClockNote(point.description).clock) return;
    input.call(
        [host = clock->first, what = clock->second](tracer::Tracer &tracer) { tracer.setHostClock(host, what); });
}

bool ClockPlan::corrects() const {
    return !m_corrections.empty();
}

base::Status ClockPlan::read(std::vector<CaptureInput> &inputs,
                             const std::function<base::Result<CaptureInput>()> &again, file::StreamSink &sink,
                             MergeHooks hooks) const {
    if (!corrects()) return readMerged(inputs, sink, hooks);
    if (inputs.size() > 1) {
        hooks.stage = [this](std::size_t input, file::StreamSink &next) { return correcting(input, next); };
        return readMerged(inputs, sink, hooks);
    }
    for (std::size_t i = 0; i < m_corrections.size(); ++i) {
        auto input = again();
        if (!input) return std::unexpected(input.error());
        inputs.push_back(std::move(*input));
    }
    hooks.oneFile = true;
    hooks.stage = [this](std::size_t part, file::StreamSink &next) {
        return std::make_unique<HostPart>(m_corrections, part, correcting(0, next));
    };
    return readMerged(inputs, sink, hooks);
}

std::unique_ptr<file::StreamSink> ClockPlan::correcting(std::size_t input, file::StreamSink &next) const {
    return std::make_unique<CorrectingSink>(m_corrections, input, next);
}

} // namespace natlens::session
