// Where everything stands from top to bottom.
#include "tracer/diagram/layout_parts.h"

#include <algorithm>

namespace natlens::diagram {
namespace {

double laneHeight(const Plan &plan, std::size_t row) {
    double level = 0;
    int levels = 0;
    for (const auto &pair : plan.pairs) {
        if (pair.course != Course::lane || static_cast<std::size_t>(plan.hosts[pair.upper].host->tier) != row) continue;
        levels = std::max(levels, pair.lane + 1);
        level = std::max(
            level, kParallel + 20 +
                       (pair.labelled ? labelHeight(pair.pair->request) + labelHeight(pair.pair->reply) + 12 : 0));
    }
    return levels * level;
}

/// Of the channel above a row: room for the tallest label beside a stub, and for an arrow that can be seen.
double stubHeight(const Plan &plan, std::size_t row) {
    double height = 0;
    for (const auto host : plan.rows[row])
        for (const auto stub : plan.hosts[host].stubs) {
            const auto &pair = plan.pairs[stub];
            const double label =
                pair.labelled ? std::max(labelHeight(pair.pair->request), labelHeight(pair.pair->reply)) : 0;
            height = std::max(height, std::max(36.0, label + 22));
        }
    return height;
}

/// Whether lines leave a row downwards to another one.
bool below(const Plan &plan, std::size_t row) {
    return std::ranges::any_of(plan.pairs, [&](const PairPlan &pair) {
        return pair.course == Course::down && static_cast<std::size_t>(plan.hosts[pair.upper].host->tier) <= row &&
               static_cast<std::size_t>(plan.hosts[pair.lower].host->tier) > row;
    });
}

} // namespace

void placeRows(Plan &plan) {
    double y = kMargin;
    std::size_t above = kTiers;
    for (std::size_t row = 0; row < kTiers; ++row) {
        if (plan.rows[row].empty()) continue;
        if (above != kTiers) {
            const double stubs = stubHeight(plan, row);
            if (plan.ranks[row] > 0) y += 40 + kRank * (plan.ranks[row] - 1);
            plan.stubTop[row] = y;
            y += std::max(stubs, 30.0);
        }
        plan.top[row] = y;
        y += plan.height[row];
        const bool nodes = row == static_cast<std::size_t>(Tier::node);
        plan.laneTop[row] = y + (nodes ? plan.besideExtra : 0);
        plan.laneBottom[row] = plan.laneTop[row] + laneHeight(plan, row);
        if (below(plan, row)) plan.laneBottom[row] += 16; // arrow heads at the row's lower edge need a straight end
        y = plan.laneBottom[row];
        above = row;
    }
    for (auto &host : plan.hosts) {
        const auto row = static_cast<std::size_t>(host.host->tier);
        host.box.y = plan.top[row];
        host.box.height = plan.height[row];
    }
}

} // namespace natlens::diagram
