#include "proxycore/kernel/nft_compare.h"

#include "proxycore/kernel/nft_encode.h"
#include "proxycore/kernel/nft_print.h"
#include "proxycore/kernel/nft_same_rule.h"

#include <algorithm>

namespace natlens::proxycore::nft {

namespace {

using Kind = Drift::Kind;

std::size_t hashOf(const TableSet &set) {
    std::size_t hash = set.flags;
    const auto add = [&](std::string_view bytes) {
        hash = hash * 1099511628211U + std::hash<std::string_view>{}(bytes);
    };
    const auto addBytes = [&](const Bytes &bytes) {
        add({reinterpret_cast<const char *>(bytes.data()), bytes.size()});
    };
    for (const auto &element : set.elements) {
        addBytes(element.key);
        addBytes(element.data);
        add(element.chain);
        hash = hash * 31 + element.flags * 3 + element.verdict.value_or(7);
    }
    return hash;
}

class Comparer final {
public:
    Comparer(const Changes &wanted, const Table &kernel, const VerifiedSets &known)
        : m_changes(wanted)
        , m_kernel(kernel)
        , m_known(known) {
        Batch batch;
        std::uint32_t anonymous = 0;
        encode(wanted, anonymous, batch);
        m_wanted = tableOf(batch);
        m_result.mending.family = wanted.family;
        m_result.verified.table = kernel.handle;
    }

    Comparison compare() {
        const auto table = std::string("table ") + std::string(familyName(m_changes.family)) + " kube-proxy";
        if (!m_kernel.exists) {
            report(Kind::missing, table, {});
            m_replace = true;
        } else {
            if (m_kernel.flags != 0) {
                report(Kind::changed, table, "it is dormant or owned by a program");
                m_replace = true;
            }
            for (const auto &set : m_changes.sets)
                compareSet(set);
            for (const auto &chain : m_changes.chains)
                compareChain(chain);
            foreign();
        }
        if (m_replace) m_result.mending = m_changes;
        return std::move(m_result);
    }

private:
    void report(Kind kind, std::string object, std::string text) {
        m_result.drift.push_back({kind, std::move(object), std::move(text)});
    }

    void compareChain(const Chain &chain) {
        const auto &wanted = m_wanted.chains[chain.name];
        const auto found = m_kernel.chains.find(chain.name);
        if (found == m_kernel.chains.end()) {
            report(Kind::missing, "chain " + chain.name, {});
            m_result.mending.chains.push_back(chain);
            return;
        }
        if (!wanted.sameFrame(found->second)) {
            report(Kind::changed, "chain " + chain.name, "its type, hook, priority or policy");
            m_replace = true; // no transaction changes a base chain in place
        }
        if (!compareRules(chain, wanted.rules, found->second.rules)) m_result.mending.chains.push_back(chain);
    }

    [[nodiscard]] bool compareRules(const Chain &chain, const std::vector<TableRule> &wanted,
                                    const std::vector<TableRule> &kernel) {
        std::vector<bool> used(kernel.size());
        std::vector<std::size_t> missing, foreign;
        bool inOrder = true;
        std::size_t last = 0;
        for (std::size_t i = 0; i < wanted.size(); ++i) {
            std::size_t j = 0;
            while (j < kernel.size() && (used[j] || !isSame(wanted[i], kernel[j])))
                ++j;
            if (j == kernel.size()) {
                missing.push_back(i);
                continue;
            }
            inOrder = inOrder && j >= last;
            last = j;
            used[j] = true;
        }
        for (std::size_t j = 0; j < kernel.size(); ++j)
            if (!used[j]) foreign.push_back(j);
        const auto object = "rule in chain " + chain.name;
        const auto words = [&](std::size_t i) { return ruleText(chain.rules[i], m_changes.family); };
        const auto unnamed = [&](std::size_t j) {
            m_result.unnamed.push_back({m_result.drift.size() - 1, chain.name, kernel[j].handle});
        };
        // One gone and one come: most likely the same one, changed.
        const auto changed = std::min(missing.size(), foreign.size());
        for (std::size_t i = 0; i < changed; ++i) {
            report(Kind::changed, object, "should be " + words(missing[i]));
            unnamed(foreign[i]);
        }
        for (std::size_t i = changed; i < missing.size(); ++i)
            report(Kind::missing, object, words(missing[i]));
        for (std::size_t i = changed; i < foreign.size(); ++i) {
            report(Kind::foreign, object, {});
            unnamed(foreign[i]);
        }
        if (missing.empty() && foreign.empty() && !inOrder)
            report(Kind::changed, "chain " + chain.name, "the order of its rules");
        return missing.empty() && foreign.empty() && inOrder;
    }

