// Which objects have a say in one flow: each is looked at once, in whatever threads there are, and few are read.
#include "proxycore/model/object_glance.h"
#include "proxycore/model/object_loader.h"

#include <algorithm>
#include <bit>
#include <unordered_set>
#include <variant>

namespace natlens::proxycore::detail {

namespace {

constexpr std::size_t kItemsAtOnce = 512;

std::size_t hashOf(std::string_view nameSpace, std::string_view name) {
    constexpr std::hash<std::string_view> hash;
    return hash(nameSpace) * 31 + hash(name);
}

/// What is known of an item when it has been looked at.
struct Sifted {
    std::size_t name = 0;    ///< its hash; 0: it has none, and is left out
    std::size_t service = 0; ///< of an EndpointSlice or Endpoints: the hash of its Service's name
    bool kept = false;       ///< it has a say, whatever the others are
    bool hasSource = false;  ///< one of these with the flow's source: its Service has a say
};

/// Looks at a range of the items. Lives on one thread.
class Sifter final {
public:
    Sifter(const JsonDocument &document, const FlowEnds &ends, std::vector<Problem> &problems)
        : m_reporters(document, problems)
        , m_ends(&ends) {}

    [[nodiscard]] Sifted sift(const Item &item) {
        if (const auto glance = glanceAt(item.value, item.kind, *m_ends))
            return {hashOf(glance->nameSpace, glance->name), hashOf(glance->nameSpace, glance->serviceName)};
        const auto read = readItem(item, m_reporters.of(item.root));
        Sifted sifted;
        if (read.name.name.empty()) return sifted;
        sifted.name = hashOf(read.name.nameSpace, read.name.name);
        if (const auto *slice = std::get_if<EndpointSlice>(&read.value)) {
            sifted.service = hashOf(read.name.nameSpace, slice->serviceName);
            sifted.hasSource = hasEndpoint(*slice, m_ends->source);
        } else if (const auto *slices = std::get_if<std::vector<EndpointSlice>>(&read.value)) {
            sifted.service = sifted.name;
            sifted.hasSource = std::any_of(slices->begin(), slices->end(),
                                           [&](const EndpointSlice &one) { return hasEndpoint(one, m_ends->source); });
        } else if (const auto *service = std::get_if<Service>(&read.value)) {
            sifted.kept = concerns(*service, *m_ends);
        } else {
            sifted.kept = std::holds_alternative<Node>(read.value) || std::holds_alternative<ServiceRange>(read.value);
        }
        return sifted;
    }

private:
    RootReporter m_reporters;
    const FlowEnds *m_ends;
};

/// Whether two items have the same kind and name (or, hardly ever, only the same hash of them).
bool someOccursTwice(const std::vector<Item> &items, const std::vector<Sifted> &sifted) {
    std::vector<std::size_t> places(std::bit_ceil(items.size() * 2 + 1), 0);
    const auto mask = places.size() - 1;
    for (std::size_t i = 0; i < items.size(); ++i) {
        if (sifted[i].name == 0) continue;
        const auto wanted = sifted[i].name * 8 + static_cast<std::size_t>(items[i].kind) + 1;
        auto at = (wanted ^ wanted >> 17) & mask;
        for (; places[at] != 0; at = (at + 1) & mask)
            if (places[at] == wanted) return true;
        places[at] = wanted;
    }
    return false;
}

std::vector<Item> kept(const std::vector<Item> &items, const std::vector<Sifted> &sifted) {
    std::unordered_set<std::size_t> services;
    for (std::size_t i = 0; i < items.size(); ++i) {
        if (items[i].kind == ObjectKind::service && sifted[i].kept) services.insert(sifted[i].name);
        if (sifted[i].hasSource) services.insert(sifted[i].service);
    }
    std::vector<Item> result;
    for (std::size_t i = 0; i < items.size(); ++i) {
        const auto kind = items[i].kind;
        const bool ofService = kind == ObjectKind::service ? services.contains(sifted[i].name)
                               : kind == ObjectKind::endpointSlice || kind == ObjectKind::endpoints
                                   ? services.contains(sifted[i].service)
                                   : false;
        if (sifted[i].kept || ofService) result.push_back(items[i]);
    }
    return result;
}

} // namespace

bool loadPart(ClusterState &state, const JsonDocument &document, const std::vector<Item> &items, const FlowEnds &ends,
              const base::ParallelFor &parallel) {
    if (std::any_of(items.begin(), items.end(), [](const Item &item) { return item.removing; })) return false;
    std::vector<Sifted> sifted(items.size());
    const auto portions = (items.size() + kItemsAtOnce - 1) / kItemsAtOnce;
    std::vector<std::vector<Problem>> problems(portions);
    parallel(portions, [&](std::size_t portion) {
        Sifter sifter(document, ends, problems[portion]);
        const auto end = std::min(items.size(), (portion + 1) * kItemsAtOnce);
        for (auto i = portion * kItemsAtOnce; i < end; ++i) {
            if (i + 4 < end) items[i + 3].value.prefetchIndex(items[i + 4].value.at());
            if (i + 1 < end) items[i + 1].value.prefetchText();
            sifted[i] = sifter.sift(items[i]);
        }
    });
    if (someOccursTwice(items, sifted)) return false;
    for (auto &some : problems)
        for (auto &problem : some)
            Reporter::add(state.problems, std::move(problem));
    ClusterState part;
    loadAll(part, document, kept(items, sifted)); // what it reports has been reported
    part.problems = std::move(state.problems);
    state = std::move(part);
    return true;
}

} // namespace natlens::proxycore::detail
