// A portion of a stream, decoded by one thread for another.
#pragma once

#include "app/session/tracer_input.h"

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

namespace natlens::session {

/// What one portion of a file came to. Packets keep pointing into the portion; what lies elsewhere is copied.
class Batch final : public TracerInput {
public:
    static constexpr std::size_t kPortion = 128u << 10; ///< with what is decoded from it, half of a second-level cache

    /// Where the next portion is to be read to.
    [[nodiscard]] std::vector<std::byte> &portion() { return m_portion; }
    void addPacket(const tracer::CapturedPacket &packet) override;
    void call(std::function<void(tracer::Tracer &)> what) override;
    /// Hands everything over, in the order in which it came, and is empty then.
    void deliver(tracer::Tracer &tracer);

    std::uint64_t bytesRead = 0, packetsRead = 0; ///< of the whole source, up to the end of this batch

private:
    struct Call {
        std::size_t before = 0; ///< index into m_packets
        std::function<void(tracer::Tracer &)> what;
    };
    struct Copy {
        std::size_t packet, offset;
    };
    std::vector<std::byte> m_portion = std::vector<std::byte>(kPortion);
    std::vector<tracer::Observation> m_packets;
    tracer::DetailsStore m_details;
    std::vector<Call> m_calls;
    std::vector<std::byte> m_bytes; ///< payloads of packets that do not lie in m_portion
    std::vector<Copy> m_copies;
};

/// A few batches that go round between the reader's thread and the tracer's: neither gets far ahead of the other.
class BatchRing final {
public:
    /// The reader's: an empty batch, when there is one; null after close(). While it has to wait it does `meanwhile`
    /// first.
    [[nodiscard]] std::unique_ptr<Batch> blank(const std::function<void()> &meanwhile = {});
    /// The reader's: a full one.
    void put(std::unique_ptr<Batch> batch);
    /// The reader's: there will be no more.
    void finish();
    /// The tracer's: the next full one; null when there will be none. Most are waited for so shortly that falling
    /// asleep and being woken, by a reader that has better to do, would take longer: it looks a while for one first.
    [[nodiscard]] std::unique_ptr<Batch> take();
    /// The tracer's: it has been delivered.
    void recycle(std::unique_ptr<Batch> batch);
    /// The tracer's: the reader shall end.
    void close();

private:
    static constexpr std::size_t kBatches = 6;
    /// A reader that had to wait goes on when so many are empty: it is woken the less often.
    static constexpr std::size_t kResume = 3;

    void lookForFull() const;

    std::atomic<bool> m_any = false; ///< whether take() need not wait, for a look without the mutex
    std::mutex m_mutex;
    std::condition_variable m_changed;
    std::deque<std::unique_ptr<Batch>> m_full;
    std::vector<std::unique_ptr<Batch>> m_blank;
    std::size_t m_made = 0;
    bool m_finished = false, m_closed = false;
};

} // namespace natlens::session
