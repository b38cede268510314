#include "tracer/stitch/capture_points.h"

#include "tracer/path/telling.h"

#include <algorithm>
#include <utility>

namespace natlens::tracer {

void CapturePoints::add(base::CapturePointId id, std::string_view name, packet::LinkType linkType) {
    auto &info = point(id);
    const auto slash = name.find('/');
    info.known = true;
    info.linkType = linkType;
    info.status.name = name;
    info.status.host = name.substr(0, slash);
    info.status.interface = slash == std::string_view::npos ? std::string() : std::string(name.substr(slash + 1));
    info.status.evidence = linkType == packet::LinkType::netlink || linkType == packet::LinkType::user0;
    if (!info.status.evidence) info.host = hostIndex(info.status.host);
}

HostIndex CapturePoints::hostIndex(std::string_view name) {
    if (const auto found = m_byName.find(name); found != m_byName.end()) return found->second;
    Host host;
    host.name = host.label = std::string(name);
    m_hosts.push_back(std::move(host));
    const auto index = static_cast<HostIndex>(m_hosts.size() - 1);
    m_byName.emplace(name, index);
    return index;
}

const std::string &CapturePoints::hostName(base::CapturePointId id) const {
    return m_points[id.value].status.host;
}

const std::string &CapturePoints::interface(base::CapturePointId id) const {
    return m_points[id.value].status.interface;
}

const Host *CapturePoints::findHost(std::string_view name) const {
    const auto found = m_byName.find(name);
    return found == m_byName.end() ? nullptr : &m_hosts[found->second];
}

bool CapturePoints::learnAddress(HostIndex index, const IpAddress &address) {
    auto &known = m_hosts[index].addresses;
    const auto at = std::ranges::lower_bound(known, address);
    if (address.isNone() || address.isLoopback() || isToMany(address) || // every host has those
        (at != known.end() && *at == address))
        return false;
    known.insert(at, address);
    ++m_learned;
    const auto owner = m_owners.emplace(address, index).first;
    owner->second = std::min(owner->second, index);
    return true;
}

bool CapturePoints::noteTalk(HostIndex host, const IpAddress &one, const IpAddress &other) {
    if (host >= m_talks.size()) m_talks.resize(host + 1);
    Talk &talk = m_talks[host];
    if (!std::exchange(talk.any, true)) {
        talk.shared = {one, other};
        return false; // two in common tell no more than none
    }
    bool news = false;
    for (IpAddress &address : talk.shared)
        if (!address.isNone() && address != one && address != other) {
            address = {};
            news = true;
        }
    if (news) ++m_learned;
    return news;
}

CapturePoints::Common CapturePoints::common(HostIndex host) const {
    if (host >= m_talks.size() || !m_talks[host].any) return Common::unknown;
    const auto &shared = m_talks[host].shared;
    const auto left = std::ranges::count_if(shared, [](const IpAddress &address) { return !address.isNone(); });
    return left == 2 ? Common::unknown : left == 1 ? Common::one : Common::none;
}

bool CapturePoints::isCommon(HostIndex host, const IpAddress &address) const {
    return common(host) == Common::one && std::ranges::count(m_talks[host].shared, address) != 0;
}

const Host *CapturePoints::ownerOf(const IpAddress &address) const {
    note(address);
    const auto found = m_owners.find(address);
    return found == m_owners.end() || m_hosts[found->second].mixed ? nullptr : &m_hosts[found->second];
}

bool CapturePoints::owns(HostIndex host, const IpAddress &address) const {
    note(address);
    return std::ranges::binary_search(m_hosts[host].addresses, address);
}

void CapturePoints::setMixed(base::CapturePointId id) {
    CapturePointInfo &point = m_points[id.value];
    if (std::exchange(point.mixed, true)) return;
    ++m_mixed;
    m_hosts[point.host].mixed = std::ranges::all_of(m_points, [&](const CapturePointInfo &other) {
        return !other.known || other.status.evidence || other.host != point.host || other.mixed;
    });
}

void CapturePoints::note(const IpAddress &address) const {
    if (m_asked) m_asked->insert(address);
}

std::vector<IpAddress> CapturePoints::learnFrom(const CapturePoints &copy) {
    std::vector<IpAddress> news;
    for (std::size_t i = 0; i < std::min(m_points.size(), copy.m_points.size()); ++i)
        if (copy.m_points[i].mixed) setMixed(base::CapturePointId{static_cast<std::uint32_t>(i)});
    for (const HostIndex host : copy.m_inferred)
        inferHost(hostIndex(copy.m_hosts[host].name));
    for (const Host &host : copy.m_hosts) {
        if (host.addresses.empty()) continue;
        const HostIndex index = hostIndex(host.name);
        if (m_hosts[index].addresses.size() == host.addresses.size() && m_hosts[index].addresses == host.addresses)
            continue;
        for (const IpAddress &address : host.addresses)
            if (learnAddress(index, address)) news.push_back(address);
    }
    return news;
}

void CapturePoints::addDrops(base::CapturePointId id, Timestamp time, std::uint64_t total) {
    auto &info = point(id);
    info.status.dropped = std::max(info.status.dropped, total);
    auto &drops = m_drops[id.value];
    const auto at = std::ranges::upper_bound(drops, time, {}, &Drop::time);
    // Equal totals say nothing new; only the last reading of a level moves on.
    if (at == drops.end() && drops.size() >= 2 && drops.back().total == total && drops[drops.size() - 2].total == total)
        drops.back().time = time;
    else
        drops.insert(at, Drop{time, total});
}

bool CapturePoints::lostAnything() const {
    return std::ranges::any_of(m_drops, [](const auto &drops) {
        return std::ranges::any_of(drops, [](const Drop &drop) { return drop.total != 0; });
    });
}

std::uint64_t CapturePoints::lost(std::string_view host, Timestamp from, Timestamp to, bool evidence) const {
    std::uint64_t lost = 0;
    for (std::size_t i = 0; i < m_points.size(); ++i) {
        const auto &drops = m_drops[i];
        if (drops.empty() || m_points[i].status.host != host || m_points[i].status.evidence != evidence) continue;
        const auto after = std::ranges::lower_bound(drops, to, {}, &Drop::time);
        const auto before = std::ranges::upper_bound(drops, from, {}, &Drop::time);
        const std::uint64_t end = after == drops.end() ? drops.back().total : after->total;
        const std::uint64_t begin = before == drops.begin() ? 0 : std::prev(before)->total;
        lost += end > begin ? end - begin : 0;
    }
    return lost;
}

} // namespace natlens::tracer
