#include "proxycore/kernel/nft_changes.h"

#include "proxycore/kernel/nft_layout.h"
#include "proxycore/kernel/nft_print.h"

#include <set>

namespace natlens::proxycore::nft {

namespace {

bool isShared(const Element &element) {
    return element.set == "cluster-ips" || element.set == "hairpin-connections";
}

std::string referenceKey(const Element &element) {
    return element.set + " " + elementText(element, true);
}

std::string bodyOf(const Chain &chain, IpFamily family) {
    std::string text;
    for (const auto &rule : chain.rules)
        text += ruleText(rule, family) + "\n";
    return text;
}

/// Collects the difference of two service ports; either may be absent.
class Differ final {
public:
    Differ(Changes &changes, References &references)
        : m_changes(changes)
        , m_references(references) {}

    void add(const Objects &after) { change({}, after); }
    void remove(const Objects &before) { change(before, {}); }

    void change(const Objects &before, const Objects &after) {
        chains(before, after);
        sets(before, after);
        elements(before, after);
    }

private:
    void chains(const Objects &before, const Objects &after) {
        std::map<std::string_view, const Chain *> old;
        for (const auto &chain : before.chains)
            old[chain.name] = &chain;
        for (const auto &chain : after.chains) {
            const auto found = old.find(chain.name);
            const bool same =
                found != old.end() && bodyOf(*found->second, m_changes.family) == bodyOf(chain, m_changes.family);
            if (!same) m_changes.chains.push_back(chain);
            if (found != old.end()) old.erase(found);
        }
        for (const auto &[name, chain] : old)
            m_changes.staleChains.emplace_back(name);
    }

    void sets(const Objects &before, const Objects &after) {
        std::map<std::string_view, const Set *> old;
        for (const auto &set : before.sets)
            old[set.name] = &set;
        for (const auto &set : after.sets) {
            const auto found = old.find(set.name);
            if (found == old.end() || found->second->timeout != set.timeout) m_changes.sets.push_back(set);
            if (found != old.end()) old.erase(found);
        }
        for (const auto &[name, set] : old)
            m_changes.staleSets.emplace_back(name);
    }

    void elements(const Objects &before, const Objects &after) {
        std::map<std::tuple<std::string, IpAddress, IpAddress, Protocol, Port>, const Element *> old;
        for (const auto &element : before.elements) {
            // Shared ones are counted in before they are counted out, or a change would delete and add them.
            if (!isShared(element)) old[element.place()] = &element;
        }
        for (const auto &element : after.elements) {
            if (isShared(element)) {
                if (++m_references[referenceKey(element)] == 1) m_changes.added.push_back(element);
                continue;
            }
            const auto found = old.find(element.place());
            const bool same = found != old.end() && *found->second == element;
            if (found != old.end()) {
                if (!same) m_changes.removed.push_back(*found->second);
                old.erase(found);
            }
            if (!same) m_changes.added.push_back(element);
        }
        for (const auto &[place, element] : old)
            m_changes.removed.push_back(*element);
        for (const auto &element : before.elements) {
            if (!isShared(element)) continue;
            const auto key = referenceKey(element);
            if (--m_references[key] == 0) {
                m_references.erase(key);
                m_changes.removed.push_back(element);
            }
        }
    }

    Changes &m_changes;
    References &m_references;
};

bool sameOutsideServices(const ProxyPlan &a, const ProxyPlan &b) {
    const auto common = [](const ProxyPlan &plan) {
        return std::tie(plan.family, plan.mode, plan.behaviour, plan.detector, plan.clusterIpMasquerade,
                        plan.masqueradeMark, plan.nodePorts, plan.serviceCIDRs);
    };
    return common(a) == common(b);
}

} // namespace

Changes fullChanges(const ProxyPlan &plan, References &references) {
    references.clear();
    Changes changes;
    changes.family = plan.family;
    changes.replaceTable = true;
    auto fixed = fixedObjects(plan);
    changes.chains = std::move(fixed.chains);
    changes.sets = std::move(fixed.sets);
    changes.added = std::move(fixed.elements);
    Differ differ(changes, references);
    for (const auto &service : plan.services)
        differ.add(serviceObjects(plan, *service));
    return changes;
}

Changes difference(const ProxyPlan &before, const ProxyPlan &after, References &references) {
    if (!sameOutsideServices(before, after)) return fullChanges(after, references);
    Changes changes;
    changes.family = after.family;
    Differ differ(changes, references);
    auto old = before.services.begin();
    auto now = after.services.begin();
    while (old != before.services.end() || now != after.services.end()) {
        // Most are the same object: that must cost no more than a look at two pointers.
        if (old != before.services.end() && now != after.services.end() && *old == *now) {
            ++old;
            ++now;
            continue;
        }
        const bool onlyOld =
            now == after.services.end() || (old != before.services.end() && (*old)->name < (*now)->name);
        const bool onlyNew = !onlyOld && (old == before.services.end() || (*now)->name < (*old)->name);
        if (onlyOld) {
            differ.remove(serviceObjects(before, **old++));
        } else if (onlyNew) {
            differ.add(serviceObjects(after, **now++));
        } else {
            if (**old != **now) differ.change(serviceObjects(before, **old), serviceObjects(after, **now));
            ++old;
            ++now;
        }
    }
    return changes;
}

std::vector<std::pair<std::string_view, std::vector<const Element *>>> bySet(const std::vector<Element> &elements) {
    std::vector<std::pair<std::string_view, std::vector<const Element *>>> result;
    std::map<std::string_view, std::size_t> place;
    for (const auto &element : elements) {
        const auto [found, isNew] = place.try_emplace(element.set, result.size());
        if (isNew) result.emplace_back(element.set, std::vector<const Element *>{});
        result[found->second].second.push_back(&element);
    }
    return result;
}

} // namespace natlens::proxycore::nft
