#include "app/session/file_merge.h"

#include "capture/file/reader.h"

#include <algorithm>
#include <cerrno>
#include <deque>
#include <map>
#include <optional>
#include <unistd.h>

namespace natlens::session {
namespace {

constexpr std::size_t kPortion = 256u << 10; // fits the second-level cache with room for what is decoded from it

/// How long to wait at the end of a growing file at a time.
constexpr std::chrono::milliseconds kGlance{50};
/// A growing file that has shown nothing for so long is not waited for by the others. What it shows later still finds
/// its place in the tracer, but for the order of its numbers.
constexpr std::chrono::milliseconds kPatience{500};

base::Error named(base::Error error, const std::string &name) {
    error.subject = error.subject.empty() ? name : name + ", " + error.subject;
    return error;
}

base::Result<std::size_t> readSome(const CaptureInput &input, std::span<std::byte> buffer) {
    ssize_t got;
    while ((got = ::read(input.fd.get(), buffer.data(), buffer.size())) < 0 && errno == EINTR) {
    }
    if (got < 0) return base::failErrno("read", input.name);
    return static_cast<std::size_t>(got);
}

/// What one file has delivered and the merge has not yet passed on. Ids are translated to the source's on the way in.
class Queue final : public file::StreamSink {
public:
    /// `series`: points of the files of one capture so far, by name and kind; null for a file that stands alone.
    using Series = std::map<std::pair<std::string, packet::LinkType>, base::CapturePointId>;
    Queue(file::StreamSink &sink, std::uint32_t &nextPoint, bool keepNumbers, Series *series)
        : m_sink(sink)
        , m_nextPoint(nextPoint)
        , m_keepNumbers(keepNumbers)
        , m_series(series) {}

    void onCapturePoint(base::CapturePointId id, const file::CapturePoint &point) override {
        if (m_ids.size() <= id.value) m_ids.resize(id.value + 1);
        if (m_series) {
            const auto [known, isNew] = m_series->try_emplace({point.name, point.linkType});
            if (isNew) known->second = base::CapturePointId{m_nextPoint++};
            m_ids[id.value] = known->second;
            if (isNew) m_sink.onCapturePoint(known->second, point);
            return;
        }
        m_ids[id.value] = m_keepNumbers ? id : base::CapturePointId{m_nextPoint++};
        m_sink.onCapturePoint(m_ids[id.value], point); // at once: before every packet of it, whatever its time
    }
    void onPacket(const file::PacketView &packet) override {
        Item item{packet, {}, m_bytes.size(), packet.data.size(), packet.comment.size(), false};
        item.packet.point = m_ids.at(packet.point.value);
        if (!m_begin) m_begin = packet.time;
        m_bytes.insert(m_bytes.end(), packet.data.begin(), packet.data.end());
        const auto comment = std::as_bytes(std::span(packet.comment));
        m_bytes.insert(m_bytes.end(), comment.begin(), comment.end());
        m_items.push_back(item);
    }
    void onStatistics(const file::PointStatistics &statistics) override {
        Item item{{}, statistics, 0, 0, 0, true};
        item.statistics.point = m_ids.at(statistics.point.value);
        m_items.push_back(item);
    }

    [[nodiscard]] bool empty() const { return m_next == m_items.size(); }
    /// Time of the first packet of all; nothing before there was one.
    [[nodiscard]] std::optional<base::Timestamp> begin() const { return m_begin; }
    [[nodiscard]] base::Timestamp time() const {
        const Item &item = m_items[m_next];
        return item.isStatistics ? item.statistics.time : item.packet.time;
    }
    void passOn(std::uint64_t &nextPacket) {
        Item &item = m_items[m_next++];
        if (item.isStatistics) {
            m_sink.onStatistics(item.statistics);
        } else {
            if (!m_keepNumbers) item.packet.number = base::PacketNumber{nextPacket++};
            item.packet.data = std::span<const std::byte>(m_bytes).subspan(item.offset, item.length);
            item.packet.comment = {reinterpret_cast<const char *>(m_bytes.data() + item.offset + item.length),
                                   item.commentLength};
            m_sink.onPacket(item.packet);
        }
        if (!empty()) return;
        m_items.clear();
        m_bytes.clear();
        m_next = 0;
    }

private:
    struct Item {
        file::PacketView packet; ///< its data and comment lie in m_bytes
        file::PointStatistics statistics;
        std::size_t offset, length, commentLength;
        bool isStatistics;
    };
    file::StreamSink &m_sink;
    std::uint32_t &m_nextPoint;
    bool m_keepNumbers;
    Series *m_series;
    std::vector<base::CapturePointId> m_ids;
    std::vector<Item> m_items;
    std::vector<std::byte> m_bytes;
    std::size_t m_next = 0;
    std::optional<base::Timestamp> m_begin;
};

/// Reads one file portion by portion into a sink.
class Pull final {
public:
    Pull(CaptureInput &input, file::StreamSink &sink)
        : m_input(input)
        , m_reader(sink, {.pointName = input.pointName, .nameSource = input.nameSource}) {}

