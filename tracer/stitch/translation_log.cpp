#include "tracer/stitch/translation_log.h"

#include <algorithm>

namespace natlens::tracer {

using Kind = TranslationEvent::Kind;

std::optional<std::uint32_t> TranslationLog::add(const TranslationEvent &event) {
    const packet::Tuple translated = event.reply.reversed();
    auto &known = m_byOriginal[event.original];
    // An entry is told apart from an older one with the same tuples only by a new "created" event.
    for (auto i = known.rbegin(); i != known.rend(); ++i) {
        Translation &entry = m_entries[*i];
        if (entry.host != event.host || entry.translated != translated) continue;
        if (event.kind == Kind::created && !entry.late && event.time != entry.time) break;
        entry.seenReply = entry.seenReply || event.seenReply;
        if (event.time < entry.time) {
            entry.time = event.time;
            entry.late = event.kind == Kind::destroyed;
            return *i;
        }
        return std::nullopt;
    }
    const auto index = static_cast<std::uint32_t>(m_entries.size());
    m_entries.push_back(Translation{.time = event.time,
                                    .packet = event.packet,
                                    .host = event.host,
                                    .original = event.original,
                                    .translated = translated,
                                    .seenReply = event.seenReply,
                                    .late = event.kind == Kind::destroyed});
    known.push_back(index);
    m_byTranslated[translated].push_back(index);
    return index;
}

const std::vector<std::uint32_t> &TranslationLog::lookUp(const ByTuple &map, const packet::Tuple &tuple) {
    static const std::vector<std::uint32_t> kNothing;
    const auto found = map.find(tuple);
    return found == map.end() ? kNothing : found->second;
}

const std::vector<std::uint32_t> &TranslationLog::withOriginal(const packet::Tuple &tuple) const {
    return lookUp(m_byOriginal, tuple);
}

const std::vector<std::uint32_t> &TranslationLog::withTranslated(const packet::Tuple &tuple) const {
    return lookUp(m_byTranslated, tuple);
}

bool TranslationLog::tracksUnchanged(std::string_view host, const packet::Tuple &tuple) const {
    return std::ranges::any_of(withOriginal(tuple),
                               [&](std::uint32_t i) { return m_entries[i].host == host && !m_entries[i].isNat(); });
}

} // namespace natlens::tracer
