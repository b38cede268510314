#include "tracer/diagram/scene.h"

#include "tracer/diagram/route.h"
#include "tracer/diagram/text_grid.h"
#include "tracer/path/telling.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

namespace natlens::diagram {

using tracer::Direction;
using tracer::HostRole;
using tracer::Path;
using tracer::PathKind;
using tracer::Snapshot;

namespace {

constexpr int kTitleColumns = 30;
/// Names for ends at which nobody captured; they cannot clash with a host's name, which holds no control characters.
const std::string kUnseenClient = "\x01", kUnseenEndpoint = "\x02";

using StreamKey = std::tuple<std::string, std::string>; // near, far

class SceneBuilder {
public:
    SceneBuilder(const Snapshot &snapshot, const SceneOptions &options)
        : m_snapshot(snapshot)
        , m_options(options)
        , m_roles(snapshot) {
        for (const auto &host : snapshot.hosts)
            if (isUncaptured(host.name)) m_addressHosts.insert(host.name);
    }

    Scene build() {
        for (const auto &path : m_snapshot.paths)
            if (!m_options.selectedPath.empty() && path->id == m_options.selectedPath) m_selected = path.get();
        m_scene.selection = m_selected != nullptr;
        for (const auto &host : m_snapshot.hosts)
            if (!isUncaptured(host.name) && !host.mixed) addHost(host.name); // others only where an arrow ends at them
        countWays();
        for (const auto &path : m_snapshot.paths) {
            if (m_options.onlySelected && m_selected && path.get() != m_selected) continue;
            if (path->kind == PathKind::healthCheck) {
                if (m_options.healthChecks) addCheck(*path);
            } else {
                addPath(*path);
            }
        }
        finish();
        return std::move(m_scene);
    }

private:
    /// A host without a name, unless the same address is one elsewhere.
    std::string endName(const Path &path, const std::string &name, bool clientSide) const {
        if (!name.empty()) return name;
        if (!clientSide) return kUnseenEndpoint;
        std::string address = path.client.address.ip.toString();
        const bool own = m_addressHosts.contains(address) || tracer::isLinkLocal(path.client.address.ip);
        return own ? address : kUnseenClient; // a link-local address is no client of others
    }

    static StreamKey keyOf(const std::string &from, const std::string &to, Direction direction) {
        return direction == Direction::request ? StreamKey{from, to} : StreamKey{to, from};
    }

    /// Which arrows the connections of a kind are seen on, and how many of those that are drawn.
    void countWays() {
        if (m_options.kinds.empty() || (m_options.onlySelected && m_selected)) return;
        for (const auto &path : m_snapshot.paths) {
            tracer::writeKind(*path, m_kind);
            Ways &ways = m_ways[m_kind];
            ++ways.drawn;
            std::set<std::pair<StreamKey, Direction>> own;
            for (const auto &segment : path->segments) {
                const bool request = segment.direction == Direction::request;
                own.emplace(keyOf(endName(*path, segment.from, request), endName(*path, segment.to, !request),
                                  segment.direction),
                            segment.direction);
            }
            for (const auto &arrow : own)
                ++ways.on[arrow];
        }
    }

    SceneHost &addHost(const std::string &name) {
        const auto [at, isNew] = m_hosts.try_emplace(name);
        if (!isNew) return at->second;
        auto &made = at->second;
        made.name = name;
        made.title = name == kUnseenClient ? "client" : name == kUnseenEndpoint ? "endpoint" : name;
        made.inferred = true;
        for (const auto &host : m_snapshot.hosts)
            if (host.name == name) {
                made.inferred = isUncaptured(name);
                made.node = host.podNode;
                if (!host.label.empty()) made.title = host.label;
                if (!host.addresses.empty()) m_addresses[name] = host.addresses;
            }
        made.title = elide(made.title, kTitleColumns);
        switch (m_roles.of(name)) {
        case HostRole::client: made.tier = Tier::client; break;
        case HostRole::loadBalancer: made.tier = Tier::balancer; break;
        case HostRole::pod: made.tier = Tier::pod; break;
        default: made.tier = name == kUnseenClient ? Tier::client : name == kUnseenEndpoint ? Tier::pod : Tier::node;
        }
        return made;
    }

    void note(const std::string &host, const tracer::SocketAddress &address) {
        if (!address.ip.isNone()) m_used[host].push_back(address.ip);
    }

