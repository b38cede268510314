// Where everything stands from left to right.
#include "tracer/diagram/layout_parts.h"

#include <algorithm>
#include <limits>

namespace natlens::diagram {
namespace {

constexpr auto kNode = static_cast<std::size_t>(Tier::node);
constexpr auto kBalancer = static_cast<std::size_t>(Tier::balancer);

double podsWidth(const Plan &plan, const HostPlan &node) {
    double width = -kHostGap / 2;
    for (const auto pod : node.pods)
        width += plan.hosts[pod].slot + kHostGap / 2;
    return width;
}

double pairLabelWidth(const PairPlan &pair) {
    return pair.labelled ? std::max(labelWidth(pair.pair->request), labelWidth(pair.pair->reply)) : 0;
}

/// What must fit between the boxes of two neighbouring columns.
double gapWidth(const Plan &plan, std::size_t left, std::size_t right) {
    const auto &a = plan.hosts[plan.columns[left]], &b = plan.hosts[plan.columns[right]];
    double checks = 0;
    if (a.check && !a.checkAtLeft) checks += kCheckWidth;
    if (b.check && b.checkAtLeft) checks += kCheckWidth;
    double gap = std::max(kHostGap, checks + 12);
    for (const auto &pair : plan.pairs) {
        if (pair.course == Course::beside && pair.upper == plan.columns[left])
            gap = std::max(gap, pairLabelWidth(pair) + 44);
        if (pair.course == Course::lane && plan.hosts[pair.upper].host->tier == Tier::node &&
            pair.upper == plan.columns[left])
            gap = std::max(gap, pairLabelWidth(pair) + 24); // its label stands below the first gap that it crosses
    }
    return gap;
}

void placeNodeColumns(Plan &plan) {
    for (const auto column : plan.columns) {
        auto &host = plan.hosts[column];
        host.slot = std::max(host.slot, podsWidth(plan, host));
    }
    for (std::size_t i = 1; i < plan.columns.size(); ++i) {
        const auto &before = plan.hosts[plan.columns[i - 1]];
        auto &host = plan.hosts[plan.columns[i]];
        host.centre = before.centre + std::max((before.slot + host.slot) / 2 + kHostGap,
                                               (before.box.width + host.box.width) / 2 + gapWidth(plan, i - 1, i));
    }
    for (const auto column : plan.columns) {
        auto &host = plan.hosts[column];
        double x = host.centre - podsWidth(plan, host) / 2;
        for (const auto pod : host.pods) {
            plan.hosts[pod].centre = x + plan.hosts[pod].slot / 2;
            x += plan.hosts[pod].slot + kHostGap / 2;
        }
    }
}

void centreRow(Plan &plan, const std::vector<std::size_t> &row, double middle) {
    double width = -kHostGap;
    for (const auto host : row)
        width += plan.hosts[host].slot + kHostGap;
    double x = middle - width / 2;
    for (const auto host : row) {
        plan.hosts[host].centre = x + plan.hosts[host].slot / 2;
        x += plan.hosts[host].slot + kHostGap;
    }
}

void placeStubs(Plan &plan, double balancers) {
    for (auto &host : plan.hosts) {
        std::ranges::stable_sort(
            host.groups, {}, [&](const StubGroup &group) { return plan.hosts[plan.pairs[group.any()].upper].centre; });
        double width = -20;
        for (const auto &group : host.groups)
            width += group.width() + 20;
        double x = host.centre - width / 2;
        for (const auto &group : host.groups) {
            const double middle = x + group.width() / 2;
            const bool both = group.request != StubGroup::kNone && group.reply != StubGroup::kNone;
            // A reply that goes round the load balancers keeps to their outer side.
            const bool replyAtLeft = both && group.request != group.reply && host.centre <= balancers;
            const double half = !both ? 0 : replyAtLeft ? -kParallel / 2 : kParallel / 2;
            for (const auto stub : {group.request, group.reply}) {
                if (stub == StubGroup::kNone) continue;
                plan.pairs[stub].requestX = middle - half;
                plan.pairs[stub].replyX = middle + half;
                plan.pairs[stub].replyAtLeft = replyAtLeft;
            }
            x += group.width() + 20;
        }
    }
}

/// Pairs between clients and nodes or pods go round the load balancers, at the side where their host is.
void placeBypasses(Plan &plan) {
    if (plan.rows[kBalancer].empty()) return;
    double left = std::numeric_limits<double>::max(), right = std::numeric_limits<double>::lowest();
    for (const auto balancer : plan.rows[kBalancer]) {
        left = std::min(left, plan.hosts[balancer].centre - plan.hosts[balancer].slot / 2);
        right = std::max(right, plan.hosts[balancer].centre + plan.hosts[balancer].slot / 2);
    }
    const double middle = (left + right) / 2;
    std::vector<PairPlan *> around;
    for (auto &pair : plan.pairs)
        if (pair.course == Course::down && plan.hosts[pair.upper].host->tier == Tier::client &&
            plan.hosts[pair.lower].host->tier > Tier::balancer)
            around.push_back(&pair);
    const auto stub = [](const PairPlan *pair) { return pair->pair->request ? pair->requestX : pair->replyX; };
    std::ranges::stable_sort(around, {}, stub);
    double nextRight = right + 26;
    for (auto *pair : around) {
        pair->bypass = true;
        if (stub(pair) <= middle) continue;
        pair->bypassX = nextRight;
        nextRight += 2 * kParallel + 8;
    }
    double nextLeft = left - 26 - kParallel;
    for (auto pair = around.rbegin(); pair != around.rend(); ++pair) {
        if (stub(*pair) > middle) continue;
        (*pair)->bypassX = nextLeft;
        nextLeft -= 2 * kParallel + 8;
    }
}

/// Ends of lines at the lower edges of boxes: in the order of where they lead, no closer than kParallel.
void placePorts(Plan &plan) {
    constexpr double kFar = 1e6;
    struct Port {
        double target;
        double *x;
    };
    std::vector<std::vector<Port>> ports(plan.hosts.size());
    for (auto &pair : plan.pairs) {
        const double lane = 10.0 * pair.lane;
        if (pair.course == Course::down) {
            const double request = pair.bypass ? pair.bypassX : pair.requestX;
            const double reply = !pair.bypass         ? pair.replyX
                                 : pair.pair->request ? pair.bypassX + kParallel
                                                      : pair.bypassX;
            if (pair.pair->request) ports[pair.upper].push_back({request, &pair.upperRequestX});
            if (pair.pair->reply) ports[pair.upper].push_back({reply, &pair.upperReplyX});
        } else if (pair.course == Course::lane) { // nested: the request's level is above the reply's
            if (pair.pair->request) {
                ports[pair.upper].push_back({kFar - lane + 1, &pair.upperRequestX});
                ports[pair.lower].push_back({-kFar + lane - 1, &pair.lowerRequestX});
            }
            if (pair.pair->reply) {
                ports[pair.upper].push_back({kFar - lane, &pair.upperReplyX});
                ports[pair.lower].push_back({-kFar + lane, &pair.lowerReplyX});
            }
        }
    }
    for (std::size_t i = 0; i < ports.size(); ++i) {
        const auto &host = plan.hosts[i];
        const double left = host.centre - host.box.width / 2 + 14, right = host.centre + host.box.width / 2 - 14;
        auto &list = ports[i];
        std::ranges::stable_sort(list, {}, &Port::target);
        for (std::size_t p = 0; p < list.size(); ++p) {
            *list[p].x = std::clamp(list[p].target, left, std::max(left, right));
            if (p > 0) *list[p].x = std::max(*list[p].x, *list[p - 1].x + kParallel);
        }
        for (std::size_t p = list.size(); p-- > 0;) {
            const double limit = p + 1 == list.size() ? right : *list[p + 1].x - kParallel;
            *list[p].x = std::min(*list[p].x, limit);
        }
    }
}

/// Lines that change columns in one channel run below each other, the outermost one on top: they neither touch nor
/// cross as long as they start at one host.
void rankDiagonals(Plan &plan) {
    struct Bend {
        double from, to;
        int *rank;
    };
    std::array<std::vector<Bend>, kTiers> channels;
    for (auto &pair : plan.pairs) {
        if (pair.course != Course::down) continue;
        const auto from = static_cast<std::size_t>(plan.hosts[pair.upper].host->tier);
        const auto to = static_cast<std::size_t>(plan.hosts[pair.lower].host->tier);
        const auto add = [&](double port, double stub, double bypass, int *rank, int *bypassRank) {
            double x = port;
            for (std::size_t row = from + 1; row <= to; ++row) {
                if (plan.rows[row].empty()) continue;
                const bool passed = row < to && row == kBalancer && pair.bypass;
                const double next = passed ? bypass : stub;
                if (next != x) channels[row].push_back({x, next, passed ? bypassRank : rank});
                x = next;
            }
        };
        const double replyBypass = pair.pair->request ? pair.bypassX + kParallel : pair.bypassX;
        if (pair.pair->request)
            add(pair.upperRequestX, pair.requestX, pair.bypassX, &pair.requestRank, &pair.requestBypassRank);
        if (pair.pair->reply) add(pair.upperReplyX, pair.replyX, replyBypass, &pair.replyRank, &pair.replyBypassRank);
    }
    for (std::size_t row = 0; row < kTiers; ++row) {
        auto &bends = channels[row];
        std::ranges::stable_sort(bends, {}, &Bend::from);
        int left = 0, right = 0;
        for (auto &bend : bends)
            if (bend.to < bend.from) *bend.rank = left++;
        for (auto bend = bends.rbegin(); bend != bends.rend(); ++bend)
            if (bend->to > bend->from) *bend->rank = right++;
        plan.ranks[row] = std::max(left, right);
    }
}

} // namespace

void placeColumns(Plan &plan) {
    placeNodeColumns(plan);
    const double middle = plan.columns.empty()
                              ? 0
                              : (plan.hosts[plan.columns.front()].centre + plan.hosts[plan.columns.back()].centre) / 2;
    for (std::size_t row = 0; row < kNode; ++row)
        centreRow(plan, plan.rows[row], middle);
    for (auto &host : plan.hosts)
        host.box.x = host.centre - host.box.width / 2;
    placeStubs(plan, middle);
    placeBypasses(plan);
    placePorts(plan);
    rankDiagonals(plan);
}

} // namespace natlens::diagram
