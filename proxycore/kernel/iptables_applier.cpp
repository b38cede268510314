#include "proxycore/kernel/iptables_applier.h"

#include "proxycore/kernel/iptables_listing.h"

#include <algorithm>
#include <map>
#include <set>

namespace natlens::proxycore {

namespace {

using packet::IpFamily;

constexpr std::string_view kTables[] = {"mangle", "filter", "nat"};
constexpr const char *kForward = "KUBE-FORWARD"; ///< in filter: it drops and counts invalid packets

/// A rule of a built-in chain that leads to a chain of ours.
bool leadsToOurs(const std::string &rule) {
    return rule.find("-j KUBE-") != rule.npos;
}

using Place = std::pair<std::string, std::string>; ///< table, chain

std::map<Place, std::vector<std::string>> byPlace(std::vector<IptablesChain> chains) {
    std::map<Place, std::vector<std::string>> places;
    for (auto &chain : chains)
        places[{std::move(chain.table), std::move(chain.name)}] = std::move(chain.rules);
    return places;
}

bool isShared(const Place &place) {
    return !IptablesChain{place.first, place.second, {}}.isServicePorts();
}

/// Differences of one service port between two plans; either may lack it.
class ServiceChange final {
public:
    explicit ServiceChange(IptablesRestore &restore)
        : m_restore(restore) {}

    void add(std::vector<IptablesChain> before, std::vector<IptablesChain> after) {
        auto old = byPlace(std::move(before));
        for (auto &[place, rules] : byPlace(std::move(after))) {
            const auto found = old.find(place);
            const bool same = found != old.end() && found->second == rules;
            if (!same && isShared(place))
                shared(place, found == old.end() ? std::vector<std::string>{} : found->second, rules);
            else if (!same)
                m_restore.replace({place.first, place.second, rules});
            if (found != old.end()) old.erase(found);
        }
        for (const auto &[place, rules] : old) {
            if (isShared(place))
                shared(place, rules, {});
            else
                m_gone.insert(place);
        }
    }

    /// Chains that no service port has any more. Emptied first: they may lead to each other.
    void finish() {
        for (const auto &place : m_gone) {
            m_restore.replace({place.first, place.second, {}});
            m_restore.remove(place.first, place.second);
        }
    }

private:
    /// The rules of one service port keep their order among each other: in 1.5 a mark comes before the jump.
    void shared(const Place &place, const std::vector<std::string> &before, const std::vector<std::string> &after) {
        for (const auto &rule : before)
            m_restore.deleteRule(place.first, place.second, rule);
        // First, not last: the jump to node ports must stay the last rule of its chain.
        for (auto rule = after.rbegin(); rule != after.rend(); ++rule)
            m_restore.insertFirst(place.first, place.second, *rule);
    }

