// Capture points and the hosts they belong to, with what is known of each host.
#pragma once

#include "capture/packet/decode.h"
#include "tracer/path/snapshot.h"

#include <array>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace natlens::tracer {

using HostIndex = std::uint32_t;

/// One capture point of the source.
struct CapturePointInfo {
    CapturePointStatus status;
    packet::LinkType linkType = packet::LinkType::ethernet;
    HostIndex host = 0;      ///< index into CapturePoints::hosts(); meaningless for evidence
    bool known = false; ///< addCapturePoint() was called for it
    bool mixed = false; ///< see CapturePoints::setMixed
};

/// Who captures where. Hosts come in the order of their first capture point.
class CapturePoints final {
public:
    void add(base::CapturePointId id, std::string_view name, packet::LinkType linkType);
    /// Total lost at a point up to a moment.
    void addDrops(base::CapturePointId id, Timestamp time, std::uint64_t total);

    [[nodiscard]] CapturePointInfo &point(base::CapturePointId id) {
        if (id.value >= m_points.size()) {
            m_points.resize(id.value + 1);
            m_drops.resize(id.value + 1);
        }
        return m_points[id.value];
    }
    [[nodiscard]] const std::vector<CapturePointInfo> &points() const { return m_points; }
    [[nodiscard]] const std::vector<Host> &hosts() const { return m_hosts; }
    [[nodiscard]] Host &host(HostIndex index) { return m_hosts[index]; }
    [[nodiscard]] const Host &host(HostIndex index) const { return m_hosts[index]; }
    [[nodiscard]] const std::string &hostName(base::CapturePointId id) const;
    [[nodiscard]] const std::string &interface(base::CapturePointId id) const;
    [[nodiscard]] const Host *findHost(std::string_view name) const;
    /// The index of a host, added if need be (hosts that nobody captured on).
    HostIndex hostIndex(std::string_view name);
    /// A host is seen to use this address as its own.
    /// True when that is news.
    bool learnAddress(HostIndex host, const IpAddress &address);
    /// Grows with every address learned, of whatever host, and with every common() that has changed.
    [[nodiscard]] std::size_t addressesLearned() const { return m_learned; }
    /// Its packets show that it holds what several capture points saw.
    void setMixed(base::CapturePointId id);
    [[nodiscard]] std::size_t mixedPoints() const { return m_mixed; }
    /// A host that nobody captured on as such; packets between others show that it is there.
    void inferHost(HostIndex index) { m_inferred.insert(index); }
    [[nodiscard]] bool isInferred(HostIndex index) const { return m_inferred.contains(index); }
    /// Two addresses of packets at one point of a host, whichever way they went. True if common() is another now.
    bool noteTalk(HostIndex host, const IpAddress &one, const IpAddress &other);
    /// The one address that every conversation seen at a host has: most likely its own, unless it passes packets on.
    enum class Common : std::uint8_t { unknown, one, none };
    [[nodiscard]] Common common(HostIndex host) const;
    [[nodiscard]] bool isCommon(HostIndex host, const IpAddress &address) const;
    /// The first host that has it; null where that is a file that mixes several.
    [[nodiscard]] const Host *ownerOf(const IpAddress &address) const;
    [[nodiscard]] bool owns(HostIndex host, const IpAddress &address) const;

    /// Addresses whose owner somebody asked for.
    using Asked = std::unordered_set<IpAddress>;
    /// From now on ownerOf() and owns() note what they are asked in `asked`, which must live as long as this; null: no.
    void noteQuestions(Asked *asked) { m_asked = asked; }
    /// Takes over what a copy of this has learned of addresses since. Returns those that are news here.
    std::vector<IpAddress> learnFrom(const CapturePoints &copy);

    /// Packets lost at a host's points between two moments: what the counters rose by from the last reading at or
    /// before `from` to the first reading at or after `to` (or the last one there is).
    [[nodiscard]] std::uint64_t dropsAt(std::string_view host, Timestamp from, Timestamp to) const {
        return lost(host, from, to, false);
    }
    /// The same of conntrack and rule-trace events.
    [[nodiscard]] std::uint64_t eventsLostAt(std::string_view host, Timestamp from, Timestamp to) const {
        return lost(host, from, to, true);
    }
    /// Some counter of some point says that something was lost.
    [[nodiscard]] bool lostAnything() const;

private:
    [[nodiscard]] std::uint64_t lost(std::string_view host, Timestamp from, Timestamp to, bool evidence) const;
    struct Drop {
        Timestamp time;
        std::uint64_t total;
    };
    std::vector<CapturePointInfo> m_points;
    std::vector<std::vector<Drop>> m_drops; ///< per point, by time
    void note(const IpAddress &address) const;

    /// What all conversations of a host have had in common so far; see common().
    struct Talk {
        bool any = false;
        std::array<IpAddress, 2> shared = {}; ///< none where only one is left, or no one
    };

    std::vector<Host> m_hosts;
    std::vector<Talk> m_talks; ///< by host; may be shorter
    std::size_t m_learned = 0;
    std::size_t m_mixed = 0;
    std::set<HostIndex> m_inferred;
    std::map<std::string, HostIndex, std::less<>> m_byName;
    std::unordered_map<IpAddress, HostIndex> m_owners; ///< the lowest index of those that have it
    Asked *m_asked = nullptr;
};

} // namespace natlens::tracer
