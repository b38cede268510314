#include "tracer/diagram/choice.h"

#include "tracer/path/telling.h"

#include <algorithm>
#include <tuple>
#include <unordered_map>

namespace natlens::diagram {

tracer::Snapshot withPaths(const tracer::Snapshot &snapshot, std::size_t most, std::string_view selected) {
    if (snapshot.paths.size() <= most) return snapshot;
    constexpr unsigned kOfAKind = 3;
    struct Candidate {
        std::size_t place; ///< in the snapshot
        tracer::Telling telling;
        unsigned before; ///< how many of its kind are more worth showing
        bool selected;
    };
    std::vector<Candidate> order;
    for (std::size_t i = 0; i < snapshot.paths.size(); ++i)
        order.push_back({i, tracer::tellingOf(*snapshot.paths[i]), 0, snapshot.paths[i]->id == selected});
    std::ranges::stable_sort(order, {}, [](const Candidate &c) { return std::pair(!c.selected, c.telling); });
    std::unordered_map<std::string, unsigned> kinds;
    std::string kind;
    for (Candidate &candidate : order) {
        tracer::writeKind(*snapshot.paths[candidate.place], kind);
        candidate.before = kinds[kind]++;
    }
    std::ranges::stable_sort(order, {}, [](const Candidate &c) {
        const bool noise = tracer::isNoise(c.telling);
        const bool many = c.before >= (noise ? 1 : kOfAKind);
        return std::tuple(!c.selected, noise, many, c.telling);
    });
    const auto noise =
        std::ranges::find_if(order, [](const Candidate &c) { return tracer::isNoise(c.telling) && !c.selected; });
    const auto telling = static_cast<std::size_t>(noise - order.begin());
    if (telling != 0) {
        const auto single = std::find_if(noise, order.end(), [](const Candidate &c) {
            return c.before != 0 || c.telling == tracer::Telling::toMany;
        });
        const auto few = std::min<std::size_t>(static_cast<std::size_t>(single - noise), most / 4);
        most = std::min(most, telling + few);
    }
    order.resize(std::min(order.size(), most));
    std::ranges::sort(order, {}, &Candidate::place);
    tracer::Snapshot chosen = snapshot;
    chosen.paths.clear();
    for (const Candidate &candidate : order)
        chosen.paths.push_back(snapshot.paths[candidate.place]);
    return chosen;
}

std::map<std::string, std::uint64_t> kindsOf(const tracer::Snapshot &snapshot, const tracer::Snapshot &chosen) {
    std::map<std::string, std::uint64_t> kinds;
    std::string kind;
    if (snapshot.all) {
        const tracer::Summary &summary = snapshot.all->summary();
        for (const tracer::PathGroup &group : summary.groups) {
            if (summary.hasRest && &group == &summary.groups.back()) break;
            tracer::writeKind(group.example, kind);
            kinds[kind] += group.connections;
        }
    } else if (chosen.paths.size() < snapshot.paths.size()) {
        for (const auto &path : snapshot.paths) {
            tracer::writeKind(*path, kind);
            ++kinds[kind];
        }
    }
    return kinds;
}

} // namespace natlens::diagram
