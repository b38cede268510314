// Which pair runs how, and how large everything is.
#include "tracer/diagram/layout_parts.h"

#include "tracer/diagram/text_grid.h"

#include <algorithm>

namespace natlens::diagram {
namespace {

constexpr std::size_t kLabelledStubs = 2;  ///< more pairs at one host: only the selected one is labelled
constexpr std::size_t kLabelledPairs = 18; ///< more pairs in the picture: only the selected ones are labelled

bool selected(const StreamPair &pair) {
    return (pair.request && pair.request->selected) || (pair.reply && pair.reply->selected);
}

/// Whether packets go between a pod and a client or load balancer with no node captured in between. Such a pod stands
/// beside its node, not below it, so that the line finds its way.
bool reachedPastNodes(const Scene &scene, const std::string &pod) {
    const auto above = [&](const std::string &name) {
        const auto *host = scene.find(name);
        return host && host->tier < Tier::node;
    };
    return std::ranges::any_of(scene.pairs, [&](const StreamPair &pair) {
        return (pair.far == pod && above(pair.near)) || (pair.near == pod && above(pair.far));
    });
}

/// Greedy: the first level on which nothing overlaps.
void stackLanes(Plan &plan) {
    std::array<std::vector<std::vector<std::pair<double, double>>>, kTiers> levels;
    std::vector<std::size_t> place(plan.hosts.size());
    for (std::size_t row = 0; row < kTiers; ++row) {
        const auto &order = row == static_cast<std::size_t>(Tier::node) ? plan.columns : plan.rows[row];
        for (std::size_t i = 0; i < order.size(); ++i)
            place[order[i]] = i;
    }
    for (auto &pair : plan.pairs) {
        if (pair.course != Course::lane) continue;
        const auto from = static_cast<double>(place[pair.upper]), to = static_cast<double>(place[pair.lower]);
        auto &used = levels[static_cast<std::size_t>(plan.hosts[pair.upper].host->tier)];
        const auto free = std::ranges::find_if(used, [&](const auto &level) {
            return std::ranges::none_of(
                level, [&](const auto &span) { return from < span.second + 0.5 && span.first < to + 0.5; });
        });
        pair.lane = static_cast<int>(free - used.begin());
        if (free == used.end()) used.emplace_back();
        used[static_cast<std::size_t>(pair.lane)].emplace_back(from, to);
    }
}

void chooseCourse(Plan &plan, PairPlan &made, std::size_t near, std::size_t far) {
    const auto nearTier = plan.hosts[near].host->tier, farTier = plan.hosts[far].host->tier;
    if (nearTier != farTier) {
        made.upper = nearTier < farTier ? near : far;
        made.lower = nearTier < farTier ? far : near;
        made.course = Course::down;
        return;
    }
    const auto &order = nearTier == Tier::node ? plan.columns : plan.rows[static_cast<std::size_t>(nearTier)];
    const auto a = std::ranges::find(order, near), b = std::ranges::find(order, far);
    made.upper = a < b ? near : far;
    made.lower = a < b ? far : near;
    const bool neighbours = nearTier == Tier::node && (a + 1 == b || b + 1 == a);
    const bool taken = std::ranges::any_of(plan.pairs, [&](const PairPlan &other) {
        return other.course == Course::beside && other.upper == made.upper && other.lower == made.lower;
    });
    made.course = neighbours && !taken ? Course::beside : Course::lane;
}

void groupStubs(Plan &plan) {
    for (auto &host : plan.hosts) {
        for (const auto stub : host.stubs) {
            const auto &pair = *plan.pairs[stub].pair;
            auto open = host.groups.end();
            if (!pair.request)
                open = std::ranges::find(host.groups, StubGroup::kNone, &StubGroup::reply);
            else if (!pair.reply)
                open = std::ranges::find(host.groups, StubGroup::kNone, &StubGroup::request);
            auto &group = open == host.groups.end() ? host.groups.emplace_back() : *open;
            if (pair.request) group.request = stub;
            if (pair.reply) group.reply = stub;
        }
        for (auto &group : host.groups)
            for (const auto stub : {group.request, group.reply})
                if (stub != StubGroup::kNone && plan.pairs[stub].labelled) {
                    const auto &pair = *plan.pairs[stub].pair;
                    const double cross = pair.request && pair.request->lost ? kLostGap : 0;
                    group.labels = std::max({group.labels, labelWidth(pair.request) + kLabelGap + cross,
                                             labelWidth(pair.reply) + kLabelGap});
                }
    }
}

/// Left or right of its node: outwards, as in the document.
void placeChecks(Plan &plan) {
    const auto &nodes = plan.rows[static_cast<std::size_t>(Tier::node)];
    for (const auto &check : plan.scene->checks)
        for (std::size_t i = 0; i < nodes.size(); ++i) {
            auto &host = plan.hosts[nodes[i]];
            if (host.host->name != check.streams.far) continue;
            host.check = &check;
            host.checkAtLeft = 2 * i + 1 <= nodes.size();
            if (host.checkAtLeft ? i > 0 : i + 1 < plan.columns.size()) plan.innerChecks = true;
        }
}

void sizeBoxes(Plan &plan) {
    std::vector<double> ports(plan.hosts.size()), besideLabels(plan.hosts.size());
    for (const auto &pair : plan.pairs) {
        const double lines = (pair.pair->request ? 1 : 0) + (pair.pair->reply ? 1 : 0);
        if (pair.course != Course::beside) ports[pair.upper] += lines;
        if (pair.course == Course::lane) ports[pair.lower] += lines;
    }
    for (std::size_t i = 0; i < plan.hosts.size(); ++i) {
        auto &host = plan.hosts[i];
        const auto &what = *host.host;
        double marks = -6;
        for (const auto &mark : what.marks)
            marks += badgeWidth(mark.text) + 6;
        double stubs = 0;
        for (const auto &group : host.groups)
            stubs += group.width() + 20;
        const double minimum = what.tier == Tier::node ? 150 : 120;
        double stubLines = 0; // from the first stub to the last one
        if (!host.groups.empty())
            stubLines = stubs - 20 - host.groups.front().width() / 2 - host.groups.back().width() / 2;
        host.box.width = std::max({minimum, textWidth(what.title, kTitleSize, true, false) + 28,
                                   textWidth(what.address, kAddressSize, false, true) + 24, marks + 24,
                                   ports[i] * kParallel + 24, stubLines + kParallel + 44});
        host.box.height = 46 + (what.address.empty() ? 0 : 12) + (what.marks.empty() ? 0 : kBadgeHeight + 8);
        host.slot = std::max(host.box.width, stubs - 20);
        auto &height = plan.height[static_cast<std::size_t>(what.tier)];
        height = std::max(height, host.box.height);
    }
}

/// Arrows between neighbouring nodes need a node row high enough for the label above them, or, where a health check
/// stands there, for the check.
void sizeBeside(Plan &plan) {
    double label = 0, below = 0;
    bool any = false;
    for (const auto &pair : plan.pairs) {
        if (pair.course != Course::beside) continue;
        any = true;
        label = std::max(label, labelHeight(pair.pair->request));
        below = std::max(below, labelHeight(pair.pair->reply));
    }
    auto &height = plan.height[static_cast<std::size_t>(Tier::node)];
    if (!plan.scene->checks.empty()) height = std::max(height, 66.0);
    if (!any) return;
    if (plan.innerChecks) {
        plan.besideY = 52 + label + 6;
        height = std::max(height, plan.besideY + kParallel + 18);
    } else {
        height = std::max(height, 2 * (label + 12) + kParallel);
        plan.besideY = (height - kParallel) / 2;
    }
    plan.besideExtra = std::max(0.0, plan.besideY + kParallel + below + 10 - height);
}

} // namespace

double textWidth(std::string_view text, double size, bool bold, bool monospace) {
    return columns(text) * size * (monospace ? 0.62 : bold ? 0.68 : 0.6);
}

double badgeWidth(std::string_view text) {
    return std::max(22.0, textWidth(text, 11, true, false) + 14);
}

double labelWidth(const std::optional<Stream> &stream) {
    double width = 0;
    if (stream)
        for (const auto &line : stream->label)
            width = std::max(width, textWidth(line, kLabelSize, false, true));
    return width;
}

double labelHeight(const std::optional<Stream> &stream) {
    return stream ? static_cast<double>(stream->label.size()) * kLineHeight : 0;
}

Plan planOf(const Scene &scene) {
    Plan plan;
    plan.scene = &scene;
    std::map<std::string_view, std::size_t> index;
    for (const auto &host : scene.hosts) {
        index[host.name] = plan.hosts.size();
        plan.rows[static_cast<std::size_t>(host.tier)].push_back(plan.hosts.size());
        if (host.tier == Tier::node) plan.columns.push_back(plan.hosts.size());
        plan.hosts.emplace_back().host = &host;
    }
    for (const auto pod : plan.rows[static_cast<std::size_t>(Tier::pod)]) {
        const auto node = index.find(plan.hosts[pod].host->node);
        const bool known = node != index.end() && plan.hosts[node->second].host->tier == Tier::node;
        const bool passed = reachedPastNodes(scene, plan.hosts[pod].host->name);
        if (known && !passed)
            plan.hosts[node->second].pods.push_back(pod);
        else if (known)
            plan.columns.insert(std::ranges::find(plan.columns, node->second) + 1, pod);
        else
            plan.columns.push_back(pod);
    }
    for (const auto &pair : scene.pairs) {
        PairPlan made;
        made.pair = &pair;
        chooseCourse(plan, made, index.at(pair.near), index.at(pair.far));
        if (made.course == Course::down) plan.hosts[made.lower].stubs.push_back(plan.pairs.size());
        plan.pairs.push_back(made);
    }
    for (auto &pair : plan.pairs) {
        const bool crowded = plan.pairs.size() > kLabelledPairs ||
                             (pair.course == Course::down && plan.hosts[pair.lower].stubs.size() > kLabelledStubs);
        pair.labelled = !crowded || selected(*pair.pair);
    }
    groupStubs(plan);
    stackLanes(plan);
    placeChecks(plan);
    sizeBoxes(plan);
    sizeBeside(plan);
    return plan;
}

} // namespace natlens::diagram
