#include "proxycore/kernel/nftables.h"

#include "proxycore/kernel/nft_changes.h"

#include <nftables/libnftables.h>

#include <cerrno>

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

struct FamilyState {
    std::optional<ProxyPlan> applied; ///< nothing: the kernel's state is not known
    nft::References references;
    std::vector<std::string> staleChains, staleSets; ///< deletions that a later transaction must do
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
    explicit Impl(Encoding encoding)
        : m_encoding(encoding)
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
        if (state.applied) {
            const auto changes = nft::difference(*state.applied, plan, state.references);
            if (changes.empty()) {
                ++m_statistics.unchanged;
                state.applied = plan;
                return {};
            }
            if (!changes.replaceTable && commit(changes)) {
                ++m_statistics.incremental;
                state.applied = plan;
                remember(changes, state);
                cleanUp(changes.family, state);
                return {};
            }
        }
        state = {};
        const auto changes = nft::fullChanges(plan, state.references);
        if (auto status = commit(changes); !status) return status;
        ++m_statistics.full;
        state.applied = plan;
        return {};
    }

    base::Status commit(const nft::Changes &changes) {
        auto status = transact(changes);
        // EMSGSIZE: the transaction is larger than an unprivileged netlink socket may send.
        if (status || status.error().message.find("Message too long") == std::string::npos) return status;
        --m_statistics.failed;
        ++m_statistics.split;
        for (const auto &part : nft::inParts(changes))
            if (status = transact(part); !status) return status;
        return status;
    }

    base::Status transact(const nft::Changes &changes) {
        const auto family = std::string("table ") + std::string(nft::familyName(changes.family)) + " kube-proxy";
        if (m_encoding == Encoding::text) return run(nft::toText(changes), family);
        return run(nft::toJson(changes), family, NFT_CTX_OUTPUT_JSON);
    }

    /// Adds what has become stale, and forgets what has come back before it could be deleted.
    static void remember(const nft::Changes &changes, FamilyState &state) {
        for (const auto &chain : changes.chains)
            std::erase(state.staleChains, chain.name);
        for (const auto &set : changes.sets)
            std::erase(state.staleSets, set.name);
        state.staleChains.insert(state.staleChains.end(), changes.staleChains.begin(), changes.staleChains.end());
        state.staleSets.insert(state.staleSets.end(), changes.staleSets.begin(), changes.staleSets.end());
    }

    /// Kernels before 6.2 may refuse for a moment; what is refused is tried again after the next change. A leftover
    /// chain is empty and nothing leads to it.
    void cleanUp(IpFamily family, FamilyState &state) {
        if (state.staleChains.empty() && state.staleSets.empty()) return;
        if (!run(nft::cleanUpText(family, state.staleChains, state.staleSets), "delete unused chains")) {
            --m_statistics.failed;
            return;
        }
        state.staleChains.clear();
        state.staleSets.clear();
    }

    Encoding m_encoding;
    std::unique_ptr<nft_ctx, FreeContext> m_context;
    std::map<IpFamily, FamilyState> m_states;
    Statistics m_statistics;
};

NftablesApplier::NftablesApplier(Encoding encoding)
    : m_impl(std::make_unique<Impl>(encoding)) {}
NftablesApplier::~NftablesApplier() = default;
NftablesApplier::NftablesApplier(NftablesApplier &&) noexcept = default;
NftablesApplier &NftablesApplier::operator=(NftablesApplier &&) noexcept = default;

base::Status NftablesApplier::apply(const ProxyPlan &plan) {
    return m_impl->apply(plan);
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

base::Result<std::string> NftablesApplier::listRuleset(Encoding encoding) {
    const unsigned flags = encoding == Encoding::json ? static_cast<unsigned>(NFT_CTX_OUTPUT_JSON) : 0U;
    if (auto status = m_impl->run("list ruleset", "list ruleset", flags); !status)
        return std::unexpected(status.error());
    const char *output = nft_ctx_get_output_buffer(m_impl->m_context.get());
    return std::string(output == nullptr ? "" : output);
}

const NftablesApplier::Statistics &NftablesApplier::statistics() const {
    return m_impl->m_statistics;
}

} // namespace natlens::proxycore