    void addPath(const Path &path) {
        for (std::size_t i = 0; i < path.segments.size(); ++i)
            addSegment(path, i, m_pairs);
        if (!path.segments.empty()) {
            note(endName(path, path.client.node, true), path.client.address);
            if (path.endpoint) note(endName(path, path.endpoint->host, false), path.endpoint->address);
        }
        for (const auto &hop : path.hops)
            if (path.endpoint && path.endpoint->node == hop.host && path.endpoint->host != hop.host && hop.in &&
                hop.out && hop.direction == Direction::request && hop.in->src != hop.out->src)
                m_inside[hop.host].push_back(hop.out->src.ip);
        const auto route = routeOf(path, m_roles);
        if (!route.nodes.empty()) note(route.nodes.front(), path.requested);
        if (path.endpoint && !path.endpoint->host.empty() &&
            (m_hosts.contains(path.endpoint->host) || !isUncaptured(path.endpoint->host))) {
            auto &host = addHost(path.endpoint->host);
            const bool behindOthers = path.endpoint->node.empty() && !isUncaptured(path.endpoint->host);
            if (host.tier == Tier::pod && host.node.empty() && !route.nodes.empty() && !behindOthers)
                host.node = route.nodes.back();
        }
        if (const auto unseen = m_hosts.find(kUnseenEndpoint);
            unseen != m_hosts.end() && path.endpoint && path.endpoint->host.empty() && !route.nodes.empty())
            unseen->second.node = route.nodes.back();
        if (!path.client.node.empty()) {
            auto &host = addHost(path.client.node);
            if (host.tier == Tier::pod && host.node.empty() && !route.nodes.empty()) host.node = route.nodes.front();
        }
        addMarks(path);
    }

    void addMarks(const Path &path) {
        const auto mark = [&](const std::string &name, std::string text, Token fill, int hop) {
            // Where the selected path passes, only what happened to it counts.
            if (m_selected && &path != m_selected && visited(name)) return;
            auto &marks = addHost(name).marks;
            if (std::ranges::none_of(marks, [&](const Mark &m) { return m.text == text; }))
                marks.push_back({std::move(text), fill, {path.id, name, -1, hop}});
        };
        for (std::size_t i = 0; i < path.hops.size(); ++i) {
            const auto &hop = path.hops[i];
            if (hop.direction != Direction::request) continue;
            for (const auto nat : hop.nat)
                mark(hop.host, nat == tracer::Nat::proxied ? "proxy" : std::string(toString(nat)),
                     nat == tracer::Nat::snat ? Token::snat : Token::dnat, static_cast<int>(i));
        }
        if (!path.droppedAt.empty())
            mark(path.droppedAt, "X", Token::drop, -1);
        else
            for (const auto &segment : path.segments)
                if (segment.lost)
                    mark(endName(path, segment.to, segment.direction == Direction::reply), "X", Token::drop, -1);
    }

    /// Adds how many connections a path on an arrow stands for, besides those that are counted there already.
    void count(Stream &stream, const Path &path, const StreamKey &key) {
        const auto one = [&] { ++stream.connections; };
        if (m_options.kinds.empty() || (m_options.onlySelected && m_selected)) return one();
        tracer::writeKind(path, m_kind);
        const auto all = m_options.kinds.find(m_kind);
        if (all == m_options.kinds.end()) return one();
        if (!m_counted.emplace(m_kind, key, stream.direction).second) return;
        stream.connections += all->second;
        // Of those that are not drawn nobody knows which way they went, unless all that are went the same one.
        const Ways &ways = m_ways[m_kind];
        stream.atMost = stream.atMost || ways.on.at({key, stream.direction}) < ways.drawn;
    }

    void addSegment(const Path &path, std::size_t index, std::map<StreamKey, StreamPair> &pairs) {
        const auto &segment = path.segments[index];
        const bool request = segment.direction == Direction::request;
        const auto from = endName(path, segment.from, request), to = endName(path, segment.to, !request);
        if (from == to) return;
        addHost(from);
        addHost(to);
        const StreamKey key = keyOf(from, to, segment.direction);
        auto &pair = pairs[key];
        pair.near = request ? from : to;
        pair.far = request ? to : from;
        auto &slot = request ? pair.request : pair.reply;
        if (!slot) slot.emplace();
        auto &stream = *slot;
        const bool selected = &path == m_selected;
        stream.from = from;
        stream.to = to;
        stream.direction = segment.direction;
        stream.packets += segment.packets;
        count(stream, path, key);
        if (!stream.selected) stream.weak = (stream.weak && !selected) || segment.confidence < kCertain;
        stream.healthCheck = path.kind == PathKind::healthCheck;
        if (!stream.selected) { // paths come oldest first; the newest one is shown unless one is selected
            stream.selected = selected;
            stream.lost = segment.lost;
            stream.label = {inWords(segment.src), "> " + inWords(segment.dst)};
            stream.ref = {path.id, {}, static_cast<int>(index), -1};
        }
    }