    [[nodiscard]] bool isSame(const TableRule &wanted, const TableRule &kernel) {
        return sameRule(wanted, kernel, [&](const std::string &a, const std::string &b) { return isSameSet(a, b); });
    }

    [[nodiscard]] bool isSameSet(const std::string &wantedName, const std::string &kernelName) {
        const auto wanted = m_wanted.sets.find(wantedName);
        if (wanted == m_wanted.sets.end() || !wanted->second.isAnonymous()) return wantedName == kernelName;
        const auto kernel = m_kernel.sets.find(kernelName);
        if (kernel == m_kernel.sets.end() || !kernel->second.isAnonymous()) return false;
        const auto hash = hashOf(wanted->second);
        const bool known = m_known.contains(m_kernel, kernel->second);
        const bool same = kernel->second.elementsRead ? wanted->second.elements == kernel->second.elements &&
                                                            wanted->second.sameFrame(kernel->second)
                                                      : known && m_known.hashes.at(kernel->second.handle) == hash;
        if (same) m_result.verified.hashes[kernel->second.handle] = hash;
        return same;
    }

    void compareSet(const Set &set) {
        const auto &wanted = m_wanted.sets[set.name];
        const auto found = m_kernel.sets.find(set.name);
        const std::string kind = set.verdictMap ? "map " : "set ";
        if (found == m_kernel.sets.end()) {
            report(Kind::missing, kind + set.name, {});
            m_result.mending.sets.push_back(set);
        } else if (!wanted.sameFrame(found->second)) {
            report(Kind::changed, kind + set.name, "its type, flags or timeout");
            m_replace = true;
            return;
        }
        if (wanted.isFilledByRules()) return;
        compareElements(set, kind, found == m_kernel.sets.end() ? nullptr : &found->second);
    }

    void compareElements(const Set &set, const std::string &kind, const TableSet *kernel) {
        const auto object = "element of " + kind + set.name;
        std::map<decltype(std::declval<Element>().place()), const Element *> wanted;
        for (const auto *element : wantedElements(set.name))
            wanted[element->place()] = element;
        if (kernel == nullptr) {
            for (const auto &[place, element] : wanted)
                m_result.mending.added.push_back(*element);
            return;
        }
        for (const auto &raw : kernel->elements) {
            const auto element = elementOf(set.name, set.key, m_changes.family, raw);
            if (!element) continue;
            const auto found = wanted.find(element->place());
            if (found == wanted.end()) {
                report(Kind::foreign, object, elementText(*element, false));
                m_result.mending.removed.push_back(*element);
                continue;
            }
            if (!(*found->second == *element)) {
                report(Kind::changed, object,
                       elementText(*element, false) + ", should be " + elementText(*found->second, false));
                m_result.mending.removed.push_back(*element);
                m_result.mending.added.push_back(*found->second);
            }
            wanted.erase(found);
        }
        for (const auto &[place, element] : wanted) {
            report(Kind::missing, object, elementText(*element, false));
            m_result.mending.added.push_back(*element);
        }
    }

    [[nodiscard]] const std::vector<const Element *> &wantedElements(const std::string &set) {
        if (m_elements.empty())
            for (auto &[name, list] : bySet(m_changes.added))
                m_elements[std::string(name)] = std::move(list);
        return m_elements[set];
    }

    void foreign() {
        for (const auto &[name, chain] : m_kernel.chains)
            if (!m_wanted.chains.contains(name)) {
                report(Kind::foreign, "chain " + name, fmt::format("{} rules", chain.rules.size()));
                m_result.mending.staleChains.push_back(name);
            }
        for (const auto &[name, set] : m_kernel.sets)
            if (!set.isAnonymous() && !m_wanted.sets.contains(name)) {
                report(Kind::foreign, (set.isMap() ? "map " : "set ") + name, {});
                m_result.mending.staleSets.push_back(name);
            }
    }

    const Changes &m_changes;
    const Table &m_kernel;
    const VerifiedSets &m_known;
    Table m_wanted;
    std::map<std::string, std::vector<const Element *>> m_elements;
    bool m_replace = false; ///< only a new table puts it right
    Comparison m_result;
};

} // namespace

Comparison compare(const Changes &wanted, const Table &kernel, const VerifiedSets &known) {
    return Comparer(wanted, kernel, known).compare();
}

} // namespace natlens::proxycore::nft
