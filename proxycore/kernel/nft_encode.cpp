#include "proxycore/kernel/nft_encode.h"

#include "proxycore/kernel/nft_encode_sets.h"
#include "proxycore/kernel/nft_expressions.h"
#include "proxycore/kernel/nft_userdata.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netlink.h>

#include <cstring>

namespace natlens::proxycore::nft {

namespace {

template<class... Ts>
struct Overloaded : Ts... {
    using Ts::operator()...;
};

/// Writes the messages of one transaction.
class Encoder final {
public:
    Encoder(IpFamily family, std::uint32_t &anonymous, Batch &batch)
        : m_family(family)
        , m_sets(family, anonymous, batch)
        , m_batch(batch) {}

    void newTable() { table(NFT_MSG_NEWTABLE, NLM_F_CREATE | NLM_F_EXCL, kTableComment); }

    /// Made first, so that there is one to delete.
    void replaceTable() {
        table(NFT_MSG_NEWTABLE, NLM_F_CREATE, {});
        deleteTable();
        table(NFT_MSG_NEWTABLE, NLM_F_CREATE, kTableComment);
    }
    void deleteTable() { table(NFT_MSG_DELTABLE, 0, {}); }

    void chain(const Chain &chain) {
        start(NFT_MSG_NEWCHAIN, NLM_F_CREATE, NFTA_CHAIN_TABLE, NFTA_CHAIN_NAME, chain.name);
        if (!chain.hook.type.empty()) {
            m_batch.text(NFTA_CHAIN_TYPE, chain.hook.type);
            m_batch.u32(NFTA_CHAIN_POLICY, NF_ACCEPT);
            auto *hook = m_batch.nest(NFTA_CHAIN_HOOK);
            m_batch.u32(NFTA_HOOK_HOOKNUM, hookNumber(chain.hook.hook));
            m_batch.u32(NFTA_HOOK_PRIORITY, static_cast<std::uint32_t>(chain.hook.priority));
            m_batch.endNest(hook);
        }
        if (!chain.comment.empty()) m_batch.bytes(NFTA_CHAIN_USERDATA, commentData(chain.comment));
        m_batch.end();
    }

    void deleteChain(std::string_view name) {
        start(NFT_MSG_DELCHAIN, 0, NFTA_CHAIN_TABLE, NFTA_CHAIN_NAME, name);
        m_batch.end();
    }

    void flush(std::string_view chain) {
        start(NFT_MSG_DELRULE, 0, NFTA_RULE_TABLE, NFTA_RULE_CHAIN, chain);
        m_batch.end();
    }

    SetMessages &sets() { return m_sets; }

    void rule(std::string_view chain, const Rule &rule) {
        // Sets without a name of their own come before the rule that uses them.
        std::vector<SetReference> sets;
        for (const auto &statement : rule.statements)
            anonymousSet(statement, sets);
        start(NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND, NFTA_RULE_TABLE, NFTA_RULE_CHAIN, chain);
        auto *list = m_batch.nest(NFTA_RULE_EXPRESSIONS);
        std::size_t used = 0;
        for (const auto &statement : rule.statements)
            expressions(statement, sets, used);
        m_batch.endNest(list);
        if (!rule.comment.empty()) m_batch.bytes(NFTA_RULE_USERDATA, commentData(rule.comment));
        m_batch.end();
    }

private:
    void start(int type, int flags, int tableAttribute, int nameAttribute, std::string_view name) {
        m_batch.begin(type, flags, m_family);
        m_batch.text(tableAttribute, kTable);
        m_batch.text(nameAttribute, name);
    }

    void table(int type, int flags, std::string_view comment) {
        m_batch.begin(type, flags, m_family);
        m_batch.text(NFTA_TABLE_NAME, kTable);
        if (type == NFT_MSG_NEWTABLE) m_batch.u32(NFTA_TABLE_FLAGS, 0);
        if (!comment.empty()) m_batch.bytes(NFTA_TABLE_USERDATA, commentData(comment));
        m_batch.end();
    }