    void addCheck(const Path &path) {
        for (std::size_t i = 0; i < path.segments.size(); ++i)
            addSegment(path, i, m_checkPairs);
        const auto hosts = requestHosts(path);
        if (hosts.empty()) return;
        const auto &node = hosts.back();
        note(node, path.requested);
        auto &seen = m_checkStatus[node];
        // An answer stands until two checks in a row stay without one, as in the text picture.
        const int status = path.http ? path.http->status : 0;
        if (status != 0)
            seen = {status, 0};
        else if (++seen.unanswered >= 2)
            seen.status = 0;
    }

    void finish() {
        for (auto &[key, pair] : m_pairs) {
            for (auto *stream : {&pair.request, &pair.reply})
                if (*stream && (*stream)->connections > 1)
                    (*stream)->label.push_back(((*stream)->atMost ? "some of " : "") +
                                               std::to_string((*stream)->connections) + " connections");
            m_scene.pairs.push_back(std::move(pair));
        }
        for (auto &[key, pair] : m_checkPairs) {
            const auto node = pair.far;
            const bool known =
                std::ranges::any_of(m_scene.checks, [&](const SceneCheck &c) { return c.streams.far == node; });
            if (!known) m_scene.checks.push_back({std::move(pair), m_checkStatus[node].status});
        }
        std::ranges::sort(m_scene.checks, naturalLess, [](const SceneCheck &check) { return check.streams.far; });
        for (auto &[name, host] : m_hosts) {
            host.address = !isUncaptured(name) ? addressOf(name) : host.title != name ? name : "";
            // DNAT and SNAT always in the order of JSON and of the hop's list: SNAT, DNAT, then X.
            std::ranges::stable_sort(host.marks, {}, [](const Mark &mark) { return static_cast<int>(mark.fill); });
            host.muted = m_selected && !visited(name);
            m_scene.hosts.push_back(std::move(host));
        }
        std::ranges::sort(m_scene.hosts, [](const SceneHost &a, const SceneHost &b) {
            return a.tier != b.tier ? a.tier < b.tier : naturalLess(a.name, b.name);
        });
    }

    bool visited(const std::string &name) const {
        return std::ranges::any_of(m_selected->segments, [&](const tracer::Segment &segment) {
            const bool request = segment.direction == Direction::request;
            return endName(*m_selected, segment.from, request) == name ||
                   endName(*m_selected, segment.to, !request) == name;
        });
    }

    /// Of a host with several addresses the one that connections used; that of a bridge, which is for the node's own
    /// pods alone, only where there is no other.
    std::string addressOf(const std::string &name) const {
        const auto used = m_used.find(name);
        const auto own = m_addresses.find(name);
        if (own == m_addresses.end()) return used == m_used.end() ? "" : used->second.back().toString();
        const auto among = [](const auto &addresses, const auto &found, const tracer::IpAddress &address) {
            return found != addresses.end() && std::ranges::find(found->second, address) != found->second.end();
        };
        const auto inside = m_inside.find(name);
        const tracer::IpAddress *best = nullptr;
        int most = -1;
        for (const auto &address : own->second) {
            const int worth = 2 * !among(m_inside, inside, address) + among(m_used, used, address);
            if (worth <= most) continue;
            most = worth;
            best = &address;
        }
        return best->toString();
    }

    struct CheckState {
        int status = 0, unanswered = 0;
    };
    struct Ways {
        std::uint64_t drawn = 0; ///< connections of a kind
        std::map<std::pair<StreamKey, Direction>, std::uint64_t> on = {};
    };

    const Snapshot &m_snapshot;
    const SceneOptions &m_options;
    Roles m_roles;
    const Path *m_selected = nullptr;
    Scene m_scene;
    std::map<std::string, SceneHost> m_hosts;
    std::map<std::string, std::vector<tracer::IpAddress>> m_addresses, m_used;
    std::map<std::string, std::vector<tracer::IpAddress>> m_inside; ///< what nodes put in place for their own pods
    std::map<StreamKey, StreamPair> m_pairs, m_checkPairs;
    std::map<std::string, CheckState> m_checkStatus;
    std::set<std::tuple<std::string, StreamKey, Direction>> m_counted; ///< kinds, where they have been counted
    std::map<std::string, Ways> m_ways;                                ///< by kind
    std::set<std::string> m_addressHosts;                              ///< hosts that are known by their address only
    std::string m_kind;
};

} // namespace

const SceneHost *Scene::find(std::string_view host) const {
    const auto found = std::ranges::find(hosts, host, &SceneHost::name);
    return found == hosts.end() ? nullptr : &*found;
}

Scene sceneOf(const Snapshot &snapshot, const SceneOptions &options) {
    return SceneBuilder(snapshot, options).build();
}

} // namespace natlens::diagram
