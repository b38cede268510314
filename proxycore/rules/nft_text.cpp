// `nft list ruleset` as text: also what `natlens rules --format nftables` prints.
#include "proxycore/rules/nft_ruleset.h"

#include <algorithm>
#include <charconv>

namespace natlens::proxycore::detail {

namespace {

struct Token {
    std::string_view text;
    std::size_t line = 0;
    bool quoted = false;
};

/// Words at blanks; quotes, braces, and the comma or semicolon behind a word are words of their own. The end of a line
/// is a ";" as well.
std::vector<Token> tokens(std::string_view text) {
    std::vector<Token> result;
    std::size_t line = 1;
    for (std::size_t at = 0; at < text.size();) {
        const char c = text[at];
        if (c == '\n') {
            result.push_back({";", line++, false});
            ++at;
        } else if (c == ' ' || c == '\t' || c == '\r') {
            ++at;
        } else if (c == '#') {
            at = std::min(text.find('\n', at), text.size());
        } else if (c == '"') {
            const auto end = std::min(text.find_first_of("\"\n", at + 1), text.size());
            result.push_back({text.substr(at + 1, end - at - 1), line, true});
            at = end < text.size() && text[end] == '"' ? end + 1 : end;
        } else if (c == '{' || c == '}' || c == ',' || c == ';') {
            result.push_back({text.substr(at, 1), line, false});
            ++at;
        } else {
            const auto end = std::min(text.find_first_of(" \t\r\n\"{},;", at), text.size());
            result.push_back({text.substr(at, end - at), line, false});
            at = end;
        }
    }
    return result;
}

std::optional<std::uint32_t> numberOf(std::string_view text) {
    const bool hex = text.starts_with("0x");
    if (hex) text.remove_prefix(2);
    std::uint32_t value = 0;
    const auto *end = text.data() + text.size();
    const auto [at, error] = std::from_chars(text.data(), end, value, hex ? 16 : 10);
    if (error != std::errc() || at != end) return std::nullopt;
    return value;
}

/// "1m", "3h", "60s", "1d2h", "86400": seconds.
std::chrono::seconds duration(std::string_view text) {
    std::int64_t total = 0, value = 0;
    bool digits = false;
    for (const char c : text) {
        if (c >= '0' && c <= '9') {
            value = std::min<std::int64_t>(value * 10 + (c - '0'), 1'000'000'000);
            digits = true;
            continue;
        }
        const std::int64_t unit = c == 'd' ? 86'400 : c == 'h' ? 3'600 : c == 'm' ? 60 : c == 's' ? 1 : 0;
        total += value * unit;
        value = 0;
        digits = false;
    }
    if (digits) total += value;
    return std::chrono::seconds(std::min<std::int64_t>(total, 86'400));
}

class Parser final {
public:
    Parser(std::string_view text, Problems &problems)
        : m_tokens(tokens(text))
        , m_problems(problems) {}

    NftListing parse() {
        while (!done()) {
            if (!is("table")) {
                next();
                continue;
            }
            next();
            const auto family = take(), name = take();
            if (!is("{")) continue; // "table ip kube-proxy" alone, as scripts have it
            next();
            const bool ours = name == "kube-proxy" && (family == "ip" || family == "ip6");
            table(ours, family == "ip6" ? IpFamily::v6 : IpFamily::v4);
        }
        return std::move(m_listing);
    }

private:
    [[nodiscard]] bool done() const { return m_at >= m_tokens.size(); }
    [[nodiscard]] bool is(std::string_view text) const {
        return !done() && !m_tokens[m_at].quoted && m_tokens[m_at].text == text;
    }
    /// Not done, and neither the end of a statement nor of a block.
    [[nodiscard]] bool goesOn() const { return !done() && !is(";") && !is("}"); }
    [[nodiscard]] std::string_view word() const { return done() ? std::string_view() : m_tokens[m_at].text; }
    void next() { ++m_at; }
    std::string_view take() {
        const auto text = word();
        next();
        return text;
    }
    void skipBlock() {
        for (std::size_t depth = 1; !done() && depth > 0; next()) {
            if (is("{")) ++depth;
            if (is("}")) --depth;
        }
    }
    /// True: the block, named `object`, was closed. False: the text ends within it.
    bool closed(const std::string &object) {
        if (is("}")) {
            next();
            return true;
        }
        if (!m_brokenOff)
            m_problems.add(object, fmt::format("line {}", m_tokens.empty() ? 0 : m_tokens.back().line),
                           "the listing breaks off here; what came before is used");
        m_brokenOff = true;
        return false;
    }

    void table(bool ours, IpFamily family) {
        NftTable table;
        table.family = family;
        while (!done() && !is("}")) {
            const auto kind = take();
            if (kind == "{") {
                skipBlock();
            } else if (kind == "set" || kind == "map" || kind == "chain") {
                const std::string name(take());
                if (name.starts_with("KUBE-")) m_listing.hasIptablesRules = true;
                if (!is("{")) continue;
                next();
                if (!ours)
                    skipBlock();
                else if (kind == "chain")
                    chain(table, name);
                else
                    set(table.sets[name], name);
            }
        }
        (void)closed("table kube-proxy");
        if (ours) m_listing.tables.push_back(std::move(table));
    }

    void set(NftSet &set, const std::string &name) {
        while (!done() && !is("}")) {
            const auto what = take();
            if (what == "timeout") {
                set.timeout = duration(take());
            } else if (what == "elements") {
                if (is("=")) next();
                if (is("{")) next();
                elements(set);
            }
        }
        (void)closed("set " + name);
    }

    void elements(NftSet &set) {
        while (!done() && !is("}")) {
            if (is(",") || is(";")) {
                next();
                continue;
            }
            NftElement element;
            while (!done() && !is(",") && !is("}") && !is(":")) {
                const auto part = take();
                if (part == "comment")
                    element.comment = take();
                else if (part == "timeout" || part == "expires")
                    (void)take();
                else if (part != "." && part != ";")
                    element.key.emplace_back(part);
            }
            if (is(":")) {
                next();
                element.verdict = verdict();
            }
            if (!done()) set.elements.push_back(std::move(element)); // the last one may be half there
        }
        if (is("}")) next();
    }

    NftVerdict verdict() {
        using Kind = NftVerdict::Kind;
        const auto what = take();
        if (what == "goto" || what == "jump") return {Kind::go, std::string(take())};
        if (what == "drop") return {Kind::drop, {}};
        if (what == "reject") return {Kind::reject, {}};
        return {Kind::other, {}};
    }

    void chain(NftTable &table, const std::string &name) {
        auto &rules = table.chains[name];
        while (!done() && !is("}")) {
            if (is(";")) {
                next();
                continue;
            }
            if (is("type") || is("policy") || (is("comment") && rules.empty())) {
                while (goesOn())
                    next();
                continue;
            }
            NftRule rule;
            rule.place = fmt::format("line {}", m_tokens[m_at].line);
            while (goesOn())
                statement(rule);
            if (!done()) rules.push_back(std::move(rule));
        }
        (void)closed("chain " + name);
    }

    void statement(NftRule &rule) {
        const auto what = take();
        if (what == "ip" || what == "ip6") return address(rule);
        if (what == "iifname") return match(rule, NftRule::Field::input);
        if (what == "fib") {
            const auto side = take();
            if (is("type")) next();
            return match(rule, side == "saddr" ? NftRule::Field::sourceType : NftRule::Field::destinationType);
        }
        if (what == "meta" || what == "mark") return meta(rule, what);
        if (what == "goto" || what == "jump") {
            rule.verdict = {NftVerdict::Kind::go, std::string(take())};
        } else if (what == "drop") {
            rule.verdict = {NftVerdict::Kind::drop, {}};
        } else if (what == "reject") {
            rule.verdict = {NftVerdict::Kind::reject, {}};
        } else if (what == "comment") {
            rule.comment = take();
        } else if (what == "masquerade") {
            rule.masquerades = true;
        } else if (what == "fully-random") {
            rule.fullyRandom = true;
        } else if (what == "vmap") {
            vmap(rule);
        } else if (what == "dnat") {
            dnat(rule);
        } else if (what == "update" || what == "add") {
            rule.remembers = true;
            while (goesOn() && !is("{"))
                next();
            skipBraces();
        } else if (what == "{") {
            skipBlock();
        }
    }

    void skipBraces() {
        if (!is("{")) return;
        next();
        skipBlock();
    }

    /// Behind "ip" or "ip6": an address, or the first part of a concatenation.
    void address(NftRule &rule) {
        const auto field = take();
        if (is(".")) { // up to what is done with the whole
            while (goesOn() && !is("vmap") && !word().starts_with('@'))
                next();
            if (word().starts_with('@')) next();
            return;
        }
        if (field == "saddr") return match(rule, NftRule::Field::sourceAddress);
        if (field == "daddr") return match(rule, NftRule::Field::destinationAddress);
    }

    void match(NftRule &rule, NftRule::Field field) {
        NftRule::Match match;
        match.field = field;
        if (is("!=")) match.negated = true;
        if (is("!=") || is("==")) next();
        if (is("{")) {
            next();
            while (!done() && !is("}")) {
                if (!is(",") && !is(";")) match.values.emplace_back(word());
                next();
            }
            if (is("}")) next();
        } else if (goesOn()) {
            match.values.emplace_back(take());
        }
        rule.matches.push_back(std::move(match));
    }

    /// "meta l4proto tcp", "meta mark set meta mark | 0x4000" and so on; nft before 1.0 leaves "meta" out for marks.
    void meta(NftRule &rule, std::string_view what) {
        const auto key = what == "mark" ? what : take();
        if (key == "l4proto") {
            if (!is(".")) return match(rule, NftRule::Field::protocol);
            while (goesOn() && !is("vmap"))
                next();
        } else if (key == "iifname") {
            match(rule, NftRule::Field::input);
        } else if (key == "mark" && is("set")) {
            next();
            if (is("meta")) next();
            if (is("mark")) next();
            const auto sign = take();
            const auto bits = numberOf(take());
            if (sign == "|" || sign == "or") rule.setsMark = bits;
            if (sign == "^" || sign == "xor") rule.clearsMark = bits;
        }
    }

    void vmap(NftRule &rule) {
        if (word().starts_with('@')) {
            rule.map = take().substr(1);
        } else if (is("{")) {
            NftSet set;
            next();
            elements(set);
            for (auto &element : set.elements)
                rule.choices.push_back(std::move(element.verdict));
        }
    }

    /// "dnat [ip] to ADDRESS", "dnat ip [addr . port] to numgen random mod n map { 0 : ADDRESS . PORT, ... }"
    void dnat(NftRule &rule) {
        while (goesOn() && !is("to"))
            next();
        if (!is("to")) return;
        next();
        if (!is("numgen")) {
            if (const auto address = packet::SocketAddress::parse(word())) rule.dnatTo.push_back(*address);
            next();
            return;
        }
        while (goesOn() && !is("{"))
            next();
        if (is("{")) next();
        while (!done() && !is("}")) {
            if (take() != ":") continue;
            const auto ip = IpAddress::parse(take());
            if (is(".")) next();
            const auto port = numberOf(take());
            if (ip && port && *port > 0 && *port <= 65'535) rule.dnatTo.push_back({*ip, static_cast<Port>(*port)});
        }
        if (is("}")) next();
    }

    std::vector<Token> m_tokens;
    Problems &m_problems;
    NftListing m_listing;
    std::size_t m_at = 0;
    bool m_brokenOff = false;
};

} // namespace

NftListing parseNftText(std::string_view text, Problems &problems) {
    return Parser(text, problems).parse();
}

} // namespace natlens::proxycore::detail