    [[nodiscard]] bool done() const { return m_done; }
    [[nodiscard]] const base::Status &status() const { return m_status; }
    /// Whether it is worth waiting for what a growing file may have next.
    [[nodiscard]] bool mayFollowSoon() const {
        return !m_done && std::chrono::steady_clock::now() - m_lastRead < kPatience;
    }
    /// Bytes read; 0 at the end, and (not done yet) where a growing file has no more for now.
    std::size_t portion(std::vector<std::byte> &own, const MergeHooks &hooks) {
        std::vector<std::byte> &buffer = hooks.buffer ? hooks.buffer() : own;
        const auto got = readSome(m_input, buffer);
        if (got && *got == 0 && hooks.waitForMore && m_input.canGrow) return 0;
        m_lastRead = std::chrono::steady_clock::now();
        if (!got || *got == 0) {
            m_done = true;
            keep(got ? base::Status{} : base::Status(std::unexpected(got.error())));
            keep(m_reader.finish());
            return 0;
        }
        const auto bytes = std::span<const std::byte>(buffer).first(*got);
        if (hooks.raw) hooks.raw(bytes);
        if (auto fed = m_reader.feed(bytes); !fed) {
            m_done = true;
            keep(std::move(fed));
        }
        return *got;
    }

private:
    void keep(base::Status status) {
        if (m_status && !status) m_status = std::unexpected(named(std::move(status).error(), m_input.name));
    }
    CaptureInput &m_input;
    file::Reader m_reader;
    base::Status m_status;
    std::chrono::steady_clock::time_point m_lastRead = std::chrono::steady_clock::now();
    bool m_done = false;
};

} // namespace

base::Status readMerged(std::vector<CaptureInput> &inputs, file::StreamSink &sink, const MergeHooks &hooks) {
    std::vector<std::byte> buffer(hooks.buffer ? 0 : kPortion);
    std::uint64_t bytes = 0;
    std::vector<std::unique_ptr<file::StreamSink>> stages;
    const auto staged = [&](std::size_t input, file::StreamSink &next) -> file::StreamSink & {
        return hooks.stage ? *stages.emplace_back(hooks.stage(input, next)) : next;
    };
    if (inputs.size() == 1) {
        Pull pull(inputs.front(), staged(0, sink));
        while (!pull.done()) {
            const std::size_t got = pull.portion(buffer, hooks);
            bytes += got;
            if (got == 0 && !pull.done()) hooks.waitForMore(kGlance);
            if (!hooks.goOn(bytes)) return {};
        }
        return pull.status();
    }

    std::uint32_t nextPoint = 0;
    std::uint64_t nextPacket = 1;
    std::deque<Queue> queues; // a deque: neither class can be moved
    std::deque<Pull> pulls;
    std::map<std::string, Queue::Series> series;
    for (std::size_t i = 0; i < inputs.size(); ++i) {
        const std::string &name = inputs[i].series;
        Queue::Series *known = name.empty() || hooks.oneFile ? nullptr : &series[name];
        pulls.emplace_back(inputs[i], staged(i, queues.emplace_back(sink, nextPoint, hooks.oneFile, known)));
    }
    // Of one capture's files the one that began earlier ends where the next one begins, in whatever order they are
    // given.
    const auto comesBefore = [&](std::size_t one, std::size_t other) {
        if (queues[one].time() != queues[other].time()) return queues[one].time() < queues[other].time();
        return !inputs[one].series.empty() && inputs[one].series == inputs[other].series &&
               queues[one].begin() < queues[other].begin();
    };
    for (;;) {
        std::size_t earliest = inputs.size();
        bool wait = false;
        for (std::size_t i = 0; i < inputs.size(); ++i) {
            while (queues[i].empty() && !pulls[i].done()) {
                const std::size_t got = pulls[i].portion(buffer, hooks);
                bytes += got;
                if (!hooks.goOn(bytes)) return {};
                if (got == 0) break;
            }
            wait = wait || (queues[i].empty() && pulls[i].mayFollowSoon());
            if (queues[i].empty()) continue;
            if (earliest == inputs.size() || comesBefore(i, earliest)) earliest = i;
        }
        const bool nothing = earliest == inputs.size();
        if (nothing && std::ranges::all_of(pulls, &Pull::done)) break;
        if (wait || nothing) {
            hooks.waitForMore(kGlance);
            if (!hooks.goOn(bytes)) return {};
            continue;
        }
        queues[earliest].passOn(nextPacket);
    }
    for (const Pull &pull : pulls)
        if (!pull.status()) return pull.status();
    return {};
}

} // namespace natlens::session