    static std::uint32_t hookNumber(std::string_view name) {
        return name == "prerouting" ? NF_INET_PRE_ROUTING
               : name == "input"    ? NF_INET_LOCAL_IN
               : name == "forward"  ? NF_INET_FORWARD
               : name == "output"   ? NF_INET_LOCAL_OUT
                                    : NF_INET_POST_ROUTING;
    }

    void anonymousSet(const Statement &statement, std::vector<SetReference> &sets) {
        if (const auto *match = std::get_if<AddressMatch>(&statement); match != nullptr && match->ranges.size() > 1)
            sets.push_back(m_sets.ranges(AddressSpans(match->ranges)));
        if (const auto *dnat = std::get_if<DnatRandom>(&statement)) sets.push_back(m_sets.endpoints(dnat->endpoints));
        if (const auto *choice = std::get_if<GotoRandom>(&statement)) sets.push_back(m_sets.chains(choice->chains));
    }

    void matchOne(Expressions &out, const AddressMatch &match) const {
        const auto &range = match.ranges.front();
        const auto whole = range.address.size() * 8;
        const auto value = addressValue(range.address);
        const std::span<const std::byte> bytes(value);
        if (range.length % 8 == 0 && range.length != 0) {
            out.address(match.side, 0, range.length / 8U);
            out.compare(0, !match.negated, bytes.first(range.length / 8U));
            return;
        }
        Value mask(value.size());
        for (std::size_t bit = 0; bit < std::min<std::size_t>(range.length, whole); ++bit)
            mask[bit / 8] |= std::byte{0x80} >> (bit % 8);
        out.address(match.side, 0);
        out.maskAndXor(0, mask, Value(value.size()));
        out.compare(0, !match.negated, bytes);
    }

