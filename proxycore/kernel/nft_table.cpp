#include "proxycore/kernel/nft_table.h"

#include "proxycore/kernel/nft_userdata.h"

#include <netinet/in.h> // before linux/netfilter.h, which else defines the same

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <netlink/attr.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>

#include <endian.h>

namespace natlens::proxycore::nft {

namespace {

/// The highest attribute number that is looked at, of all kinds of message.
constexpr int kHighest = 16;
using Attributes = nlattr *const *;

std::span<const std::byte> bytesOf(const nlattr *attribute) {
    if (attribute == nullptr) return {};
    return {static_cast<const std::byte *>(nla_data(attribute)), static_cast<std::size_t>(nla_len(attribute))};
}

std::string textOf(const nlattr *attribute) {
    const auto bytes = bytesOf(attribute);
    const std::string_view text(reinterpret_cast<const char *>(bytes.data()), bytes.size());
    return std::string(text.substr(0, text.find('\0')));
}

template<class Number>
Number numberOf(const nlattr *attribute) {
    Number value = 0;
    const auto bytes = bytesOf(attribute);
    if (bytes.size() == sizeof value) std::memcpy(&value, bytes.data(), sizeof value);
    if constexpr (sizeof value == 8)
        return be64toh(value);
    else
        return be32toh(value);
}

template<class Visit>
void forEachNested(const nlattr *list, Visit visit) {
    if (list == nullptr) return;
    int left = nla_len(list);
    for (auto *item = static_cast<nlattr *>(nla_data(list)); nla_ok(item, left); item = nla_next(item, &left))
        visit(item);
}

std::array<nlattr *, kHighest + 1> nested(nlattr *list) {
    std::array<nlattr *, kHighest + 1> result{};
    if (list != nullptr && nla_parse_nested(result.data(), kHighest, list, nullptr) < 0) result = {};
    return result;
}

/// Takes messages one by one.
class Reader final {
public:
    explicit Reader(Table &table)
        : m_table(table) {}

    void message(int type, Attributes attributes) {
        switch (type) {
        case NFT_MSG_NEWTABLE: return table(attributes);
        case NFT_MSG_NEWCHAIN: return chain(attributes);
        case NFT_MSG_NEWSET: return set(attributes);
        case NFT_MSG_NEWSETELEM: return elements(attributes);
        case NFT_MSG_NEWRULE: return rule(attributes);
        default: return;
        }
    }

    void table(Attributes attributes) {
        if (textOf(attributes[NFTA_TABLE_NAME]) != kTable) return;
        m_table.exists = true;
        m_table.flags = numberOf<std::uint32_t>(attributes[NFTA_TABLE_FLAGS]);
        m_table.handle = numberOf<std::uint64_t>(attributes[NFTA_TABLE_HANDLE]);
    }

    void chain(Attributes attributes) {
        if (textOf(attributes[NFTA_CHAIN_TABLE]) != kTable) return;
        auto &chain = m_table.chains[textOf(attributes[NFTA_CHAIN_NAME])];
        chain.type = textOf(attributes[NFTA_CHAIN_TYPE]);
        if (attributes[NFTA_CHAIN_HOOK] == nullptr) return;
        const auto hook = nested(attributes[NFTA_CHAIN_HOOK]);
        chain.hook = numberOf<std::uint32_t>(hook[NFTA_HOOK_HOOKNUM]);
        chain.priority = numberOf<std::uint32_t>(hook[NFTA_HOOK_PRIORITY]);
        chain.policy = numberOf<std::uint32_t>(attributes[NFTA_CHAIN_POLICY]);
    }

    void set(Attributes attributes) {
        if (textOf(attributes[NFTA_SET_TABLE]) != kTable) return;
        const auto name = textOf(attributes[NFTA_SET_NAME]);
        auto &set = m_table.sets[name];
        set.flags = numberOf<std::uint32_t>(attributes[NFTA_SET_FLAGS]);
        set.keyType = numberOf<std::uint32_t>(attributes[NFTA_SET_KEY_TYPE]);
        set.keyLength = numberOf<std::uint32_t>(attributes[NFTA_SET_KEY_LEN]);
        set.timeout = numberOf<std::uint64_t>(attributes[NFTA_SET_TIMEOUT]);
        set.handle = numberOf<std::uint64_t>(attributes[NFTA_SET_HANDLE]);
        m_names[numberOf<std::uint32_t>(attributes[NFTA_SET_ID])] = name;
    }

