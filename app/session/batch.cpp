#include "app/session/batch.h"

#include <functional>

namespace natlens::session {

void Batch::addPacket(const tracer::CapturedPacket &packet) {
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

std::unique_ptr<Batch> BatchRing::blank() {
    std::unique_lock lock(m_mutex);
    m_changed.wait(lock, [&] { return m_closed || !m_blank.empty() || m_made < kBatches; });
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
    }
    m_changed.notify_all();
}

void BatchRing::finish() {
    {
        const std::lock_guard lock(m_mutex);
        m_finished = true;
    }
    m_changed.notify_all();
}

std::unique_ptr<Batch> BatchRing::take() {
    std::unique_lock lock(m_mutex);
    m_changed.wait(lock, [&] { return m_finished || !m_full.empty(); });
    if (m_full.empty()) return nullptr;
    auto batch = std::move(m_full.front());
    m_full.pop_front();
    return batch;
}

void BatchRing::recycle(std::unique_ptr<Batch> batch) {
    {
        const std::lock_guard lock(m_mutex);
        m_blank.push_back(std::move(batch));
    }
    m_changed.notify_all();
}

void BatchRing::close() {
    {
        const std::lock_guard lock(m_mutex);
        m_closed = true;
    }
    m_changed.notify_all();
}

} // namespace natlens::session
