// Which connections may be two sides of one proxy, without comparing each with each.
#pragma once

#include "capture/base/parallel.h"
#include "tracer/stitch/proxy_judge.h"
#include "tracer/stitch/sample_index.h"

#include <unordered_map>
#include <vector>

namespace natlens::tracer {

/// Files legs by the place where they end and by that where they begin, by request and time. Nothing is filed for
/// places where connections only end or only begin, which are nearly all: those without a proxy cost one note a place.
/// Lives on the tracer's thread; may be asked on several at once.
class ProxyIndex final {
public:
    explicit ProxyIndex(const LegTable &legs, const ProxyJudge &judge)
        : m_legs(&legs)
        , m_judge(&judge) {}

    void learn(const std::vector<LegIndex> &touched, const base::ParallelFor &parallel);
    /// Some place both ends and begins connections, or somebody said that it is a proxy. Otherwise there is nothing to
    /// find.
    [[nodiscard]] bool isNeeded() const { return m_needed; }

    /// Legs that `leg` may have been passed on from (or as), some of them perhaps more than once. Returns how many
    /// there were where they are too many to compare, else 0.
    std::size_t before(LegIndex leg, std::vector<LegIndex> &found) const;
    std::size_t after(LegIndex leg, std::vector<LegIndex> &found) const;

private:
    enum Role : std::uint8_t { ends = 1, begins = 2, both = 3 };
    static constexpr std::size_t kMost = 64; ///< as LinkFinder's kMaxGroup
    /// A proxy passes on within one of these, or the next.
    static constexpr unsigned kPeriodBits = 31; ///< of nanoseconds: some two seconds

    /// Of each place.
    using Roles = std::unordered_map<std::uint32_t, std::uint8_t>;
    /// Legs in one piece of work.
    static constexpr std::size_t kPiece = 4096;

    void notePlaces(LegIndex leg, Roles &roles) const;
    void notePreface(LegIndex leg);
    void file(LegIndex leg);
    std::size_t find(LegIndex leg, Role role, std::vector<LegIndex> &found) const;
    [[nodiscard]] std::uint32_t key(std::uint32_t place, std::uint32_t content, std::int64_t period, Role role) const;
    [[nodiscard]] bool passes(std::uint32_t place) const {
        const auto found = m_places.find(place);
        return found != m_places.end() && found->second == both;
    }

    const LegTable *m_legs;
    const ProxyJudge *m_judge;
    Roles m_places; ///< seen there
    SampleIndex m_index;
    bool m_needed = false;
    bool m_anyPasses = false; ///< some place has both roles
    bool m_again = false;     ///< a place has got its second role: legs of before have to be filed, too
    /// By the client's connection as a PROXY protocol header names it: who began with that header.
    std::unordered_map<packet::Tuple, std::vector<LegIndex>> m_named;
};

} // namespace natlens::tracer