    void elements(Attributes attributes) {
        if (textOf(attributes[NFTA_SET_ELEM_LIST_TABLE]) != kTable) return;
        // A set of the same transaction may be named by its number.
        const auto name = attributes[NFTA_SET_ELEM_LIST_SET] != nullptr
                              ? textOf(attributes[NFTA_SET_ELEM_LIST_SET])
                              : m_names[numberOf<std::uint32_t>(attributes[NFTA_SET_ELEM_LIST_SET_ID])];
        auto &set = m_table.sets[name];
        forEachNested(attributes[NFTA_SET_ELEM_LIST_ELEMENTS],
                      [&](nlattr *item) { set.elements.push_back(element(item)); });
    }

    void rule(Attributes attributes) {
        if (textOf(attributes[NFTA_RULE_TABLE]) != kTable) return;
        TableRule rule;
        rule.comment = commentIn(bytesOf(attributes[NFTA_RULE_USERDATA]));
        rule.handle = numberOf<std::uint64_t>(attributes[NFTA_RULE_HANDLE]);
        forEachNested(attributes[NFTA_RULE_EXPRESSIONS], [&](nlattr *item) {
            const auto parts = nested(item);
            auto &expression = rule.expressions.emplace_back();
            expression.name = textOf(parts[NFTA_EXPR_NAME]);
            forEachNested(parts[NFTA_EXPR_DATA], [&](nlattr *value) {
                const auto bytes = bytesOf(value);
                expression.attributes[nla_type(value)].assign(bytes.begin(), bytes.end());
            });
        });
        m_table.chains[textOf(attributes[NFTA_RULE_CHAIN])].rules.push_back(std::move(rule));
    }

private:
    static TableElement element(nlattr *item) {
        TableElement result;
        const auto parts = nested(item);
        const auto key = bytesOf(nested(parts[NFTA_SET_ELEM_KEY])[NFTA_DATA_VALUE]);
        result.key.assign(key.begin(), key.end());
        result.flags = numberOf<std::uint32_t>(parts[NFTA_SET_ELEM_FLAGS]);
        result.comment = commentIn(bytesOf(parts[NFTA_SET_ELEM_USERDATA]));
        if (parts[NFTA_SET_ELEM_DATA] == nullptr) return result;
        const auto data = nested(parts[NFTA_SET_ELEM_DATA]);
        const auto value = bytesOf(data[NFTA_DATA_VALUE]);
        result.data.assign(value.begin(), value.end());
        if (data[NFTA_DATA_VERDICT] == nullptr) return result;
        const auto verdict = nested(data[NFTA_DATA_VERDICT]);
        result.verdict = numberOf<std::uint32_t>(verdict[NFTA_VERDICT_CODE]);
        result.chain = textOf(verdict[NFTA_VERDICT_CHAIN]);
        return result;
    }

