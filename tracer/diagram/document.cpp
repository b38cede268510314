// The document's pictures, drawn from what was observed: situations are recognised here, glyphs come from the tables.
#include "tracer/diagram/diagram.h"
#include "tracer/diagram/document_templates.h"
#include "tracer/diagram/route.h"
#include "tracer/diagram/text_grid.h"

#include <algorithm>
#include <optional>

namespace natlens::diagram {
namespace {

using tracer::Direction;
using tracer::HostRole;
using tracer::Path;
using tracer::PathKind;
using tracer::Snapshot;

/// The newest answer of a node to its health checks.
struct Check {
    bool answered = false; ///< a reply packet was seen
    int status = 0;        ///< 0: none seen
};
using Checks = std::map<std::string, Check, decltype(&naturalLess)>;

/// One picture's worth of paths: one client host, one service (or one requested port where no service is known).
struct Group {
    std::string client, title;
    bool service = false;
    std::vector<Route> routes; ///< the newest for each requested address, ordered by the name of the first node
};

/// Everything a template asks for.
struct Situation {
    Picture picture = Picture::nodePortLocal;
    Facts facts;
    std::string left, right;
    int leftStatus = 0, rightStatus = 0;

    void set(Fact fact, bool seen = true) { facts.set(static_cast<std::size_t>(fact), seen); }
};

/// The document writes "node 1" where the capture point says "node1".
std::string printedName(std::string_view host) {
    constexpr std::string_view prefix = "node";
    const auto digits = host.starts_with(prefix) ? host.substr(prefix.size()) : std::string_view{};
    const bool numbered = !digits.empty() && digits.find_first_not_of("0123456789") == std::string_view::npos;
    return numbered ? "node " + std::string(digits) : std::string(host);
}

/// The newest answered check of each node counts; two later ones without an answer mean that it stopped answering
/// (one may just have been on its way when the capture ended).
Checks newestChecks(const Snapshot &snapshot) {
    constexpr int kUnansweredInARow = 2;
    std::map<std::string, std::vector<const Path *>> byNode;
    for (const auto &path : snapshot.paths)
        if (path->kind == PathKind::healthCheck) {
            const auto hosts = requestHosts(*path);
            const auto &node = path->endpoint && !path->endpoint->host.empty() ? path->endpoint->host
                               : hosts.empty()                                 ? path->droppedAt
                                                                               : hosts.back();
            if (!node.empty() && node != path->client.node) byNode[node].push_back(path.get());
        }

    Checks checks(&naturalLess);
    for (auto &[node, paths] : byNode) {
        std::ranges::stable_sort(paths, {}, &Path::firstSeen);
        auto &check = checks[node];
        int unanswered = 0;
        for (auto path = paths.rbegin(); path != paths.rend() && unanswered < kUnansweredInARow; ++path) {
            const bool answered = std::ranges::any_of((*path)->segments, [](const tracer::Segment &segment) {
                return segment.direction == Direction::reply;
            });
            if (!answered) {
                ++unanswered;
                continue;
            }
            check = {true, (*path)->http ? (*path)->http->status : 0};
            if (check.status != 0) break; // an answer that was only half seen does not hide the one before it
            ++unanswered;
        }
    }
    return checks;
}

std::string groupTitle(const Path &path) {
    const auto from = path.client.node.empty() ? path.client.address.ip.toString() : path.client.node;
    const bool named = path.service && !path.service->name.empty();
    const auto to = named ? describe(*path.service) : inWords(path.requested);
    return from + " -> " + to + ":";
}

/// Keeps what happens now: the newest connection for each requested address, and of a pod that was moved only what
/// came to its newest place.
void dropSuperseded(std::vector<Route> &routes) {
    std::ranges::stable_sort(routes,
                             [](const Route &a, const Route &b) { return a.path->firstSeen > b.path->firstSeen; });
    std::vector<Route> kept;
    std::map<std::string, std::string> placeOfPod;
    for (auto &route : routes) {
        const bool askedAgain = std::ranges::any_of(
            kept, [&](const Route &newer) { return newer.path->requested == route.path->requested; });
        if (askedAgain) continue;
        if (route.path->endpoint && !route.path->endpoint->host.empty() && !route.nodes.empty()) {
            const auto [place, first] = placeOfPod.try_emplace(route.path->endpoint->host, route.nodes.back());
            if (!first && place->second != route.nodes.back()) continue;
        }
        kept.push_back(std::move(route));
    }
    routes = std::move(kept);
    std::ranges::stable_sort(routes, [](const Route &a, const Route &b) {
        if (a.nodes.empty() || b.nodes.empty()) return !a.nodes.empty() && b.nodes.empty();
        if (a.nodes.front() != b.nodes.front()) return naturalLess(a.nodes.front(), b.nodes.front());
        return a.path->firstSeen > b.path->firstSeen;
    });
}

/// Without cluster state a connection that was dropped looks direct; it belongs to the service that the same client
/// asked at the same port elsewhere. So client, protocol and port make a group, and the address too where it is a VIP.
std::vector<Group> groupsOf(const Snapshot &snapshot, const Roles &roles) {
    std::map<std::string, Group> groups;
    for (const auto &path : snapshot.paths) {
        if (path->kind == PathKind::healthCheck) continue;
        auto route = routeOf(*path, roles);
        if (route.nodes.empty() && route.loadBalancer.empty() && route.endpoint.empty()) continue;
        const bool vip =
            path->service && path->service->via != tracer::Via::nodePort && path->service->via != tracer::Via::none;
        const auto key = path->client.node + '\n' + std::to_string(static_cast<int>(path->protocol)) + '\n' +
                         std::to_string(path->requested.port) + (vip ? '\n' + path->requested.ip.toString() : "");
        auto &group = groups[key];
        if (group.title.empty() || path->kind == PathKind::service) group.title = groupTitle(*path);
        group.client = path->client.node;
        group.service = group.service || path->kind == PathKind::service;
        group.routes.push_back(std::move(route));
    }
    const bool anyService = std::ranges::any_of(groups, [](const auto &entry) { return entry.second.service; });
    std::vector<Group> out;
    for (auto &[key, group] : groups) {
        if (anyService && !group.service) continue;
        dropSuperseded(group.routes);
        out.push_back(std::move(group));
    }
    return out;
}

void addFront(Situation &situation, const Route &route, Fact request, Fact reply, Fact dropped) {
    if (!route.path || route.nodes.empty()) return;
    const auto &node = route.nodes.front();
    const bool asked = route.saw(Direction::request, route.front(), node);
    situation.set(dropped, asked && route.droppedAt(node));
    situation.set(request, asked && !route.droppedAt(node));
    situation.set(reply,
                  route.saw(Direction::reply, node, route.front()) || route.saw(Direction::reply, node, route.client));
    situation.set(Fact::client, true);
    if (!route.loadBalancer.empty()) {
        situation.set(Fact::loadBalancer, true);
        situation.set(Fact::clientToBalancer, route.saw(Direction::request, route.client, route.loadBalancer));
    }
}

/// An answer on its way from one host to the next, where it was lost or was not.
void addAnswer(Situation &situation, const Route &route, const std::pair<std::string, std::string> &ends, Fact came,
               Fact lost) {
    const auto *answer = findSegment(*route.path, Direction::reply, ends.first, ends.second);
    situation.set(came, answer && !answer->lost);
    situation.set(lost, answer && answer->lost);
}

void addEndpoint(Situation &situation, const Route &route) {
    if (!route.reachedEndpoint() || route.endpoint.empty() || route.nodes.empty()) return;
    situation.set(Fact::endpoint);
    situation.set(Fact::leftToEndpoint, route.saw(Direction::request, route.nodes.back(), route.endpoint));
    addAnswer(situation, route, {route.endpoint, route.nodes.back()}, Fact::endpointToLeft, Fact::answerLostAtLeft);
}

void addAcross(Situation &situation, const Route &route) {
    const auto &first = route.nodes.front(), &last = route.nodes.back();
    situation.right = first;
    situation.left = last;
    addFront(situation, route, Fact::frontToRight, Fact::rightToFront, Fact::droppedAtRight);
    addEndpoint(situation, route);
    const bool crossed = route.saw(Direction::request, first, last);
    situation.set(Fact::droppedBetween, crossed && route.droppedAt(last));
    situation.set(Fact::rightToLeft, crossed && !route.droppedAt(last));
    addAnswer(situation, route, {last, first}, Fact::leftToRight, Fact::answerLostAtRight);
    situation.set(Fact::snatAtRight, crossed && route.translated(first, tracer::Nat::snat));
    situation.set(Fact::leftToFront,
                  route.saw(Direction::reply, last, route.front()) || route.saw(Direction::reply, last, route.client));
}

/// The left node is the first that delivered, the right one the first that did not.
void addLocal(Situation &situation, const std::vector<Route> &routes) {
    const Route none;
    const Route *left = nullptr, *right = nullptr;
    for (const auto &route : routes) {
        auto &place = route.reachedEndpoint() ? left : right;
        if (!place && !route.nodes.empty()) place = &route;
    }
    if (!left && right) { // nobody delivered: the first two that were asked
        left = right;
        right = nullptr;
        for (const auto &route : routes)
            if (!right && &route != left && !route.nodes.empty() && route.nodes.front() != left->nodes.front())
                right = &route;
    }
    if (left) situation.left = left->nodes.front();
    if (right && right->nodes.front() != situation.left) situation.right = right->nodes.front();
    addFront(situation, left ? *left : none, Fact::frontToLeft, Fact::leftToFront, Fact::droppedAtLeft);
    if (left) addEndpoint(situation, *left);
    if (!situation.right.empty())
        addFront(situation, *right, Fact::frontToRight, Fact::rightToFront, Fact::droppedAtRight);
}

/// Fills the places that no path has taken from the nodes that are checked: passing ones left, failing ones right.
void addChecks(Situation &situation, const Checks &checks) {
    const auto passes = [](const Check &check) { return check.status >= 200 && check.status < 400; };
    const auto choose = [&](std::string &place, const std::string &taken, bool passing) {
        for (const bool strict : {true, false})
            for (const auto &[node, check] : checks)
                if (place.empty() && node != taken && (!strict || passes(check) == passing)) place = node;
    };
    if (situation.left.empty()) choose(situation.left, situation.right, true);
    if (situation.right.empty()) choose(situation.right, situation.left, false);

    if (const auto check = checks.find(situation.left); check != checks.end()) {
        situation.set(Fact::checkLeft);
        situation.set(Fact::checkLeftAnswered, check->second.answered);
        situation.set(Fact::checkLeftStatus, check->second.status != 0);
        situation.leftStatus = check->second.status;
    }
    if (const auto check = checks.find(situation.right); check != checks.end()) {
        situation.set(Fact::checkRight);
        situation.set(Fact::checkRightAnswered, check->second.answered);
        situation.set(Fact::checkRightStatus, check->second.status != 0);
        situation.rightStatus = check->second.status;
    }
}

/// A pod stands straight above its own node; a client that asks a cluster IP is taken for one.
bool clientIsPod(const Group &group, const Roles &roles) {
    if (roles.of(group.client) == HostRole::pod) return true;
    return std::ranges::any_of(group.routes, [&](const Route &route) {
        return route.path->service && route.path->service->via == tracer::Via::clusterIP;
    });
}

Situation situationOf(const Group &group, const Roles &roles, const Checks &checks) {
    Situation situation;
    const auto across = std::ranges::find_if(group.routes, &Route::crossesNodes);
    const bool crosses = across != group.routes.end();
    if (crosses)
        addAcross(situation, *across);
    else
        addLocal(situation, group.routes);

    const bool balanced =
        std::ranges::any_of(group.routes, [](const Route &route) { return !route.loadBalancer.empty(); });
    if (balanced || group.routes.empty()) {
        situation.picture = crosses ? Picture::balancerAcross : Picture::balancerLocal;
        addChecks(situation, checks);
        if (!crosses && !group.routes.empty()) { // the load balancer itself may be all that was reached
            const auto &route = group.routes.front();
            situation.set(Fact::client);
            situation.set(Fact::loadBalancer);
            if (route.saw(Direction::request, route.client, route.loadBalancer)) situation.set(Fact::clientToBalancer);
        }
    } else if (clientIsPod(group, roles)) {
        situation.picture = crosses ? Picture::podAcross : Picture::podLocal;
    } else {
        situation.picture = crosses ? Picture::nodePortAcross : Picture::nodePortLocal;
    }
    situation.set(Fact::left, !situation.left.empty());
    situation.set(Fact::right, !situation.right.empty());
    return situation;
}

std::string textOf(Name name, const Situation &situation) {
    switch (name) {
    case Name::left: return printedName(situation.left);
    case Name::right: return printedName(situation.right);
    case Name::leftStatus: return std::to_string(situation.leftStatus);
    case Name::rightStatus: return std::to_string(situation.rightStatus);
    case Name::none: break;
    }
    return {};
}

/// Draws every element whose fact was observed. Names longer than their place in the document grow outwards, so
/// that no arrow changes.
std::string draw(const Situation &situation) {
    constexpr int kStep[][2] = {{0, 1}, {1, 0}, {1, 1}, {1, -1}}; // row, column; in the order of Step
    constexpr int kDocumentName = 6;                              // columns of "node 1"
    const int growLeft = std::max(0, columns(printedName(situation.left)) - kDocumentName);
    const int growRight = std::max(0, columns(printedName(situation.right)) - kDocumentName);

    TextGrid grid;
    bool columnAtLeft = false;
    for (const auto &element : elements(situation.picture)) {
        if (!situation.facts.test(static_cast<std::size_t>(element.when))) continue;
        columnAtLeft = columnAtLeft || element.when == Fact::checkLeft;
        const auto name = textOf(element.name, situation);
        const auto glyphs = element.name == Name::none ? element.glyphs : std::string_view(name);
        const int spare = std::max(0, columns(element.glyphs) - columns(glyphs));
        int column = element.column + spare / 2;
        if (element.keeps == Keeps::outsideLeft) column -= growLeft;
        if (element.keeps == Keeps::outsideRight && element.name != Name::right) column += growRight;
        const auto &step = kStep[static_cast<std::size_t>(element.step)];
        grid.put(element.row, column, glyphs, step[0], step[1]);
    }
    // Without the health checks at the left the load balancer's pictures begin where the others do.
    const bool balanced = situation.picture == Picture::balancerLocal || situation.picture == Picture::balancerAcross;
    if (balanced && !columnAtLeft) return grid.text(1, TextGrid::Indent::exactly);
    return grid.text(balanced ? 0 : 1);
}

} // namespace

std::string renderDocument(const Snapshot &snapshot) {
    const Roles roles(snapshot);
    const auto checks = newestChecks(snapshot);
    auto groups = groupsOf(snapshot, roles);
    if (groups.empty() && !checks.empty()) groups.emplace_back(); // health checks before the first request
    std::string out;
    for (const auto &group : groups) {
        if (!out.empty()) out += '\n';
        if (groups.size() > 1) out += group.title + "\n\n";
        out += draw(situationOf(group, roles, checks));
    }
    return out;
}

} // namespace natlens::diagram