    IptablesRestore &m_restore;
    std::set<Place> m_gone;
};

/// Whatever is the same for all service ports; when it differs, everything is written again.
bool sameFrame(const ProxyPlan &a, const ProxyPlan &b) {
    const auto frame = [](const ProxyPlan &plan) {
        return std::tie(plan.family, plan.mode, plan.behaviour, plan.detector, plan.clusterIpMasquerade,
                        plan.masqueradeMark, plan.nodePorts, plan.localhostNodePorts, plan.healthChecks,
                        plan.endpointComments);
    };
    return frame(a) == frame(b);
}

} // namespace

IptablesRestore::Table &IptablesRestore::table(const std::string &name) {
    for (auto &table : m_tables)
        if (table.name == name) return table;
    return m_tables.emplace_back(Table{name, {}, {}, {}, {}});
}

void IptablesRestore::replace(const IptablesChain &chain) {
    auto &target = table(chain.table);
    target.chains.push_back(":" + chain.name + " - [0:0]\n");
    for (const auto &rule : chain.rules)
        target.rules.push_back("-A " + chain.name + " " + rule + "\n");
}

bool IptablesRestore::replaces(std::string_view tableName, std::string_view chain) const {
    const auto line = fmt::format(":{} - [0:0]\n", chain);
    return std::ranges::any_of(m_tables, [&](const Table &table) {
        return table.name == tableName && std::ranges::find(table.chains, line) != table.chains.end();
    });
}

void IptablesRestore::remove(const std::string &tableName, const std::string &chain) {
    table(tableName).removals.push_back("-X " + chain + "\n");
}

void IptablesRestore::insertFirst(const std::string &tableName, const std::string &chain, const std::string &rule) {
    table(tableName).rules.push_back("-I " + chain + " " + rule + "\n");
}

void IptablesRestore::deleteRule(const std::string &tableName, const std::string &chain, const std::string &rule) {
    table(tableName).deletions.push_back("-D " + chain + " " + rule + "\n");
}

std::string IptablesRestore::text() const {
    std::string text;
    for (const auto &table : m_tables) {
        text += "*" + table.name + "\n";
        for (const auto *part : {&table.chains, &table.deletions, &table.rules, &table.removals})
            for (const auto &line : *part)
                text += line;
        text += "COMMIT\n";
    }
    return text;
}

std::vector<std::string> IptablesRestore::texts(std::size_t lines) const {
    std::vector<std::string> all;
    for (const auto &table : m_tables) {
        std::size_t count = 0;
        for (const auto *part : {&table.chains, &table.deletions, &table.rules, &table.removals})
            for (const auto &line : *part) {
                if (count++ % lines == 0) all.push_back("*" + table.name + "\n");
                all.back() += line;
                if (count % lines == 0) all.back() += "COMMIT\n";
            }
        if (count % lines != 0) all.back() += "COMMIT\n";
    }
    return all;
}

base::Result<IptablesApplier> IptablesApplier::open(IptablesBackend backend) {
    auto program = IptablesProgram::open(backend);
    if (!program) return std::unexpected(program.error());
    return IptablesApplier(std::move(*program));
}

base::Status IptablesApplier::send(IpFamily family, const IptablesRestore &restore, Way way) {
    if (restore.empty()) return {};
    const auto tables = way == Way::replace ? IptablesProgram::Tables::empty : IptablesProgram::Tables::keep;
    auto status = way == Way::change ? m_program.change(family, restore.text())
                                     : m_program.restore(family, restore.text(), tables);
    if (!status && status.error().message.find("Message too long") != std::string::npos) {
        // EMSGSIZE: chains first, then what leads to them, so that no part names something that is not there.
        constexpr std::size_t kLinesAPart = 150;
        ++m_statistics.split;
        for (const auto &part : restore.texts(kLinesAPart))
            if (status = m_program.restore(family, part); !status) break;
    }
    if (!status) ++m_statistics.failed;
    return status;
}

base::Status IptablesApplier::sendCounted(IpFamily family, const IptablesRestore &restore, Way way) {
    const auto before = countedInvalid(family);
    if (!before) return std::unexpected(before.error());
    auto status = send(family, restore, way);
    // What goes in several parts may have written the rule and then have failed.
    const bool isNew = status || countedInvalid(family).value_or(*before) < *before;
    if (isNew) m_invalidBefore += *before;
    return status;
}

base::Status IptablesApplier::apply(const ProxyPlan &plan) {
    auto &before = applied(plan.family);
    if (!before || !sameFrame(*before, plan)) return applyFull(plan);
    IptablesRestore restore;
    ServiceChange change(restore);
    auto old = before->services.begin();
    auto now = plan.services.begin();
    while (old != before->services.end() || now != plan.services.end()) {
        if (old != before->services.end() && now != plan.services.end() && *old == *now) {
            ++old;
            ++now;
            continue;
        }
        const bool onlyOld =
            now == plan.services.end() || (old != before->services.end() && (*old)->name < (*now)->name);
        const bool onlyNew = !onlyOld && (old == before->services.end() || (*now)->name < (*old)->name);
        if (onlyOld)
            change.add(iptablesChainsOf(*before, **old), {});
        else if (onlyNew)
            change.add({}, iptablesChainsOf(plan, **now));
        else if (**old != **now)
            change.add(iptablesChainsOf(*before, **old), iptablesChainsOf(plan, **now));
        if (!onlyNew) ++old;
        if (!onlyOld) ++now;
    }
    change.finish();
    if (restore.empty()) {
        ++m_statistics.unchanged;
    } else {
        // Someone may have changed our chains meanwhile; writing everything puts that right.
        if (!send(plan.family, restore, Way::change)) {
            ++m_statistics.partialFailed;
            return applyFull(plan);
        }
        ++m_statistics.incremental;
    }
    before = std::make_unique<const ProxyPlan>(plan);
    return {};
}

base::Status IptablesApplier::applyFull(const ProxyPlan &plan) {
    applied(plan.family).reset();
    const auto chains = iptablesChains(plan);
    for (const auto table : kTables) {
        const auto listed = m_program.save(plan.family, table);
        if (!listed) return std::unexpected(listed.error());
        const auto present = parseIptablesListing(*listed);
        IptablesRestore restore;
        std::set<std::string> wanted;
        for (const auto &chain : chains) {
            if (chain.table != table) continue;
            wanted.insert(chain.name);
            if (!chain.isBuiltIn()) {
                restore.replace(chain);
                continue;
            }
            const auto found = present.find(chain.name);
            for (auto rule = chain.rules.rbegin(); rule != chain.rules.rend(); ++rule) {
                const bool there = found != present.end() &&
                                   std::find(found->second.begin(), found->second.end(), *rule) != found->second.end();
                if (!there) restore.insertFirst(chain.table, chain.name, *rule);
            }
        }
        for (const auto &[name, rules] : present) {
            const IptablesChain stale{std::string(table), name, {}};
            if (!stale.isServicePorts() || wanted.contains(name)) continue;
            restore.replace(stale);
            restore.remove(stale.table, name);
        }
        // An empty table may as well be replaced, which iptables-nft does many times faster than it adds to one.
        const bool untouched = std::all_of(present.begin(), present.end(), [](const auto &chain) {
            return !isKubernetesChain(chain.first) && chain.second.empty() && isBuiltInChain(chain.first);
        });
        const auto way = untouched ? Way::replace : Way::add;
        const bool counted = table == "filter" && present.contains(kForward);
        auto status = counted ? sendCounted(plan.family, restore, way) : send(plan.family, restore, way);
        if (!status) return status;
        if (table == "filter") m_counting.insert(plan.family);
    }
    ++m_statistics.full;
    applied(plan.family) = std::make_unique<const ProxyPlan>(plan);
    return {};
}

base::Result<std::vector<Drift>> IptablesApplier::drift(const ProxyPlan &plan) {
    return compare(plan, nullptr);
}

base::Result<std::vector<Drift>> IptablesApplier::mend(const ProxyPlan &plan) {
    IptablesRestore restore;
    auto drift = compare(plan, &restore);
    if (!drift || drift->empty()) return drift;
    const bool counted = restore.replaces("filter", kForward);
    auto status = counted ? sendCounted(plan.family, restore, Way::add) : send(plan.family, restore, Way::add);
    // Someone may have changed more meanwhile.
    if (!status) status = applyFull(plan);
    if (!status) return std::unexpected(status.error());
    applied(plan.family) = std::make_unique<const ProxyPlan>(plan);
    return drift;
}

base::Result<std::vector<Drift>> IptablesApplier::compare(const ProxyPlan &plan, IptablesRestore *mending) {
    const auto chains = iptablesChains(plan);
    std::vector<Drift> all;
    for (const auto table : kTables) {
        const auto listed = m_program.save(plan.family, table);
        if (!listed) return std::unexpected(listed.error());
        auto found = compareIptables(chains, table, parseIptablesListing(*listed));
        std::move(found.drift.begin(), found.drift.end(), std::back_inserter(all));
        if (mending == nullptr) continue;
        const std::string name(table);
        for (const auto &chain : found.rewrite)
            mending->replace(chain);
        for (const auto &[chain, rule] : found.remove)
            mending->deleteRule(name, chain, rule);
        for (const auto &[chain, rule] : found.insert)
            mending->insertFirst(name, chain, rule);
        for (const auto &chain : found.foreignChains) {
            mending->replace({name, chain, {}});
            mending->remove(name, chain);
        }
    }
    return all;
}

base::Result<std::uint64_t> IptablesApplier::invalidDropped() {
    std::uint64_t sum = m_invalidBefore;
    for (const auto family : m_counting) {
        const auto counted = countedInvalid(family);
        if (!counted) return counted;
        sum += *counted;
    }
    return sum;
}

base::Result<std::uint64_t> IptablesApplier::countedInvalid(IpFamily family) {
    const auto listed = m_program.save(family, "filter", IptablesProgram::Counters::with);
    if (!listed) return std::unexpected(listed.error());
    return packetsOf(*listed, "-A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP").value_or(0);
}

base::Status IptablesApplier::removeAll() {
    for (const auto family : {IpFamily::v4, IpFamily::v6}) {
        applied(family).reset();
        for (const auto table : kTables) {
            const auto listed = m_program.save(family, table);
            if (!listed) return std::unexpected(listed.error());
            IptablesRestore restore;
            for (const auto &[name, rules] : parseIptablesListing(*listed)) {
                if (isKubernetesChain(name)) {
                    restore.replace({std::string(table), name, {}});
                    restore.remove(std::string(table), name);
                    continue;
                }
                for (const auto &rule : rules)
                    if (leadsToOurs(rule)) restore.deleteRule(std::string(table), name, rule);
            }
            if (auto status = send(family, restore, Way::add); !status) return status;
        }
    }
    return {};
}

} // namespace natlens::proxycore
