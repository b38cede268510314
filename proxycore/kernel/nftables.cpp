#include "proxycore/kernel/nftables.h"

#include "proxycore/kernel/nft_changes.h"
#include "proxycore/kernel/nft_compare.h"
#include "proxycore/kernel/nft_encode.h"
#include "proxycore/kernel/nft_socket.h"

#include <nftables/libnftables.h>

#include <cerrno>
#include <cstdlib>
#include <sstream>

namespace natlens::proxycore {

namespace {

struct FreeContext {
    void operator()(nft_ctx *context) const { nft_ctx_free(context); }
};

/// libnftables prints the failing line and marks below it; the first line says what is wrong.
std::string firstLine(const char *text) {
    if (text == nullptr || *text == '\0') return "the kernel refused the rules without a reason";
    const std::string_view all(text);
    return std::string(all.substr(0, all.find('\n')));
}

using TimePoint = NftablesApplier::TimePoint;

/// For so long the kernel may count references that are gone (kube-proxy waits as long).
constexpr std::chrono::seconds kStaleFor{1};

struct FamilyState {
    std::optional<ProxyPlan> applied; ///< nothing: the kernel's state is not known
    nft::References references;
    std::map<std::string, TimePoint> staleChains; ///< to be deleted, and since when they have been empty
    std::uint32_t anonymous = 0;                  ///< number of the next anonymous set
    nft::VerifiedSets verified;
};

} // namespace

std::string toNftText(const ProxyPlan &plan) {
    nft::References references;
    return nft::toText(nft::fullChanges(plan, references));
}

std::string toNftJson(const ProxyPlan &plan) {
    nft::References references;
    return nft::toJson(nft::fullChanges(plan, references));
}

class NftablesApplier::Impl {
public:
    Impl(Encoding encoding, std::function<TimePoint()> now)
        : m_encoding(encoding)
        , m_now(std::move(now))
        , m_socket(nft::Socket::open())
        , m_context(nft_ctx_new(NFT_CTX_DEFAULT)) {
        if (!m_context) return;
        nft_ctx_buffer_output(m_context.get());
        nft_ctx_buffer_error(m_context.get());
    }

    base::Status run(const std::string &commands, std::string_view what, unsigned flags = 0) {
        if (!m_context)
            return base::fail(base::ErrorCode::unsupported, "libnftables cannot open its netlink socket", "nft",
                              std::string(what));
        nft_ctx_output_set_flags(m_context.get(), flags);
        errno = 0;
        if (nft_run_cmd_from_buffer(m_context.get(), commands.c_str()) == 0) return {};
        const int error = errno;
        ++m_statistics.failed;
        auto message = firstLine(nft_ctx_get_error_buffer(m_context.get()));
        const bool denied = error == EPERM || message.find("Operation not permitted") != std::string::npos;
        return base::fail(denied ? base::ErrorCode::notPermitted : base::ErrorCode::io, std::move(message), "nft",
                          std::string(what));
    }

    base::Status apply(const ProxyPlan &plan) {
        auto &state = m_states[plan.family];
        // What cannot be deleted is not as it should be: then the whole table is compared with the plan.
        if (!cleanUp(plan.family, state, m_now() - kStaleFor)) state.applied.reset();
        if (state.applied) {
            const auto changes = nft::difference(*state.applied, plan, state.references);
            if (changes.empty()) {
                ++m_statistics.unchanged;
                state.applied = plan;
                return {};
            }
            if (!changes.replaceTable && commit(changes, state.anonymous)) {
                ++m_statistics.incremental;
                state.applied = plan;
                remember(changes, state, m_now());
                return {};
            }
        }
        state = {};
        auto changes = nft::fullChanges(plan, state.references);
        if (build(changes, state.anonymous)) {
            ++m_statistics.full;
            state.applied = plan;
            return {};
        }
        if (m_encoding == Encoding::netlink && adopt(changes, state)) {
            ++m_statistics.full;
            state.applied = plan;
            return {};
        }
        if (auto status = commit(changes, state.anonymous); !status) return status;
        ++m_statistics.full;
        state.applied = plan;
        return {};
    }

    /// Where there is no table yet, it is built in parts, and the base chains, which bring packets to it, come last: to
    /// the packets that is one step, and the kernel's work does not grow with the square of the rules (README).
    bool build(nft::Changes &changes, std::uint32_t &anonymous) {
        constexpr std::size_t kPart = 400'000;
        if (m_encoding != Encoding::netlink || !m_socket) return false;
        changes.newTable = true;
        bool begun = false, built = true;
        for (const auto &part : nft::inParts(changes, std::min(kPart, m_socket->largestTransaction() * 3 / 4))) {
            nft::Batch batch;
            nft::encode(part, anonymous, batch);
            built = m_socket->transact(batch).has_value();
            if (!built) break;
            begun = true;
        }
        changes.newTable = false;
        if (!built && begun) {
            nft::Batch batch;
            nft::encodeTableRemoval(changes.family, batch);
            (void)m_socket->transact(batch);
        }
        return built;
    }

