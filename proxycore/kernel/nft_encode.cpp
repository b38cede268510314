#include "proxycore/kernel/nft_encode.h"

#include "proxycore/kernel/nft_expressions.h"
#include "proxycore/kernel/nft_ranges.h"
#include "proxycore/kernel/nft_userdata.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netlink.h>

#include <bit>
#include <cstring>

#include <endian.h>

namespace natlens::proxycore::nft {

namespace {

template<class... Ts>
struct Overloaded : Ts... {
    using Ts::operator()...;
};

// nft's numbers of data types (nft, enum datatypes); a concatenation packs them six bits each.
enum DataType : std::uint32_t { kInteger = 4, kIpv4 = 7, kIpv6 = 8, kProtocol = 12, kService = 13 };
template<class... Types>
constexpr std::uint32_t concatenation(Types... types) {
    std::uint32_t all = 0;
    ((all = all << 6 | types), ...);
    return all;
}
constexpr std::uint32_t kVerdictType = NFT_DATA_VERDICT;
/// Attributes end at 64 KiB; elements go on in another message before that.
constexpr std::size_t kFullMessage = 48 * 1024;

using Value = std::vector<std::byte>;

void append(Value &value, const IpAddress &address) {
    const auto bytes = std::as_bytes(std::span(address.bytes));
    value.insert(value.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(address.size()));
}
/// Parts of a concatenation fill whole words.
void append(Value &value, Protocol protocol) {
    value.insert(value.end(), {static_cast<std::byte>(protocol), std::byte{}, std::byte{}, std::byte{}});
}
void append(Value &value, Port port) {
    value.insert(value.end(), {static_cast<std::byte>(port >> 8), static_cast<std::byte>(port & 0xff), {}, {}});
}
/// nf_tables keeps numbers that are not from a packet in the byte order of the host.
Value hostOrder(std::uint32_t number) {
    Value value(sizeof number);
    std::memcpy(value.data(), &number, sizeof number);
    return value;
}
Value addressOf(const IpAddress &address) {
    Value value;
    append(value, address);
    return value;
}

/// Writes the messages of one transaction.
class Encoder final {
public:
    Encoder(IpFamily family, std::uint32_t &anonymous, Batch &batch)
        : m_family(family)
        , m_anonymous(anonymous)
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

    void set(const Set &set) {
        start(NFT_MSG_NEWSET, NLM_F_CREATE, NFTA_SET_TABLE, NFTA_SET_NAME, set.name);
        const bool filledByRules = set.timeout.count() > 0;
        m_batch.u32(NFTA_SET_FLAGS, (set.verdictMap ? std::uint32_t{NFT_SET_MAP} : 0U) |
                                        (filledByRules ? std::uint32_t{NFT_SET_TIMEOUT | NFT_SET_EVAL} : 0U));
        const auto [type, length] = key(set.key);
        m_batch.u32(NFTA_SET_KEY_TYPE, type);
        m_batch.u32(NFTA_SET_KEY_LEN, length);
        if (set.verdictMap) {
            m_batch.u32(NFTA_SET_DATA_TYPE, kVerdictType);
            m_batch.u32(NFTA_SET_DATA_LEN, 0);
        }
        m_batch.u32(NFTA_SET_ID, ++m_setId);
        if (filledByRules)
            m_batch.u64(NFTA_SET_TIMEOUT, static_cast<std::uint64_t>(std::chrono::milliseconds(set.timeout).count()));
        m_batch.bytes(NFTA_SET_USERDATA, setData(set));
        m_batch.end();
    }

    void deleteSet(std::string_view name) {
        start(NFT_MSG_DELSET, 0, NFTA_SET_TABLE, NFTA_SET_NAME, name);
        m_batch.end();
    }

    void elements(std::string_view set, const std::vector<const Element *> &elements, bool removed) {
        ElementList list(*this);
        for (const auto *element : elements) {
            if (element == elements.front() || list.isFull()) {
                list.close();
                list.open(removed ? NFT_MSG_DELSETELEM : NFT_MSG_NEWSETELEM, {std::string(set), 0});
            }
            const auto item = list.item();
            list.key(keyOf(*element));
            if (removed) continue;
            if (element->verdict == "drop")
                putVerdict(m_batch, NFTA_SET_ELEM_DATA, NF_DROP, {});
            else if (!element->verdict.empty())
                putVerdict(m_batch, NFTA_SET_ELEM_DATA, NFT_GOTO, element->verdict);
            if (!element->comment.empty()) m_batch.bytes(NFTA_SET_ELEM_USERDATA, commentData(element->comment));
        }
    }

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
    /// The elements of one message; closes what is open when it goes.
    class ElementList final {
    public:
        explicit ElementList(Encoder &encoder)
            : m_batch(encoder.m_batch)
            , m_family(encoder.m_family) {}
        ~ElementList() { close(); }
        ElementList(const ElementList &) = delete;
        ElementList &operator=(const ElementList &) = delete;

