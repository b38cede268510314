#include "proxycore/kernel/nft_same_rule.h"

#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netlink.h>

#include <algorithm>
#include <cstring>

#include <endian.h>

namespace natlens::proxycore::nft {

namespace {

using Attributes = std::map<int, Bytes>;

/// A list of attributes that lies in the bytes of one.
Attributes listIn(const Bytes &bytes) {
    Attributes result;
    for (std::size_t at = 0; at + NLA_HDRLEN <= bytes.size();) {
        nlattr header;
        std::memcpy(&header, bytes.data() + at, sizeof header);
        if (header.nla_len < NLA_HDRLEN || at + header.nla_len > bytes.size()) break;
        const auto *first = bytes.data() + at;
        result[header.nla_type & NLA_TYPE_MASK].assign(first + NLA_HDRLEN, first + header.nla_len);
        at += NLA_ALIGN(header.nla_len);
    }
    return result;
}

/// Values and verdicts, which are nested: the mark that says so is not always there.
bool sameData(const Bytes &wanted, const Bytes &kernel) {
    auto a = listIn(wanted), b = listIn(kernel);
    const auto verdict = a.find(NFTA_DATA_VERDICT), other = b.find(NFTA_DATA_VERDICT);
    if (verdict == a.end() || other == b.end()) return a == b;
    auto left = listIn(verdict->second), right = listIn(other->second);
    right.erase(NFTA_VERDICT_CHAIN_ID);
    left.erase(NFTA_VERDICT_CHAIN_ID);
    return left == right;
}

std::uint32_t numberIn(const Bytes &bytes) {
    std::uint32_t value = 0;
    if (bytes.size() == sizeof value) std::memcpy(&value, bytes.data(), sizeof value);
    return be32toh(value);
}

bool isZero(const Bytes &bytes) {
    return std::all_of(bytes.begin(), bytes.end(), [](std::byte b) { return b == std::byte{}; });
}

std::string textIn(const Bytes &bytes) {
    const std::string_view text(reinterpret_cast<const char *>(bytes.data()), bytes.size());
    return std::string(text.substr(0, text.find('\0')));
}

class Judge final {
public:
    Judge(const TableExpression &wanted, const TableExpression &kernel, const SameSet &sameSet)
        : m_wanted(wanted)
        , m_kernel(kernel)
        , m_sameSet(sameSet) {}

    bool same() const {
        if (m_wanted.name != m_kernel.name) return false;
        for (const auto &[number, value] : m_wanted.attributes) {
            if (isOfTransaction(number)) continue;
            const auto found = m_kernel.attributes.find(number);
            if (found == m_kernel.attributes.end() ? !isZero(value) : !sameValue(number, value, found->second))
                return false;
        }
        return std::all_of(m_kernel.attributes.begin(), m_kernel.attributes.end(), [&](const auto &entry) {
            return m_wanted.attributes.contains(entry.first) || follows(entry.first, entry.second);
        });
    }

private:
    [[nodiscard]] bool is(std::string_view name, int attribute, int number) const {
        return m_wanted.name == name && attribute == number;
    }
    /// Numbers of sets within a transaction are not kept.
    [[nodiscard]] bool isOfTransaction(int number) const {
        return is("lookup", NFTA_LOOKUP_SET_ID, number) || is("dynset", NFTA_DYNSET_SET_ID, number);
    }

    [[nodiscard]] bool sameValue(int number, const Bytes &wanted, const Bytes &kernel) const {
        if (is("cmp", NFTA_CMP_DATA, number) || is("bitwise", NFTA_BITWISE_MASK, number) ||
            is("bitwise", NFTA_BITWISE_XOR, number) || is("immediate", NFTA_IMMEDIATE_DATA, number))
            return sameData(wanted, kernel);
        if (is("lookup", NFTA_LOOKUP_SET, number) || is("dynset", NFTA_DYNSET_SET_NAME, number))
            return m_sameSet(textIn(wanted), textIn(kernel));
        if (is("nat", NFTA_NAT_FLAGS, number)) return (numberIn(wanted) | kImplied) == (numberIn(kernel) | kImplied);
        return wanted == kernel;
    }

    /// What the kernel adds by itself.
    [[nodiscard]] bool follows(int number, const Bytes &value) const {
        const auto equals = [&](int other) {
            const auto found = m_kernel.attributes.find(other);
            return found != m_kernel.attributes.end() && found->second == value;
        };
        if (is("nat", NFTA_NAT_FLAGS, number)) return (numberIn(value) & ~kImplied) == 0;
        if (is("nat", NFTA_NAT_REG_ADDR_MAX, number)) return equals(NFTA_NAT_REG_ADDR_MIN);
        if (is("nat", NFTA_NAT_REG_PROTO_MAX, number)) return equals(NFTA_NAT_REG_PROTO_MIN);
        return isZero(value);
    }

    /// Set by the kernel when an address or a port is given.
    static constexpr std::uint32_t kImplied = NF_NAT_RANGE_MAP_IPS | NF_NAT_RANGE_PROTO_SPECIFIED;

    const TableExpression &m_wanted, &m_kernel;
    const SameSet &m_sameSet;
};

} // namespace

bool sameRule(const TableRule &wanted, const TableRule &kernel, const SameSet &sameSet) {
    return wanted.comment == kernel.comment && wanted.expressions.size() == kernel.expressions.size() &&
           std::equal(wanted.expressions.begin(), wanted.expressions.end(), kernel.expressions.begin(),
                      [&](const auto &a, const auto &b) { return Judge(a, b, sameSet).same(); });
}

} // namespace natlens::proxycore::nft
