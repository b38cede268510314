#include "app/session/file_recording.h"

#include "app/session/annotation.h"
#include "app/session/anonymizer.h"
#include "app/session/clock_note.h"

namespace natlens::session {
namespace {

/// Lets the packets through that were traced.
class Limit final : public file::StreamSink {
public:
    Limit(file::StreamSink &next, std::uint64_t packets)
        : m_next(next)
        , m_left(packets) {}

    void onCapturePoint(base::CapturePointId id, const file::CapturePoint &point) override {
        m_next.onCapturePoint(id, point);
    }
    void onPacket(const file::PacketView &packet) override {
        m_done = m_left == 0;
        if (m_done) return;
        --m_left;
        m_next.onPacket(packet);
    }
    void onStatistics(const file::PointStatistics &statistics) override {
        if (!m_done) m_next.onStatistics(statistics);
    }
    [[nodiscard]] bool done() const { return m_done; }

private:
    file::StreamSink &m_next;
    std::uint64_t m_left;
    bool m_done = false;
};

/// Writes comments beside the packets, and corrections into the descriptions of capture points.
class AnnotatedRecording final : public file::StreamSink {
public:
    AnnotatedRecording(RecordingSink &sink, const FileRecording &what)
        : m_sink(sink)
        , m_clocks(what.clocks)
        , m_annotations(*what.traced) {}

    void onCapturePoint(base::CapturePointId id, const file::CapturePoint &point) override {
        m_annotations.addPoint(id, point);
        file::CapturePoint described = point;
        const auto clock = m_clocks.clocks().find(hostOfPoint(point.name));
        // Descriptions of evidence are read by programs.
        if (clock != m_clocks.clocks().end() && clock->second.changesTimes() &&
            point.linkType != packet::LinkType::netlink)
            described.description = withClockNote(readClockNote(point.description).description, clock->second);
        m_sink.onCapturePoint(id, described);
    }
    void onPacket(const file::PacketView &packet) override {
        const std::string_view annotation = m_annotations.of(packet);
        if (packet.comment.empty()) return m_sink.write(packet, annotation);
        file::PacketView own = packet;
        own.comment = withoutOurs(packet.comment);
        m_sink.write(own, annotation);
    }
    void onStatistics(const file::PointStatistics &statistics) override { m_sink.onStatistics(statistics); }

private:
    /// The comments that others made.
    std::string_view withoutOurs(std::string_view comments) {
        m_kept.clear();
        file::eachComment(comments, [&](std::string_view text) {
            if (Annotations::isOne(text)) return;
            if (!m_kept.empty()) m_kept += '\0';
            m_kept += text;
        });
        return m_kept;
    }

    RecordingSink &m_sink;
    const ClockPlan &m_clocks;
    Annotations m_annotations;
    std::string m_kept;
};

std::unique_ptr<file::StreamSink> stageFor(RecordingSink &sink, const FileRecording &what) {
    if (!what.options.anonymize) return std::make_unique<AnnotatedRecording>(sink, what);
    const auto &text = what.options.anonymizeKey;
    return std::make_unique<Anonymizer>(text.empty() ? KeyedHash::randomKey() : KeyedHash::keyOf(text), sink);
}

} // namespace

base::Status writeFileRecording(std::vector<CaptureInput> &inputs, base::UniqueFd fd, std::string subject,
                                const FileRecording &what) {
    RecordingSink sink(std::move(fd), std::move(subject));
    const auto stage = stageFor(sink, what);
    Limit limit(*stage, what.packets);
    // What breaks off is written as far as it goes; the view has said so already.
    (void)what.clocks.read(inputs, what.again, limit, {[&](std::uint64_t) { return !limit.done(); }});
    return sink.finish();
}

base::Status copyFiles(std::vector<CaptureInput> &inputs, base::UniqueFd fd, std::string subject,
                       std::uint64_t packets) {
    RecordingSink sink(std::move(fd), std::move(subject));
    Limit limit(sink, packets);
    (void)readMerged(inputs, limit, {[&](std::uint64_t) { return !limit.done(); }});
    return sink.finish();
}

} // namespace natlens::session