        void open(int type, const SetReference &set) {
            m_batch.begin(type, type == NFT_MSG_NEWSETELEM ? NLM_F_CREATE : 0, m_family);
            m_batch.text(NFTA_SET_ELEM_LIST_TABLE, kTable);
            // By number alone where there is one: the kernel looks for names first, in a list.
            if (set.id != 0)
                m_batch.u32(NFTA_SET_ELEM_LIST_SET_ID, set.id);
            else
                m_batch.text(NFTA_SET_ELEM_LIST_SET, set.name);
            m_list = m_batch.nest(NFTA_SET_ELEM_LIST_ELEMENTS);
        }
        void close() {
            if (m_list == nullptr) return;
            m_batch.endNest(m_list);
            m_batch.end();
            m_list = nullptr;
        }
        [[nodiscard]] bool isFull() const { return m_list != nullptr && m_batch.messageSize() > kFullMessage; }

        struct EndItem {
            Batch *batch;
            void operator()(nlattr *start) const { batch->endNest(start); }
        };
        [[nodiscard]] std::unique_ptr<nlattr, EndItem> item() { return {m_batch.nest(NFTA_LIST_ELEM), {&m_batch}}; }
        void key(const Value &value) { data(NFTA_SET_ELEM_KEY, value); }
        void data(int attribute, const Value &value) {
            auto *nested = m_batch.nest(attribute);
            m_batch.bytes(NFTA_DATA_VALUE, value);
            m_batch.endNest(nested);
        }

    private:
        Batch &m_batch;
        IpFamily m_family;
        nlattr *m_list = nullptr;
    };

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

    [[nodiscard]] std::uint32_t addressLength() const { return m_family == IpFamily::v6 ? 16 : 4; }
    [[nodiscard]] std::uint32_t addressType() const { return m_family == IpFamily::v6 ? kIpv6 : kIpv4; }

    /// Type and length of a key.
    [[nodiscard]] std::pair<std::uint32_t, std::uint32_t> key(KeyType type) const {
        const auto address = addressType(), length = addressLength();
        switch (type) {
        case KeyType::address: return {address, length};
        case KeyType::addressPairProtocolPort:
            return {concatenation(address, address, kProtocol, kService), 2 * length + 8};
        case KeyType::addressProtocolPort: return {concatenation(address, kProtocol, kService), length + 8};
        case KeyType::protocolPort: return {concatenation(kProtocol, kService), 8};
        }
        return {};
    }

    static Value keyOf(const Element &element) {
        Value value;
        append(value, element.address);
        append(value, element.secondAddress);
        if (element.protocol != Protocol::none) {
            append(value, element.protocol);
            append(value, element.port);
        }
        return value;
    }

    SetReference startAnonymous(std::string_view prefix, std::uint32_t flags, std::uint32_t type,
                                std::uint32_t length) {
        const SetReference set{std::string(prefix) + std::to_string(m_anonymous++), ++m_setId};
        start(NFT_MSG_NEWSET, NLM_F_CREATE, NFTA_SET_TABLE, NFTA_SET_NAME, set.name);
        m_batch.u32(NFTA_SET_FLAGS, NFT_SET_ANONYMOUS | NFT_SET_CONSTANT | flags);
        m_batch.u32(NFTA_SET_KEY_TYPE, type);
        m_batch.u32(NFTA_SET_KEY_LEN, length);
        return set;
    }

    void finishAnonymous(const SetReference &set, std::size_t size, AnonymousKind kind) {
        m_batch.u32(NFTA_SET_ID, set.id);
        auto *description = m_batch.nest(NFTA_SET_DESC);
        m_batch.u32(NFTA_SET_DESC_SIZE, static_cast<std::uint32_t>(size));
        m_batch.endNest(description);
        m_batch.bytes(NFTA_SET_USERDATA, anonymousSetData(kind));
        m_batch.end();
    }

