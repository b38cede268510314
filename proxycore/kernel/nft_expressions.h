// The expressions of nf_tables that our rules are made of, one function each: what stands behind the words of
// nft_objects.
#pragma once

#include "proxycore/kernel/nft_batch.h"
#include "proxycore/kernel/nft_objects.h"

#include <span>
#include <string>
#include <string_view>

namespace natlens::proxycore::nft {

/// A set as a rule names it: the identifier serves for one that was made in the same transaction.
struct SetReference {
    std::string name;
    std::uint32_t id = 0; ///< 0: by name
};

/// Writes expressions into the list (NFTA_RULE_EXPRESSIONS) that is open in the batch.
/// A "word" is a place of four bytes in the kernel's registers, counted from 0; values wider than that go on in the
/// following words.
class Expressions final {
public:
    Expressions(Batch &batch, IpFamily family)
        : m_batch(batch)
        , m_family(family) {}

    [[nodiscard]] unsigned addressWords() const { return m_family == IpFamily::v6 ? 4 : 1; }

    void address(Side side, unsigned word, std::size_t length = 0); ///< length 0: the whole address
    void protocol(unsigned word);
    void destinationPort(unsigned word);
    void inputInterface(unsigned word);
    void mark(unsigned word);
    void setMark(unsigned word);
    void connection(int key, unsigned word); ///< NFT_CT_*
    void addressType(Side side, unsigned word);
    void randomNumber(std::size_t below, unsigned word);

    void compare(unsigned word, bool equal, std::span<const std::byte> value);
    void maskAndXor(unsigned word, std::span<const std::byte> mask, std::span<const std::byte> bits);
    void isIn(unsigned word, const SetReference &set, bool negated);
    void mapTo(unsigned word, const SetReference &map, unsigned result);
    void verdictFrom(unsigned word, const SetReference &map);
    void load(unsigned word, std::span<const std::byte> value);
    void verdict(int code, std::string_view chain = {}); ///< NF_DROP, NFT_JUMP, NFT_GOTO

    void destinationNat(unsigned address, unsigned port, bool portFromRule);
    void masquerade(bool fullyRandom);
    void reject();
    void remember(unsigned word, const SetReference &set);

private:
    class Scope;
    void payload(int base, unsigned offset, std::size_t length, unsigned word);
    void meta(int key, unsigned word, bool write);
    void data(int attribute, std::span<const std::byte> value);

    Batch &m_batch;
    IpFamily m_family;
};

/// A verdict as element data or immediate; writes the content of an attribute of type "data".
void putVerdict(Batch &batch, int attribute, int code, std::string_view chain);

} // namespace natlens::proxycore::nft