    /// Mends a table that is there already, of which nothing is known.
    bool adopt(const nft::Changes &wanted, FamilyState &state) {
        auto found = compare(wanted, state);
        return found && mend(*found, state).has_value();
    }

    base::Result<nft::Comparison> compare(const nft::Changes &wanted, FamilyState &state) {
        if (!m_socket) return std::unexpected(m_socket.error());
        const auto wants = [&](const nft::Table &of, const nft::TableSet &set) {
            return !state.verified.contains(of, set);
        };
        auto table = nft::readTable(*m_socket, wanted.family, wants);
        if (!table) return std::unexpected(table.error());
        // What waits for its deletion is no drift.
        for (const auto &[name, since] : state.staleChains)
            if (const auto at = table->chains.find(name); at != table->chains.end() && at->second.rules.empty())
                table->chains.erase(at);
        auto result = nft::compare(wanted, *table, state.verified);
        state.verified = std::move(result.verified);
        state.anonymous = std::max(state.anonymous, nft::nextAnonymous(*table));
        return result;
    }

    base::Status mend(const nft::Comparison &found, FamilyState &state) {
        if (found.mending.empty()) return {};
        if (auto status = commit(found.mending, state.anonymous); !status) return status;
        // Chains of others may have a hook, so they do not wait; what the kernel refuses is tried again.
        remember(found.mending, state, {});
        (void)cleanUp(found.mending.family, state, m_now() - kStaleFor);
        return {};
    }

    base::Result<std::vector<Drift>> drift(const ProxyPlan &plan, bool mending) {
        auto &state = m_states[plan.family];
        nft::References references;
        const auto wanted = nft::fullChanges(plan, references);
        auto found = compare(wanted, state);
        if (!found) return std::unexpected(found.error());
        nameRules(*found);
        if (!mending || found->drift.empty()) return std::move(found->drift);
        if (!mend(*found, state)) {
            state = {};
            if (auto status = apply(plan); !status) return std::unexpected(status.error());
        }
        state.applied = plan;
        state.references = std::move(references);
        return std::move(found->drift);
    }

    /// Rules of others are put into words by nft.
    void nameRules(nft::Comparison &found) {
        constexpr std::size_t kMostChains = 50;
        std::map<std::string, std::map<std::uint64_t, std::string>> chains;
        for (const auto &rule : found.unnamed) {
            if (!chains.contains(rule.chain) && chains.size() == kMostChains) continue;
            if (!chains.contains(rule.chain)) chains[rule.chain] = rulesByHandle(found.mending.family, rule.chain);
            const auto &words = chains[rule.chain][rule.handle];
            auto &text = found.drift[rule.drift].text;
            if (!words.empty()) text = text.empty() ? words : words + ", " + text;
        }
    }

    std::map<std::uint64_t, std::string> rulesByHandle(IpFamily family, const std::string &chain) {
        std::map<std::uint64_t, std::string> rules;
        const auto command = fmt::format("list chain {} {} {}", nft::familyName(family), nft::kTable, chain);
        if (!run(command, "list chain", NFT_CTX_OUTPUT_HANDLE)) return rules;
        std::istringstream lines(nft_ctx_get_output_buffer(m_context.get()));
        constexpr std::string_view kMark = " # handle ";
        for (std::string line; std::getline(lines, line);) {
            const auto at = line.rfind(kMark);
            const auto first = line.find_first_not_of('\t');
            if (at == std::string::npos || first == std::string::npos || at < first) continue;
            rules[std::strtoull(line.c_str() + at + kMark.size(), nullptr, 10)] = line.substr(first, at - first);
        }
        return rules;
    }

    base::Status commit(const nft::Changes &changes, std::uint32_t &anonymous) {
        if (m_encoding == Encoding::netlink) return commitMessages(changes, anonymous);
        auto status = transactText(changes);
        // EMSGSIZE: the transaction is larger than an unprivileged netlink socket may send.
        if (status || status.error().message.find("Message too long") == std::string::npos) return status;
        --m_statistics.failed;
        ++m_statistics.split;
        constexpr std::size_t kUsualLimit = 100'000; // half of what net.core.wmem_max usually is
        for (const auto &part : nft::inParts(changes, kUsualLimit))
            if (status = transactText(part); !status) return status;
        return status;
    }

    base::Status commitMessages(const nft::Changes &changes, std::uint32_t &anonymous) {
        nft::Batch batch;
        nft::encode(changes, anonymous, batch);
        if (m_socket && batch.size() > m_socket->largestTransaction()) {
            ++m_statistics.split;
            for (const auto &part : nft::inParts(changes, m_socket->largestTransaction() * 3 / 4)) {
                nft::Batch smaller;
                nft::encode(part, anonymous, smaller);
                if (auto status = send(smaller); !status) return status;
            }
            return {};
        }
        return send(batch);
    }

