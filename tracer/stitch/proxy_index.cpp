#include "tracer/stitch/proxy_index.h"

#include "capture/base/hash.h"

#include <algorithm>
#include <span>
#include <utility>

namespace natlens::tracer {

using packet::Protocol;
using packet::Tuple;

namespace {

Tuple namedIn(const ProxyPreface &preface) {
    return {Protocol::tcp, preface.source, preface.destination};
}

} // namespace

std::uint32_t ProxyIndex::key(std::uint32_t place, std::uint32_t content, std::int64_t period, Role role) const {
    const std::uint64_t what = std::uint64_t{place} << 32 | content;
    return static_cast<std::uint32_t>(base::mix(what, static_cast<std::uint64_t>(period) << 2 | role) >> 32);
}

void ProxyIndex::notePlaces(LegIndex leg, Roles &roles) const {
    for (const std::uint32_t place : m_judge->endsAt(leg))
        roles[place] |= ends;
    for (const std::uint32_t place : m_judge->beginsAt(leg))
        roles[place] |= begins;
}

void ProxyIndex::notePreface(LegIndex leg) {
    if (const auto preface = m_legs->prefaces().find(leg); preface != m_legs->prefaces().end()) {
        m_needed = true;
        auto &named = m_named[namedIn(preface->second)];
        if (std::ranges::find(named, leg) == named.end()) named.push_back(leg);
    }
}

void ProxyIndex::file(LegIndex leg) {
    const auto add = [&](const ProxyJudge::Places &places, Role role) {
        for (const std::uint32_t place : places)
            if (passes(place))
                m_index.add(key(place, m_judge->contentKey(leg), m_judge->asked(leg).nanoseconds >> kPeriodBits, role),
                            leg);
    };
    add(m_judge->endsAt(leg), ends);
    add(m_judge->beginsAt(leg), begins);
}

void ProxyIndex::learn(const std::vector<LegIndex> &touched, const base::ParallelFor &parallel) {
    const auto isTcp = [&](LegIndex leg) { return (*m_legs)[leg].isTcp(); };
    // What is found of one leg depends on no other, and which roles a place has not on the order in which they are
    // found.
    std::vector<Roles> found((touched.size() + kPiece - 1) / kPiece);
    parallel(found.size(), [&](std::size_t i) {
        const auto rest = std::span(touched).subspan(i * kPiece);
        for (const LegIndex leg : rest.first(std::min(kPiece, rest.size())))
            if (isTcp(leg)) notePlaces(leg, found[i]);
    });
    for (const Roles &piece : found)
        for (const auto &[place, added] : piece) {
            std::uint8_t &roles = m_places[place];
            m_again = m_again || (roles != both && (roles | added) == both);
            roles |= added;
        }
    if (!m_legs->prefaces().empty())
        for (const LegIndex leg : touched)
            if (isTcp(leg)) notePreface(leg);
    if (std::exchange(m_again, false)) {
        m_needed = m_anyPasses = true;
        for (LegIndex leg = 0; leg < m_legs->size(); ++leg)
            if (isTcp(leg)) file(leg);
    } else if (m_anyPasses) {
        for (const LegIndex leg : touched)
            if (isTcp(leg)) file(leg);
    }
}

std::size_t ProxyIndex::find(LegIndex leg, Role role, std::vector<LegIndex> &found) const {
    const auto places = role == ends ? m_judge->beginsAt(leg) : m_judge->endsAt(leg);
    std::size_t crowd = 0;
    std::vector<LegIndex> members;
    for (const std::uint32_t place : places) {
        if (!passes(place)) continue;
        const std::uint32_t content = m_judge->contentKey(leg);
        const std::int64_t period = m_judge->asked(leg).nanoseconds >> kPeriodBits;
        for (const std::int64_t step : {0, 1}) {
            members.clear();
            m_index.each(key(place, content, role == ends ? period - step : period + step, role),
                         [&](LegIndex other) { members.push_back(other); });
            if (members.size() > kMost)
                crowd = std::max(crowd, members.size());
            else
                found.insert(found.end(), members.begin(), members.end());
        }
    }
    return crowd;
}

std::size_t ProxyIndex::before(LegIndex leg, std::vector<LegIndex> &found) const {
    if (const auto preface = m_legs->prefaces().find(leg); preface != m_legs->prefaces().end())
        for (LegIndex i = m_legs->newest(namedIn(preface->second)); i != kNone; i = (*m_legs)[i].older)
            found.push_back(i);
    return find(leg, ends, found);
}

std::size_t ProxyIndex::after(LegIndex leg, std::vector<LegIndex> &found) const {
    if (const auto named = m_named.find(m_legs->request((*m_legs)[leg])); named != m_named.end())
        found.insert(found.end(), named->second.begin(), named->second.end());
    return find(leg, begins, found);
}

} // namespace natlens::tracer
