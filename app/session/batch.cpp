#include "app/session/batch.h"

#include "capture/base/prefetch.h"

#include <chrono>
#include <functional>
#include <thread>

namespace natlens::session {

namespace {

/// About half of what a batch takes to be read.
constexpr std::chrono::microseconds kLook{50};

/// So many packets before one is written its cache lines are asked for, which the tracer's processor has.
constexpr std::size_t kAhead = 8;

} // namespace

void Batch::addPacket(const tracer::CapturedPacket &packet) {
    if (m_packets.size() + kAhead < m_packets.capacity()) {
        const auto *later = reinterpret_cast<const std::byte *>(m_packets.data() + m_packets.size() + kAhead);
        base::prefetchToWrite(later);
        base::prefetchToWrite(later + sizeof(tracer::Observation) / 2);
    }
    tracer::Observation &seen = m_packets.emplace_back(packet, m_details);
    const auto payload = seen.payload();
    if (payload.empty()) return;
    const std::less_equal<const std::byte *> before;
    if (before(m_portion.data(), payload.data()) &&
        before(payload.data() + payload.size(), m_portion.data() + m_portion.size()))
        return;
    m_copies.push_back({m_packets.size() - 1, m_bytes.size()});
    m_bytes.insert(m_bytes.end(), payload.begin(), payload.end());
}

void Batch::call(std::function<void(tracer::Tracer &)> what) {
    m_calls.push_back({m_packets.size(), std::move(what)});
}

void Batch::deliver(tracer::Tracer &tracer) {
    for (const Copy &copy : m_copies) // now that m_bytes moves no more
        m_packets[copy.packet].payloadData = m_bytes.data() + copy.offset;
    const std::span<const tracer::Observation> packets(m_packets);
    std::size_t at = 0;
    for (const Call &call : m_calls) {
        tracer.addPackets(packets.subspan(at, call.before - at));
        at = call.before;
        call.what(tracer);
    }
    tracer.addPackets(packets.subspan(at));
    m_packets.clear();
    m_details.clear();
    m_calls.clear();
    m_bytes.clear();
    m_copies.clear();
}

std::unique_ptr<Batch> BatchRing::blank(const std::function<void()> &meanwhile) {
    std::unique_lock lock(m_mutex);
    if (!m_closed && m_blank.empty() && m_made == kBatches) {
        if (meanwhile) {
            lock.unlock();
            meanwhile();
            lock.lock();
        }
        m_changed.wait(lock, [&] { return m_closed || m_blank.size() >= kResume; });
    }
    if (m_closed) return nullptr;
    if (m_blank.empty()) {
        ++m_made;
        return std::make_unique<Batch>();
    }
    auto batch = std::move(m_blank.back());
    m_blank.pop_back();
    return batch;
}

void BatchRing::put(std::unique_ptr<Batch> batch) {
    {
        const std::lock_guard lock(m_mutex);
        m_full.push_back(std::move(batch));
        m_any = true;
    }
    m_changed.notify_all();
}

void BatchRing::finish() {
    {
        const std::lock_guard lock(m_mutex);
        m_finished = true;
        m_any = true;
    }
    m_changed.notify_all();
}

void BatchRing::lookForFull() const {
    static const bool kAlone = std::thread::hardware_concurrency() < 2;
    if (kAlone) return;
    const auto end = std::chrono::steady_clock::now() + kLook;
    while (!m_any.load(std::memory_order_relaxed) && std::chrono::steady_clock::now() < end) {
    }
}

std::unique_ptr<Batch> BatchRing::take() {
    lookForFull();
    std::unique_lock lock(m_mutex);
    m_changed.wait(lock, [&] { return m_finished || !m_full.empty(); });
    if (m_full.empty()) return nullptr;
    auto batch = std::move(m_full.front());
    m_full.pop_front();
    m_any = !m_full.empty() || m_finished;
    return batch;
}

void BatchRing::recycle(std::unique_ptr<Batch> batch) {
    bool enough = false;
    {
        const std::lock_guard lock(m_mutex);
        m_blank.push_back(std::move(batch));
        enough = m_blank.size() == kResume;
    }
    if (enough) m_changed.notify_all();
}

void BatchRing::close() {
    {
        const std::lock_guard lock(m_mutex);
        m_closed = true;
    }
    m_changed.notify_all();
}

} // namespace natlens::session
