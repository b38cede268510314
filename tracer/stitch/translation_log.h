// What the kernels' connection tracking said, ready to be asked by tuple.
#pragma once

#include "tracer/stitch/evidence.h"

#include <cstdint>
#include <unordered_map>
#include <vector>

namespace natlens::tracer {

/// One conntrack entry of one host: packets of `original` leave it as `translated`.
struct Translation {
    base::Timestamp time; ///< of the first event about it
    base::PacketNumber packet;
    std::string host;
    packet::Tuple original, translated;
    bool seenReply = false;
    bool late = false; ///< first heard of when it was destroyed: it was made at any time before

    [[nodiscard]] bool isNat() const { return original != translated; }
};

/// All entries ever reported. Events of one entry (created, updated, destroyed) are folded into one.
class TranslationLog final {
public:
    /// Returns the entry's index if the event was news, nothing if it only repeated what was known.
    std::optional<std::uint32_t> add(const TranslationEvent &event);

    [[nodiscard]] bool empty() const { return m_entries.empty(); }
    [[nodiscard]] const Translation &operator[](std::uint32_t index) const { return m_entries[index]; }
    [[nodiscard]] const std::vector<std::uint32_t> &withOriginal(const packet::Tuple &tuple) const;
    [[nodiscard]] const std::vector<std::uint32_t> &withTranslated(const packet::Tuple &tuple) const;
    /// The host tracks packets of this tuple and leaves them as they are.
    [[nodiscard]] bool tracksUnchanged(std::string_view host, const packet::Tuple &tuple) const;

private:
    using ByTuple = std::unordered_map<packet::Tuple, std::vector<std::uint32_t>>;
    [[nodiscard]] static const std::vector<std::uint32_t> &lookUp(const ByTuple &map, const packet::Tuple &tuple);

    std::vector<Translation> m_entries;
    ByTuple m_byOriginal, m_byTranslated;
};

} // namespace natlens::tracer
