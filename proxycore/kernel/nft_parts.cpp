#include "proxycore/kernel/nft_changes.h"

namespace natlens::proxycore::nft {

namespace {

// Upper estimates of what the encoder writes, in bytes of netlink messages: names and comments come on top.
constexpr std::size_t kElement = 160, kSet = 240, kChain = 120, kRule = 720, kMapElement = 72;

std::size_t estimate(const Element &element) {
    return kElement + element.verdict.size() + element.comment.size();
}

std::size_t estimate(const Chain &chain) {
    auto bytes = kChain + 2 * chain.name.size() + chain.comment.size();
    for (const auto &rule : chain.rules) {
        bytes += kRule + chain.name.size() + rule.comment.size();
        for (const auto &statement : rule.statements) {
            if (const auto *dnat = std::get_if<DnatRandom>(&statement))
                bytes += kSet + kMapElement * dnat->endpoints.size();
            if (const auto *match = std::get_if<AddressMatch>(&statement))
                bytes += kSet + 2 * kMapElement * match->ranges.size();
            if (const auto *choice = std::get_if<GotoRandom>(&statement))
                for (const auto &name : choice->chains)
                    bytes += kMapElement + name.size();
        }
    }
    return bytes;
}

/// Fills parts one after the other.
class Parts final {
public:
    Parts(const Changes &whole, std::size_t bytes)
        : m_bytes(bytes) {
        m_parts.emplace_back().family = whole.family;
        m_parts.back().replaceTable = whole.replaceTable;
        m_parts.back().newTable = whole.newTable;
    }
    /// The part into which something of this size goes.
    Changes &room(std::size_t size) {
        if (m_used != 0 && m_used + size > m_bytes) {
            const auto family = m_parts.back().family;
            m_parts.emplace_back().family = family;
            m_used = 0;
        }
        m_used += size;
        return m_parts.back();
    }
    std::vector<Changes> take() { return std::move(m_parts); }

private:
    std::vector<Changes> m_parts;
    std::size_t m_bytes, m_used = 0;
};

} // namespace

std::vector<Changes> inParts(const Changes &changes, std::size_t bytes) {
    Parts parts(changes, bytes);
    for (const auto &set : changes.sets)
        parts.room(kSet + set.name.size() + set.comment.size()).sets.push_back(set);
    // Chains come in an order in which each only names earlier ones, except for the base chains, which name fixed ones.
    for (const auto &chain : changes.chains)
        if (chain.hook.type.empty()) parts.room(estimate(chain)).chains.push_back(chain);
    for (const auto &element : changes.removed)
        parts.room(estimate(element)).removed.push_back(element);
    for (const auto &element : changes.added)
        parts.room(estimate(element)).added.push_back(element);
    for (const auto &chain : changes.chains)
        if (!chain.hook.type.empty()) parts.room(estimate(chain)).chains.push_back(chain);
    for (const auto &name : changes.staleChains)
        parts.room(kElement + name.size()).staleChains.push_back(name);
    for (const auto &name : changes.staleSets)
        parts.room(kElement + name.size()).staleSets.push_back(name);
    return parts.take();
}

} // namespace natlens::proxycore::nft
