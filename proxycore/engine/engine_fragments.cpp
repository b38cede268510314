// Fragments: the first one is judged like a packet, the others share its fate.
#include "proxycore/engine/engine_core.h"
#include "proxycore/engine/nat_rewrite.h"

namespace natlens::proxycore {

PacketAction PacketEngine::Impl::fragment(Incoming &in, const PacketOrigin &origin) {
    using Fate = FragmentStore::Fate;
    const auto key = FragmentStore::keyOf(in.fields);
    if (in.fields.isLaterFragment()) {
        if (const auto *fate = m_fragments.find(key, m_now)) return followFate(*fate, in.fields);
        return m_fragments.hold(key, in.fields, m_now) ? PacketAction::hold : PacketAction::drop;
    }

    in.key = {};
    in.kind = readTuple(in.fields, in.key);
    in.hash = table.hash(in.key);
    PacketAction action = track(in, origin);
    // SCTP's checksum covers the whole packet and cannot follow a port changed in the first fragment.
    if (m_current != nullptr && m_current->isTranslated() && in.key.protocol == Protocol::sctp)
        action = PacketAction::drop;
    Fate fate{.kind = action == PacketAction::forward ? Fate::Kind::untouched : Fate::Kind::discarded};
    if (action == PacketAction::forward && m_current != nullptr && m_current->isTranslated()) {
        fate.kind = Fate::Kind::translated;
        fate.connection = m_current->id;
        fate.index = m_current->index;
        fate.direction = m_currentDirection;
    }
    for (auto &held : m_fragments.decide(key, fate, m_now)) {
        PacketFields fields;
        if (readFields(held, Completeness::whole, fields) && followFate(fate, fields) == PacketAction::forward)
            generated.push_back(std::move(held));
    }
    return action;
}

PacketAction PacketEngine::Impl::followFate(const FragmentStore::Fate &fate, const PacketFields &fields) const {
    using Kind = FragmentStore::Fate::Kind;
    if (fate.kind == Kind::untouched) return PacketAction::forward;
    if (fate.kind != Kind::translated) return PacketAction::drop;
    const Connection *connection = table.find(fate.index, fate.connection);
    if (connection == nullptr) return PacketAction::drop;
    translateFragment(*connection, fate.direction, fields);
    return PacketAction::forward;
}

} // namespace natlens::proxycore
