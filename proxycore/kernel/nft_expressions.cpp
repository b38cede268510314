#include "proxycore/kernel/nft_expressions.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nf_tables.h>

namespace natlens::proxycore::nft {

namespace {

/// The registers overlap: four of 16 bytes (1 to 4), the same bytes as sixteen of 4 (from 8). nft names the wide one
/// where it can.
std::uint32_t registerAt(unsigned word) {
    return word % 4 == 0 ? NFT_REG_1 + word / 4 : NFT_REG32_00 + word;
}

} // namespace

/// One expression: its name, and the attributes written while this lives.
class Expressions::Scope final {
public:
    Scope(Batch &batch, std::string_view name)
        : m_batch(batch)
        , m_element(batch.nest(NFTA_LIST_ELEM)) {
        batch.text(NFTA_EXPR_NAME, name);
        m_data = batch.nest(NFTA_EXPR_DATA);
    }
    ~Scope() {
        m_batch.endNest(m_data);
        m_batch.endNest(m_element);
    }
    Scope(const Scope &) = delete;
    Scope &operator=(const Scope &) = delete;

private:
    Batch &m_batch;
    nlattr *m_element, *m_data = nullptr;
};

void Expressions::data(int attribute, std::span<const std::byte> value) {
    auto *nested = m_batch.nest(attribute);
    m_batch.bytes(NFTA_DATA_VALUE, value);
    m_batch.endNest(nested);
}

void Expressions::payload(int base, unsigned offset, std::size_t length, unsigned word) {
    const Scope scope(m_batch, "payload");
    m_batch.u32(NFTA_PAYLOAD_DREG, registerAt(word));
    m_batch.u32(NFTA_PAYLOAD_BASE, static_cast<std::uint32_t>(base));
    m_batch.u32(NFTA_PAYLOAD_OFFSET, offset);
    m_batch.u32(NFTA_PAYLOAD_LEN, static_cast<std::uint32_t>(length));
}

void Expressions::address(Side side, unsigned word, std::size_t length) {
    const bool isV6 = m_family == IpFamily::v6;
    const std::size_t whole = isV6 ? 16 : 4;
    const unsigned source = isV6 ? 8 : 12; // of the header (RFC 8200, RFC 791)
    const auto offset = side == Side::source ? source : source + static_cast<unsigned>(whole);
    payload(NFT_PAYLOAD_NETWORK_HEADER, offset, length == 0 ? whole : length, word);
}

void Expressions::destinationPort(unsigned word) {
    payload(NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2, word);
}

void Expressions::meta(int key, unsigned word, bool write) {
    const Scope scope(m_batch, "meta");
    m_batch.u32(NFTA_META_KEY, static_cast<std::uint32_t>(key));
    m_batch.u32(write ? NFTA_META_SREG : NFTA_META_DREG, registerAt(word));
}

void Expressions::protocol(unsigned word) {
    meta(NFT_META_L4PROTO, word, false);
}
void Expressions::inputInterface(unsigned word) {
    meta(NFT_META_IIFNAME, word, false);
}
void Expressions::mark(unsigned word) {
    meta(NFT_META_MARK, word, false);
}
void Expressions::setMark(unsigned word) {
    meta(NFT_META_MARK, word, true);
}

void Expressions::connection(int key, unsigned word) {
    const Scope scope(m_batch, "ct");
    m_batch.u32(NFTA_CT_KEY, static_cast<std::uint32_t>(key));
    m_batch.u32(NFTA_CT_DREG, registerAt(word));
}

void Expressions::addressType(Side side, unsigned word) {
    const Scope scope(m_batch, "fib");
    m_batch.u32(NFTA_FIB_FLAGS, side == Side::source ? NFTA_FIB_F_SADDR : NFTA_FIB_F_DADDR);
    m_batch.u32(NFTA_FIB_RESULT, NFT_FIB_RESULT_ADDRTYPE);
    m_batch.u32(NFTA_FIB_DREG, registerAt(word));
}

void Expressions::randomNumber(std::size_t below, unsigned word) {
    const Scope scope(m_batch, "numgen");
    m_batch.u32(NFTA_NG_DREG, registerAt(word));
    m_batch.u32(NFTA_NG_MODULUS, static_cast<std::uint32_t>(below));
    m_batch.u32(NFTA_NG_TYPE, NFT_NG_RANDOM);
    m_batch.u32(NFTA_NG_OFFSET, 0);
}

void Expressions::compare(unsigned word, bool equal, std::span<const std::byte> value) {
    const Scope scope(m_batch, "cmp");
    m_batch.u32(NFTA_CMP_SREG, registerAt(word));
    m_batch.u32(NFTA_CMP_OP, equal ? NFT_CMP_EQ : NFT_CMP_NEQ);
    data(NFTA_CMP_DATA, value);
}

void Expressions::maskAndXor(unsigned word, std::span<const std::byte> mask, std::span<const std::byte> bits) {
    const Scope scope(m_batch, "bitwise");
    m_batch.u32(NFTA_BITWISE_SREG, registerAt(word));
    m_batch.u32(NFTA_BITWISE_DREG, registerAt(word));
    m_batch.u32(NFTA_BITWISE_LEN, static_cast<std::uint32_t>(mask.size()));
    data(NFTA_BITWISE_MASK, mask);
    data(NFTA_BITWISE_XOR, bits);
}

void Expressions::isIn(unsigned word, const SetReference &set, bool negated) {
    const Scope scope(m_batch, "lookup");
    m_batch.u32(NFTA_LOOKUP_SREG, registerAt(word));
    m_batch.text(NFTA_LOOKUP_SET, set.name);
    if (set.id != 0) m_batch.u32(NFTA_LOOKUP_SET_ID, set.id);
    if (negated) m_batch.u32(NFTA_LOOKUP_FLAGS, NFT_LOOKUP_F_INV);
}

void Expressions::mapTo(unsigned word, const SetReference &map, unsigned result) {
    const Scope scope(m_batch, "lookup");
    m_batch.u32(NFTA_LOOKUP_SREG, registerAt(word));
    m_batch.u32(NFTA_LOOKUP_DREG, registerAt(result));
    m_batch.text(NFTA_LOOKUP_SET, map.name);
    if (map.id != 0) m_batch.u32(NFTA_LOOKUP_SET_ID, map.id);
}

void Expressions::verdictFrom(unsigned word, const SetReference &map) {
    const Scope scope(m_batch, "lookup");
    m_batch.u32(NFTA_LOOKUP_SREG, registerAt(word));
    m_batch.u32(NFTA_LOOKUP_DREG, NFT_REG_VERDICT);
    m_batch.text(NFTA_LOOKUP_SET, map.name);
    if (map.id != 0) m_batch.u32(NFTA_LOOKUP_SET_ID, map.id);
}

void Expressions::load(unsigned word, std::span<const std::byte> value) {
    const Scope scope(m_batch, "immediate");
    m_batch.u32(NFTA_IMMEDIATE_DREG, registerAt(word));
    data(NFTA_IMMEDIATE_DATA, value);
}

void Expressions::verdict(int code, std::string_view chain) {
    const Scope scope(m_batch, "immediate");
    m_batch.u32(NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
    putVerdict(m_batch, NFTA_IMMEDIATE_DATA, code, chain);
}

void Expressions::destinationNat(unsigned address, unsigned port, bool portFromRule) {
    const Scope scope(m_batch, "nat");
    m_batch.u32(NFTA_NAT_TYPE, NFT_NAT_DNAT);
    m_batch.u32(NFTA_NAT_FAMILY, m_family == IpFamily::v6 ? NFPROTO_IPV6 : NFPROTO_IPV4);
    m_batch.u32(NFTA_NAT_REG_ADDR_MIN, registerAt(address));
    m_batch.u32(NFTA_NAT_REG_PROTO_MIN, registerAt(port));
    if (portFromRule) m_batch.u32(NFTA_NAT_FLAGS, NF_NAT_RANGE_PROTO_SPECIFIED);
}

void Expressions::masquerade(bool fullyRandom) {
    const Scope scope(m_batch, "masq");
    if (fullyRandom) m_batch.u32(NFTA_MASQ_FLAGS, NF_NAT_RANGE_PROTO_RANDOM_FULLY);
}

void Expressions::reject() {
    const Scope scope(m_batch, "reject");
    // Port unreachable: code 3 of ICMP, code 4 of ICMPv6.
    const std::byte code{static_cast<std::uint8_t>(m_family == IpFamily::v6 ? 4 : 3)};
    m_batch.u32(NFTA_REJECT_TYPE, NFT_REJECT_ICMP_UNREACH);
    m_batch.bytes(NFTA_REJECT_ICMP_CODE, std::span(&code, 1));
}

void Expressions::remember(unsigned word, const SetReference &set) {
    const Scope scope(m_batch, "dynset");
    m_batch.u32(NFTA_DYNSET_SREG_KEY, registerAt(word));
    m_batch.u32(NFTA_DYNSET_OP, NFT_DYNSET_OP_UPDATE);
    m_batch.text(NFTA_DYNSET_SET_NAME, set.name);
    if (set.id != 0) m_batch.u32(NFTA_DYNSET_SET_ID, set.id);
}

void putVerdict(Batch &batch, int attribute, int code, std::string_view chain) {
    auto *outer = batch.nest(attribute);
    auto *verdict = batch.nest(NFTA_DATA_VERDICT);
    batch.u32(NFTA_VERDICT_CODE, static_cast<std::uint32_t>(code));
    if (!chain.empty()) batch.text(NFTA_VERDICT_CHAIN, chain);
    batch.endNest(verdict);
    batch.endNest(outer);
}

} // namespace natlens::proxycore::nft
