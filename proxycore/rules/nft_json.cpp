// `nft -j list ruleset`: {"nftables":[{"metainfo":...},{"table":...},{"chain":...},...]}. Each object of the array is
// read for itself, so that a listing that breaks off gives what was whole, and its size costs no memory.
#include "proxycore/rules/nft_ruleset.h"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace natlens::proxycore::detail {

namespace {

using Json = nlohmann::json;

/// The objects of an array of JSON text one after the other, by their braces.
class Objects final {
public:
    explicit Objects(std::string_view text)
        : m_text(text) {}

    /// Nothing at the end of the array or of the text.
    std::optional<std::string_view> next() {
        while (m_at < m_text.size() && m_text[m_at] != '{') {
            if (m_text[m_at] == ']') {
                m_closed = true;
                return std::nullopt;
            }
            ++m_at;
        }
        const auto begin = m_at;
        std::size_t depth = 0;
        for (bool quoted = false; m_at < m_text.size(); ++m_at) {
            const char c = m_text[m_at];
            if (quoted) {
                if (c == '\\') ++m_at;
                if (c == '"') quoted = false;
            } else if (c == '"') {
                quoted = true;
            } else if (c == '{') {
                ++depth;
            } else if (c == '}' && --depth == 0) {
                ++m_at;
                return m_text.substr(begin, m_at - begin);
            }
        }
        return std::nullopt;
    }