    void expressions(const Statement &statement, const std::vector<SetReference> &sets, std::size_t &used) const {
        Expressions out(m_batch, m_family);
        const auto wide = out.addressWords();
        const auto hasBits = [&](std::uint32_t bits) {
            out.maskAndXor(0, hostOrder(bits), hostOrder(0));
            out.compare(0, false, hostOrder(0));
        };
        const auto changeMark = [&](std::uint32_t mask, std::uint32_t bits) {
            out.mark(0);
            out.maskAndXor(0, hostOrder(mask), hostOrder(bits));
            out.setMark(0);
        };
        std::visit(Overloaded{
                       [&](const CtStateNew &) {
                           out.connection(NFT_CT_STATE, 0);
                           hasBits(NF_CT_STATE_BIT(IP_CT_NEW));
                       },
                       [&](const CtStatusDnat &) {
                           out.connection(NFT_CT_STATUS, 0);
                           hasBits(IPS_DST_NAT);
                       },
                       [&](const AddressInSet &s) {
                           out.address(s.side, 0);
                           out.isIn(0, {s.set, 0}, false);
                       },
                       [&](const AddressMatch &s) {
                           if (s.ranges.size() == 1) return matchOne(out, s);
                           out.address(s.side, 0);
                           out.isIn(0, sets[used++], s.negated);
                       },
                       [&](const InterfaceMatch &s) {
                           Value name(s.prefix ? s.name.size() : std::size_t{16}); // IFNAMSIZ
                           std::memcpy(name.data(), s.name.data(), std::min(name.size(), s.name.size()));
                           out.inputInterface(0);
                           out.compare(0, !s.negated, name);
                       },
                       [&](const LocalMatch &s) {
                           out.addressType(s.side, 0);
                           out.compare(0, true, hostOrder(kRouteLocal));
                       },
                       [&](const MarkSet &s) {
                           out.mark(0);
                           hasBits(s.bits);
                       },
                       [&](const MarkOr &s) { changeMark(~s.bits, s.bits); },
                       [&](const MarkXor &s) { changeMark(~0U, s.bits); },
                       [&](const ProtocolMatch &s) {
                           const auto protocol = static_cast<std::byte>(s.protocol);
                           out.protocol(0);
                           out.compare(0, true, std::span(&protocol, 1));
                       },
                       [&](const HairpinMatch &) {
                           out.address(Side::source, 0);
                           out.address(Side::destination, wide);
                           out.protocol(2 * wide);
                           out.destinationPort(2 * wide + 1);
                           out.isIn(0, {"hairpin-connections", 0}, false);
                       },
                       [&](const LookupService &s) {
                           out.address(Side::destination, 0);
                           out.protocol(wide);
                           out.destinationPort(wide + 1);
                           out.verdictFrom(0, {s.map, 0});
                       },
                       [&](const LookupNodePort &s) {
                           out.protocol(0);
                           out.destinationPort(1);
                           out.verdictFrom(0, {s.map, 0});
                       },
                       [&](const Masquerade &s) { out.masquerade(s.fullyRandom); },
                       [&](const Reject &) { out.reject(); },
                       [&](const Drop &) { out.verdict(NF_DROP); },
                       [&](const Jump &s) { out.verdict(NFT_JUMP, s.chain); },
                       [&](const Goto &s) { out.verdict(NFT_GOTO, s.chain); },
                       [&](const DnatRandom &s) {
                           out.randomNumber(s.endpoints.size(), 0);
                           out.mapTo(0, sets[used++], 0);
                           out.destinationNat(0, wide, false);
                       },
                       [&](const DnatTo &s) {
                           Value port;
                           append(port, s.endpoint.port);
                           port.resize(2);
                           out.load(0, addressValue(s.endpoint.ip));
                           out.load(4, port);
                           out.destinationNat(0, 4, true);
                       },
                       [&](const GotoRandom &s) {
                           out.randomNumber(s.chains.size(), 0);
                           out.verdictFrom(0, sets[used++]);
                       },
                       [&](const UpdateSet &s) {
                           out.address(Side::source, 0);
                           out.remember(0, {s.set, 0});
                       },
                   },
                   statement);
    }

    static constexpr std::uint32_t kRouteLocal = 2; // RTN_LOCAL

    IpFamily m_family;
    SetMessages m_sets;
    Batch &m_batch;
};

} // namespace

void encode(const Changes &changes, std::uint32_t &anonymous, Batch &batch) {
    if (changes.replaceTable) anonymous = 0;
    Encoder encoder(changes.family, anonymous, batch);
    if (changes.newTable)
        encoder.newTable();
    else if (changes.replaceTable)
        encoder.replaceTable();
    // Named sets stay at the head of the kernel's list, where it finds them soon.
    for (const auto &set : changes.sets)
        encoder.sets().add(set);
    for (const auto &chain : changes.chains) {
        encoder.chain(chain);
        if (!changes.replaceTable) encoder.flush(chain.name);
    }
    for (const auto &[set, list] : bySet(changes.removed))
        encoder.sets().elements(set, list, SetMessages::Verb::remove);
    for (const auto &[set, list] : bySet(changes.added))
        encoder.sets().elements(set, list, SetMessages::Verb::add);
    for (const auto &chain : changes.chains)
        for (const auto &rule : chain.rules)
            encoder.rule(chain.name, rule);
    for (const auto &name : changes.staleChains)
        encoder.flush(name);
    for (const auto &name : changes.staleSets)
        encoder.sets().remove(name);
}

void encodeTableRemoval(IpFamily family, Batch &batch) {
    std::uint32_t unused = 0;
    Encoder(family, unused, batch).deleteTable();
}

void encodeCleanUp(IpFamily family, const std::vector<std::string> &chains, Batch &batch) {
    std::uint32_t unused = 0;
    Encoder encoder(family, unused, batch);
    for (const auto &name : chains)
        encoder.deleteChain(name);
}

} // namespace natlens::proxycore::nft