    base::Status send(nft::Batch &batch) {
        if (!m_socket) return std::unexpected(m_socket.error());
        auto status = m_socket->transact(batch);
        if (!status) ++m_statistics.failed;
        return status;
    }

    base::Status transactText(const nft::Changes &changes) {
        const auto family = std::string("table ") + std::string(nft::familyName(changes.family)) + " kube-proxy";
        if (m_encoding == Encoding::text) return run(nft::toText(changes), family);
        return run(nft::toJson(changes), family, NFT_CTX_OUTPUT_JSON);
    }

    /// Adds what has become stale, and forgets what has come back before it could be deleted.
    static void remember(const nft::Changes &changes, FamilyState &state, TimePoint since) {
        for (const auto &chain : changes.chains)
            state.staleChains.erase(chain.name);
        for (const auto &name : changes.staleChains)
            state.staleChains.emplace(name, since);
    }

    /// Deletes the chains that have been empty since `latest` or longer. Nothing leads to them.
    base::Status cleanUp(IpFamily family, FamilyState &state, TimePoint latest) {
        std::vector<std::string> due;
        for (const auto &[name, since] : state.staleChains)
            if (since <= latest) due.push_back(name);
        if (due.empty()) return {};
        base::Status status;
        if (m_encoding == Encoding::netlink) {
            nft::Batch batch;
            nft::encodeCleanUp(family, due, batch);
            status = send(batch);
        } else {
            status = run(nft::cleanUpText(family, due), "delete unused chains");
        }
        if (!status) {
            --m_statistics.failed;
            ++m_statistics.cleanUpFailed;
            return status;
        }
        for (const auto &name : due)
            state.staleChains.erase(name);
        return {};
    }

    Encoding m_encoding;
    std::function<TimePoint()> m_now;
    base::Result<nft::Socket> m_socket;
    std::unique_ptr<nft_ctx, FreeContext> m_context;
    std::map<IpFamily, FamilyState> m_states;
    Statistics m_statistics;
};

NftablesApplier::NftablesApplier(Encoding encoding, std::function<TimePoint()> now)
    : m_impl(std::make_unique<Impl>(encoding, std::move(now))) {}
NftablesApplier::~NftablesApplier() = default;
NftablesApplier::NftablesApplier(NftablesApplier &&) noexcept = default;
NftablesApplier &NftablesApplier::operator=(NftablesApplier &&) noexcept = default;

base::Status NftablesApplier::apply(const ProxyPlan &plan) {
    return m_impl->apply(plan);
}

base::Result<std::vector<Drift>> NftablesApplier::drift(const ProxyPlan &plan) {
    return m_impl->drift(plan, false);
}

base::Result<std::vector<Drift>> NftablesApplier::mend(const ProxyPlan &plan) {
    return m_impl->drift(plan, true);
}

base::Status NftablesApplier::installTrace() {
    // ct state new and not untracked: later packets of a connection are translated by connection tracking alone, so
    // tracing them would say nothing.
    return m_impl->run("table inet natlens\n"
                       "delete table inet natlens\n"
                       "table inet natlens {\n"
                       "\tchain trace-prerouting {\n"
                       "\t\ttype filter hook prerouting priority -190; policy accept;\n"
                       "\t\tct state new meta nftrace set 1\n"
                       "\t}\n"
                       "\tchain trace-output {\n"
                       "\t\ttype filter hook output priority -190; policy accept;\n"
                       "\t\tct state new meta nftrace set 1\n"
                       "\t}\n"
                       "}\n",
                       "table inet natlens");
}

base::Status NftablesApplier::removeAll() {
    m_impl->m_states.clear();
    // "add" first makes the deletion of a missing table succeed.
    std::string commands;
    for (const std::string_view table : {"ip kube-proxy", "ip6 kube-proxy", "inet natlens"})
        commands += fmt::format("add table {0}\ndelete table {0}\n", table);
    return m_impl->run(commands, "remove tables");
}

base::Result<std::string> NftablesApplier::listRuleset(Listing listing) {
    const unsigned flags = listing == Listing::json ? static_cast<unsigned>(NFT_CTX_OUTPUT_JSON) : 0U;
    if (auto status = m_impl->run("list ruleset", "list ruleset", flags); !status)
        return std::unexpected(status.error());
    const char *output = nft_ctx_get_output_buffer(m_impl->m_context.get());
    return std::string(output == nullptr ? "" : output);
}

const NftablesApplier::Statistics &NftablesApplier::statistics() const {
    return m_impl->m_statistics;
}

} // namespace natlens::proxycore