    [[nodiscard]] bool closed() const { return m_closed; }

private:
    std::string_view m_text;
    std::size_t m_at = 0;
    bool m_closed = false;
};

const Json &at(const Json &value, const char *key) {
    static const Json none;
    if (!value.is_object()) return none;
    const auto found = value.find(key);
    return found == value.end() ? none : *found;
}

std::string textOf(const Json &value) {
    if (value.is_string()) return value.get<std::string>();
    if (value.is_number_unsigned()) return std::to_string(value.get<std::uint64_t>());
    if (value.is_number_integer()) return std::to_string(value.get<std::int64_t>());
    return {};
}

std::optional<std::uint32_t> bits(const Json &value) {
    if (!value.is_number_unsigned()) return std::nullopt;
    const auto number = value.get<std::uint64_t>();
    if (number > UINT32_MAX) return std::nullopt;
    return static_cast<std::uint32_t>(number);
}

/// "10.1.0.0/16" for {"prefix":{"addr":"10.1.0.0","len":16}}, "10.1.0.7" for "10.1.0.7".
std::string valueText(const Json &value) {
    if (const auto &prefix = at(value, "prefix"); prefix.is_object())
        return textOf(at(prefix, "addr")) + "/" + textOf(at(prefix, "len"));
    if (const auto &elem = at(value, "elem"); elem.is_object()) return valueText(at(elem, "val"));
    return textOf(value);
}

NftVerdict verdictOf(const Json &value) {
    using Kind = NftVerdict::Kind;
    if (!value.is_object()) return {};
    for (const char *word : {"goto", "jump"})
        if (value.contains(word)) return {Kind::go, textOf(at(value[word], "target"))};
    if (value.contains("drop")) return {Kind::drop, {}};
    if (value.contains("reject")) return {Kind::reject, {}};
    return value.contains("accept") || value.contains("return") || value.contains("continue")
               ? NftVerdict{Kind::other, {}}
               : NftVerdict{};
}

std::vector<std::string> keyOf(const Json &value) {
    std::vector<std::string> key;
    if (const auto &parts = at(value, "concat"); parts.is_array())
        for (const auto &part : parts)
            key.push_back(valueText(part));
    else
        key.push_back(valueText(value));
    return key;
}

NftElement elementOf(const Json &value) {
    NftElement element;
    const bool mapped = value.is_array() && value.size() == 2;
    const Json *key = mapped ? &value[0] : &value;
    if (mapped) element.verdict = verdictOf(value[1]);
    if (const auto &elem = at(*key, "elem"); elem.is_object()) {
        element.comment = textOf(at(elem, "comment"));
        key = &at(elem, "val");
    }
    element.key = keyOf(*key);
    return element;
}

std::optional<packet::SocketAddress> addressOf(const std::string &ip, const Json &port) {
    const auto address = IpAddress::parse(ip);
    const auto number = bits(port);
    if (!address || !number || *number == 0 || *number > 65'535) return std::nullopt;
    return packet::SocketAddress{*address, static_cast<Port>(*number)};
}

class RuleReader final {
public:
    explicit RuleReader(NftRule &rule)
        : m_rule(rule) {}

    void statement(const Json &value) {
        if (!value.is_object() || value.empty()) return;
        const auto &what = value.begin().key();
        const auto &body = value.begin().value();
        if (what == "match") return match(body);
        if (what == "mangle") return mangle(body);
        if (what == "vmap") return vmap(body);
        if (what == "dnat") return dnat(body);
        if (what == "masquerade") {
            m_rule.masquerades = true;
            const auto &flags = at(body, "flags");
            m_rule.fullyRandom = flags == "fully-random" ||
                                 (flags.is_array() && std::ranges::find(flags, Json("fully-random")) != flags.end());
        } else if (what == "set") {
            m_rule.remembers = true;
        } else if (auto verdict = verdictOf(value); verdict.kind != NftVerdict::Kind::none) {
            m_rule.verdict = std::move(verdict);
        }
    }

private:
    static std::optional<NftRule::Field> fieldOf(const Json &left) {
        using Field = NftRule::Field;
        const auto &payload = at(left, "payload");
        if (at(payload, "field") == "saddr") return Field::sourceAddress;
        if (at(payload, "field") == "daddr") return Field::destinationAddress;
        const auto &meta = at(at(left, "meta"), "key");
        if (meta == "l4proto") return Field::protocol;
        if (meta == "iifname") return Field::input;
        const auto &fib = at(left, "fib");
        if (at(fib, "result") != "type") return std::nullopt;
        const auto &flags = at(fib, "flags");
        const auto has = [&](const char *flag) {
            return flags == flag || (flags.is_array() && std::ranges::find(flags, Json(flag)) != flags.end());
        };
        if (has("saddr")) return Field::sourceType;
        if (has("daddr")) return Field::destinationType;
        return std::nullopt;
    }

    void match(const Json &body) {
        const auto field = fieldOf(at(body, "left"));
        if (!field) return;
        NftRule::Match match;
        match.field = *field;
        match.negated = at(body, "op") == "!=";
        const auto &right = at(body, "right");
        if (const auto &set = at(right, "set"); set.is_array())
            for (const auto &value : set)
                match.values.push_back(valueText(value));
        else
            match.values.push_back(valueText(right));
        m_rule.matches.push_back(std::move(match));
    }

    void mangle(const Json &body) {
        if (at(at(at(body, "key"), "meta"), "key") != "mark") return;
        const auto &value = at(body, "value");
        for (const char *sign : {"|", "^"}) {
            const auto &sides = at(value, sign);
            if (!sides.is_array() || sides.size() != 2) continue;
            (*sign == '|' ? m_rule.setsMark : m_rule.clearsMark) = bits(sides[1]);
        }
    }

    void vmap(const Json &body) {
        const auto &data = at(body, "data");
        if (data.is_string()) {
            const auto name = data.get<std::string>();
            if (name.starts_with('@')) m_rule.map = name.substr(1);
        } else if (const auto &set = at(data, "set"); set.is_array()) {
            for (const auto &choice : set)
                if (choice.is_array() && choice.size() == 2) m_rule.choices.push_back(verdictOf(choice[1]));
        }
    }

    void dnat(const Json &body) {
        const auto &address = at(body, "addr");
        if (const auto &set = at(at(at(address, "map"), "data"), "set"); set.is_array()) {
            for (const auto &choice : set) {
                if (!choice.is_array() || choice.size() != 2) continue;
                const auto &parts = at(choice[1], "concat");
                if (!parts.is_array() || parts.size() != 2) continue;
                if (const auto to = addressOf(textOf(parts[0]), parts[1])) m_rule.dnatTo.push_back(*to);
            }
        } else if (const auto to = addressOf(textOf(address), at(body, "port"))) {
            m_rule.dnatTo.push_back(*to);
        }
    }

    NftRule &m_rule;
};

class Reader final {
public:
    explicit Reader(Problems &problems)
        : m_problems(problems) {}

    NftListing read(std::string_view text) {
        const auto key = text.find("\"nftables\"");
        const auto begin = key == text.npos ? key : text.find('[', key);
        if (begin == text.npos) return {};
        Objects objects(text.substr(begin + 1));
        for (std::size_t number = 0; const auto object = objects.next(); ++number) {
            m_place = fmt::format("/nftables/{}", number);
            m_number = number + 1;
            take(*object);
        }
        if (!objects.closed())
            m_problems.add("", fmt::format("/nftables/{}", m_number),
                           "the listing breaks off here; what came before is used");
        NftListing listing;
        listing.hasIptablesRules = m_hasIptablesRules;
        for (auto &[family, table] : m_tables)
            listing.tables.push_back(std::move(table));
        return listing;
    }

private:
    void take(std::string_view text) {
        const Json object = Json::parse(text, nullptr, false);
        if (object.is_discarded()) return m_problems.add("", m_place, "is not JSON; left out");
        if (!object.is_object() || object.empty()) return;
        const Json *entry = &object;
        // What a program sends to nft has each object in a command; "delete" and "flush" say nothing of what is there.
        if (const auto &added = at(object, "add"); added.is_object() && !added.empty()) entry = &added;
        const auto &kind = entry->begin().key();
        const auto &body = entry->begin().value();
        if (kind == "chain" && text.find("KUBE-") != text.npos) m_hasIptablesRules = true;
        const auto &family = at(body, "family");
        if (family != "ip" && family != "ip6") return;
        const auto &owner = at(body, kind == "table" ? "name" : "table");
        if (owner != "kube-proxy") return;
        auto &table = m_tables[family == "ip6"];
        table.family = family == "ip6" ? IpFamily::v6 : IpFamily::v4;
        if (kind == "chain")
            table.chains[textOf(at(body, "name"))];
        else if (kind == "set" || kind == "map" || kind == "element")
            set(table.sets[textOf(at(body, "name"))], body);
        else if (kind == "rule")
            rule(table, body);
    }

    static void set(NftSet &set, const Json &body) {
        if (const auto timeout = bits(at(body, "timeout")))
            set.timeout = std::chrono::seconds(std::min<std::uint32_t>(*timeout, 86'400));
        const auto &elements = at(body, "elem");
        if (!elements.is_array()) return;
        for (const auto &element : elements)
            set.elements.push_back(elementOf(element));
    }

    void rule(NftTable &table, const Json &body) {
        NftRule rule;
        rule.place = m_place;
        rule.comment = textOf(at(body, "comment"));
        const auto &statements = at(body, "expr");
        if (!statements.is_array())
            return m_problems.add("chain " + textOf(at(body, "chain")), m_place, "a rule without \"expr\"; left out");
        for (const auto &statement : statements)
            RuleReader(rule).statement(statement);
        table.chains[textOf(at(body, "chain"))].push_back(std::move(rule));
    }

    Problems &m_problems;
    std::map<bool, NftTable> m_tables; ///< by "is IPv6"
    std::string m_place;
    std::size_t m_number = 0;
    bool m_hasIptablesRules = false;
};

} // namespace

NftListing parseNftJson(std::string_view text, Problems &problems) {
    return Reader(problems).read(text);
}

} // namespace natlens::proxycore::detail
