#include "proxycore/kernel/iptables_listing.h"

#include <algorithm>
#include <charconv>
#include <set>

namespace natlens::proxycore {

namespace {

using Kind = Drift::Kind;

/// The chain a rule of a built-in chain leads to; "" for others than ours.
std::string_view kubernetesTarget(std::string_view rule) {
    const auto at = rule.find("-j KUBE-");
    if (at == rule.npos) return {};
    const auto name = rule.substr(at + 3);
    return name.substr(0, name.find(' '));
}

class Comparer final {
public:
    Comparer(std::string_view table, const IptablesListing &listing)
        : m_table(table)
        , m_listing(listing) {}

    IptablesComparison compare(const std::vector<IptablesChain> &wanted) {
        std::set<std::string_view> names;
        for (const auto &chain : wanted) {
            if (chain.table != m_table) continue;
            names.insert(chain.name);
            const auto found = m_listing.find(chain.name);
            if (chain.isBuiltIn())
                builtIn(chain, found == m_listing.end() ? kNoRules : found->second);
            else if (found == m_listing.end())
                missing(chain);
            else
                ours(chain, found->second);
        }
        for (const auto &[name, rules] : m_listing) {
            if (names.contains(name) || !IptablesChain{std::string(m_table), name, {}}.isServicePorts()) continue;
            report(Kind::foreign, "chain " + name, fmt::format("{} rules", rules.size()));
            m_result.foreignChains.push_back(name);
        }
        return std::move(m_result);
    }

private:
    using Rules = std::vector<std::string>;
    static const inline Rules kNoRules;

    void report(Kind kind, const std::string &object, std::string text) {
        m_result.drift.push_back({kind, fmt::format("{} of table {}", object, m_table), std::move(text)});
    }

    void missing(const IptablesChain &chain) {
        report(Kind::missing, "chain " + chain.name, {});
        m_result.rewrite.push_back(chain);
    }

    void builtIn(const IptablesChain &chain, const Rules &rules) {
        for (auto rule = chain.rules.rbegin(); rule != chain.rules.rend(); ++rule) {
            if (std::find(rules.begin(), rules.end(), *rule) != rules.end()) continue;
            report(Kind::missing, "rule in chain " + chain.name, *rule);
            m_result.insert.emplace_back(chain.name, *rule);
        }
        std::set<std::string_view> targets, seen;
        for (const auto &rule : chain.rules)
            targets.insert(kubernetesTarget(rule));
        for (const auto &rule : rules) {
            const bool expected = std::find(chain.rules.begin(), chain.rules.end(), rule) != chain.rules.end();
            if (!targets.contains(kubernetesTarget(rule)) || (expected && seen.insert(rule).second)) continue;
            report(Kind::foreign, "rule in chain " + chain.name, rule);
            m_result.remove.emplace_back(chain.name, rule);
        }
    }

    void ours(const IptablesChain &chain, const Rules &rules) {
        // Chains that all share may hold thousands of rules.
        std::map<std::string_view, std::size_t> left;
        for (const auto &rule : rules)
            ++left[rule];
        std::vector<std::string_view> missingRules, foreignRules;
        for (const auto &rule : chain.rules) {
            const auto found = left.find(rule);
            if (found == left.end())
                missingRules.push_back(rule);
            else if (--found->second == 0)
                left.erase(found);
        }
        for (const auto &rule : rules)
            if (const auto found = left.find(rule); found != left.end()) {
                foreignRules.push_back(rule);
                if (--found->second == 0) left.erase(found);
            }
        const auto object = "rule in chain " + chain.name;
        // One gone and one come: most likely the same one, changed.
        const auto changed = std::min(missingRules.size(), foreignRules.size());
        for (std::size_t i = 0; i < changed; ++i)
            report(Kind::changed, object, fmt::format("{}, should be {}", foreignRules[i], missingRules[i]));
        for (std::size_t i = changed; i < missingRules.size(); ++i)
            report(Kind::missing, object, std::string(missingRules[i]));
        for (std::size_t i = changed; i < foreignRules.size(); ++i)
            report(Kind::foreign, object, std::string(foreignRules[i]));
        const bool same = missingRules.empty() && foreignRules.empty();
        const bool exact = chain.isServicePorts() || chain.name == "KUBE-FORWARD" || chain.name == "KUBE-POSTROUTING";
        const bool ordered = exact              ? rules == chain.rules
                             : endsFixed(chain) ? rules.back() == chain.rules.back()
                                                : true;
        if (same && !ordered) report(Kind::changed, "chain " + chain.name, "the order of its rules");
        if (!same || !ordered) m_result.rewrite.push_back(chain);
    }

    static bool endsFixed(const IptablesChain &chain) {
        return !chain.rules.empty() && chain.rules.back().find("NOTE: this must be the last rule") != std::string::npos;
    }

    std::string_view m_table;
    const IptablesListing &m_listing;
    IptablesComparison m_result;
};

} // namespace

IptablesListing parseIptablesListing(std::string_view text) {
    IptablesListing listing;
    for (std::size_t at = 0; at < text.size();) {
        const auto end = std::min(text.find('\n', at), text.size());
        const auto line = text.substr(at, end - at);
        at = end + 1;
        if (line.starts_with(':')) {
            listing[std::string(line.substr(1, line.find(' ') - 1))];
        } else if (line.starts_with("-A ")) {
            const auto nameEnd = line.find(' ', 3);
            auto &rules = listing[std::string(line.substr(3, nameEnd - 3))];
            if (nameEnd != line.npos) rules.emplace_back(line.substr(nameEnd + 1));
        }
    }
    return listing;
}

std::optional<std::uint64_t> packetsOf(std::string_view listing, std::string_view rule) {
    for (std::size_t at = 0; at < listing.size();) {
        const auto end = std::min(listing.find('\n', at), listing.size());
        const auto line = listing.substr(at, end - at);
        at = end + 1;
        const auto counted = line.find("] ");
        if (!line.starts_with('[') || counted == line.npos || line.substr(counted + 2) != rule) continue;
        std::uint64_t packets = 0;
        const auto parsed = std::from_chars(line.data() + 1, line.data() + counted, packets);
        if (parsed.ec == std::errc{}) return packets;
    }
    return std::nullopt;
}

bool isKubernetesChain(std::string_view chain) {
    return chain.starts_with("KUBE-");
}

bool isBuiltInChain(std::string_view chain) {
    for (const std::string_view name : {"PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"})
        if (chain == name) return true;
    return false;
}

IptablesComparison compareIptables(const std::vector<IptablesChain> &wanted, std::string_view table,
                                   const IptablesListing &listing) {
    return Comparer(table, listing).compare(wanted);
}

} // namespace natlens::proxycore