    /// A map from 0, 1, ... to what `put` writes for each.
    template<class Put>
    SetReference numberedMap(std::size_t count, std::uint32_t dataType, std::uint32_t dataLength, AnonymousKind kind,
                             Put put) {
        auto set = startAnonymous("__map", NFT_SET_MAP, kInteger, 4);
        m_batch.u32(NFTA_SET_DATA_TYPE, dataType);
        m_batch.u32(NFTA_SET_DATA_LEN, dataLength);
        finishAnonymous(set, count, kind);
        ElementList list(*this);
        for (std::size_t i = 0; i < count; ++i) {
            if (i == 0 || list.isFull()) {
                list.close();
                list.open(NFT_MSG_NEWSETELEM, set);
            }
            const auto item = list.item();
            list.key(hostOrder(static_cast<std::uint32_t>(i)));
            put(list, i);
        }
        return set;
    }

    SetReference rangeSet(const AddressSpans &spans) {
        const auto bounds = spans.bounds();
        auto set = startAnonymous("__set", spans.singles() ? 0 : NFT_SET_INTERVAL, addressType(), addressLength());
        finishAnonymous(set, bounds.size(), AnonymousKind::ranges);
        ElementList list(*this);
        for (const auto &bound : bounds) {
            if (&bound == &bounds.front() || list.isFull()) {
                list.close();
                list.open(NFT_MSG_NEWSETELEM, set);
            }
            const auto item = list.item();
            if (bound.isEnd) m_batch.u32(NFTA_SET_ELEM_FLAGS, NFT_SET_ELEM_INTERVAL_END);
            list.key(addressOf(bound.address));
            if (bound.isOpen) m_batch.bytes(NFTA_SET_ELEM_USERDATA, openRangeData());
        }
        return set;
    }

    void anonymousSet(const Statement &statement, std::vector<SetReference> &sets) {
        if (const auto *match = std::get_if<AddressMatch>(&statement); match != nullptr && match->ranges.size() > 1)
            sets.push_back(rangeSet(AddressSpans(match->ranges)));
        if (const auto *dnat = std::get_if<DnatRandom>(&statement)) {
            const auto type = concatenation(addressType(), std::uint32_t{kService});
            sets.push_back(numberedMap(dnat->endpoints.size(), type, addressLength() + 4, AnonymousKind::endpoints,
                                       [&](ElementList &list, std::size_t i) {
                                           Value value;
                                           append(value, dnat->endpoints[i].ip);
                                           append(value, dnat->endpoints[i].port);
                                           list.data(NFTA_SET_ELEM_DATA, value);
                                       }));
        }
        if (const auto *choice = std::get_if<GotoRandom>(&statement))
            sets.push_back(numberedMap(choice->chains.size(), kVerdictType, 0, AnonymousKind::verdicts,
                                       [&](ElementList &, std::size_t i) {
                                           putVerdict(m_batch, NFTA_SET_ELEM_DATA, NFT_GOTO, choice->chains[i]);
                                       }));
    }

    void matchOne(Expressions &out, const AddressMatch &match) const {
        const auto &range = match.ranges.front();
        const auto whole = range.address.size() * 8;
        const auto value = addressOf(range.address);
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
                           out.load(0, addressOf(s.endpoint.ip));
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
    std::uint32_t &m_anonymous;
    std::uint32_t m_setId = 0;
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
        encoder.set(set);
    for (const auto &chain : changes.chains) {
        encoder.chain(chain);
        if (!changes.replaceTable) encoder.flush(chain.name);
    }
    for (const auto &[set, list] : bySet(changes.removed))
        encoder.elements(set, list, true);
    for (const auto &[set, list] : bySet(changes.added))
        encoder.elements(set, list, false);
    for (const auto &chain : changes.chains)
        for (const auto &rule : chain.rules)
            encoder.rule(chain.name, rule);
    for (const auto &name : changes.staleChains)
        encoder.flush(name);
}

void encodeTableRemoval(IpFamily family, Batch &batch) {
    std::uint32_t unused = 0;
    Encoder(family, unused, batch).deleteTable();
}

void encodeCleanUp(IpFamily family, const std::vector<std::string> &staleChains,
                   const std::vector<std::string> &staleSets, Batch &batch) {
    std::uint32_t unused = 0;
    Encoder encoder(family, unused, batch);
    for (const auto &name : staleChains)
        encoder.deleteChain(name);
    for (const auto &name : staleSets)
        encoder.deleteSet(name);
}

} // namespace natlens::proxycore::nft