    Table &m_table;
    std::map<std::uint32_t, std::string> m_names;
};

void sortElements(Table &table) {
    for (auto &[name, set] : table.sets)
        std::sort(set.elements.begin(), set.elements.end());
}

} // namespace

bool TableSet::isAnonymous() const {
    return (flags & NFT_SET_ANONYMOUS) != 0;
}
bool TableSet::isFilledByRules() const {
    return (flags & NFT_SET_EVAL) != 0;
}
bool TableSet::isMap() const {
    return (flags & NFT_SET_MAP) != 0;
}

Table tableOf(const Batch &batch) {
    Table table;
    Reader reader(table);
    batch.visit(kHighest, [&](int type, Attributes attributes) { reader.message(type, attributes); });
    for (auto &[name, set] : table.sets)
        set.elementsRead = true;
    sortElements(table);
    return table;
}

base::Result<Table> readTable(Socket &socket, IpFamily family,
                              const std::function<bool(const Table &, const TableSet &)> &wants) {
    Table table;
    Reader reader(table);
    const std::string name(kTable);
    const auto list = [&](int request, int answer, std::vector<std::pair<int, std::string>> names, auto restart) {
        return socket.dump({request, family, std::move(names)}, kHighest, restart,
                           [&](Attributes attributes) { reader.message(answer, attributes); });
    };
    if (auto status = list(NFT_MSG_GETTABLE, NFT_MSG_NEWTABLE, {}, [&] { table.exists = false; }); !status)
        return std::unexpected(status.error());
    if (!table.exists) return table;
    if (auto status = list(NFT_MSG_GETCHAIN, NFT_MSG_NEWCHAIN, {}, [&] { table.chains.clear(); }); !status)
        return std::unexpected(status.error());
    const auto clearRules = [&] {
        for (auto &[chain, content] : table.chains)
            content.rules.clear();
    };
    if (auto status = list(NFT_MSG_GETRULE, NFT_MSG_NEWRULE, {{NFTA_RULE_TABLE, name}}, clearRules); !status)
        return std::unexpected(status.error());
    if (auto status = list(NFT_MSG_GETSET, NFT_MSG_NEWSET, {{NFTA_SET_TABLE, name}}, [&] { table.sets.clear(); });
        !status)
        return std::unexpected(status.error());
    for (auto &[setName, set] : table.sets) {
        if (set.isFilledByRules() || (set.isAnonymous() && !wants(table, set))) continue;
        const auto status =
            list(NFT_MSG_GETSETELEM, NFT_MSG_NEWSETELEM,
                 {{NFTA_SET_ELEM_LIST_TABLE, name}, {NFTA_SET_ELEM_LIST_SET, setName}}, [&] { set.elements.clear(); });
        // It may be gone by now.
        if (!status && status.error().code != base::ErrorCode::notFound) return std::unexpected(status.error());
        set.elementsRead = true;
    }
    sortElements(table);
    return table;
}

std::uint32_t nextAnonymous(const Table &table) {
    constexpr std::size_t kPrefix = 5; // "__map", "__set"
    std::uint32_t next = 0;
    for (const auto &[name, set] : table.sets) {
        std::uint32_t number = 0;
        if (!set.isAnonymous() || name.size() <= kPrefix) continue;
        const auto parsed = std::from_chars(name.data() + kPrefix, name.data() + name.size(), number);
        if (parsed.ec == std::errc{}) next = std::max(next, number + 1);
    }
    return next;
}

std::optional<Element> elementOf(std::string_view set, KeyType key, IpFamily family, const TableElement &element) {
    Element result{.set = std::string(set), .key = key};
    const std::size_t addressSize = family == IpFamily::v6 ? 16 : 4;
    const std::size_t addresses = key == KeyType::protocolPort ? 0 : key == KeyType::addressPairProtocolPort ? 2 : 1;
    const bool hasPort = key != KeyType::address;
    if (element.key.size() != addresses * addressSize + (hasPort ? 8 : 0)) return std::nullopt;
    const auto *at = element.key.data();
    if (addresses > 0) result.address = IpAddress::fromBytes(family, at);
    if (addresses > 1) result.secondAddress = IpAddress::fromBytes(family, at + addressSize);
    at += addresses * addressSize;
    if (hasPort) {
        result.protocol = static_cast<Protocol>(at[0]);
        result.port = static_cast<Port>(std::to_integer<unsigned>(at[4]) << 8 | std::to_integer<unsigned>(at[5]));
    }
    if (element.verdict)
        result.verdict = *element.verdict == NF_DROP ? "drop"
                         : *element.verdict == static_cast<std::uint32_t>(NFT_GOTO)
                             ? element.chain
                             : "verdict " + std::to_string(*element.verdict) + element.chain;
    result.comment = element.comment;
    return result;
}

} // namespace natlens::proxycore::nft
