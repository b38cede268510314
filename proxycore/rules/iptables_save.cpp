#include "proxycore/rules/iptables_save.h"

#include <algorithm>
#include <charconv>
#include <span>

namespace natlens::proxycore::detail {

namespace {

struct Word {
    std::string text;
    bool quoted = false;
    [[nodiscard]] bool isOption() const { return !quoted && text.size() > 1 && text.front() == '-'; }
    [[nodiscard]] bool isNot() const { return !quoted && text == "!"; }
};

/// Words as iptables-save writes them: in double quotes where there are blanks, with \" and \\ for " and \ inside.
/// False: a quote is not closed.
bool split(std::string_view line, std::vector<Word> &words) {
    words.clear();
    for (std::size_t at = 0; at < line.size();) {
        if (line[at] == ' ' || line[at] == '\t') {
            ++at;
            continue;
        }
        Word &word = words.emplace_back();
        if (line[at] != '"') {
            const auto end = std::min(line.find_first_of(" \t", at), line.size());
            word.text = line.substr(at, end - at);
            at = end;
            continue;
        }
        word.quoted = true;
        for (++at; at < line.size() && line[at] != '"'; ++at) {
            if (line[at] == '\\' && at + 1 < line.size()) ++at;
            word.text += line[at];
        }
        if (at == line.size()) return false;
        ++at;
    }
    return true;
}

template<class T>
bool number(std::string_view text, T &value, int base = 10) {
    const auto *end = text.data() + text.size();
    const auto [at, error] = std::from_chars(text.data(), end, value, base);
    return error == std::errc() && at == end;
}

bool hexNumber(std::string_view text, std::uint32_t &value) {
    if (text.starts_with("0x")) return number(text.substr(2), value, 16);
    return number(text, value);
}

/// Reads the options of one rule. What it does not know it passes over with its arguments.
class RuleReader final {
public:
    explicit RuleReader(IptablesRule &rule)
        : m_rule(rule) {}

    /// "" or what is wrong.
    std::string read(std::span<const Word> words) {
        bool negated = false;
        for (std::size_t i = 0; i < words.size();) {
            if (words[i].isNot()) {
                negated = true;
                ++i;
                continue;
            }
            const std::string_view option = words[i++].text;
            auto end = i;
            while (end < words.size() && !words[end].isOption() && !words[end].isNot())
                ++end;
            // iptables before 1.4.3 printed the "!" behind the option.
            if (end == i && i + 1 < words.size() && words[i].isNot() && !words[i + 1].isOption() && takesOne(option)) {
                negated = true;
                end = ++i + 1;
            }
            const std::string_view first = i < end ? std::string_view(words[i].text) : std::string_view();
            const std::string_view second = i + 1 < end ? std::string_view(words[i + 1].text) : std::string_view();
            if (auto fault = take(option, first, second, negated); !fault.empty()) return fault;
            negated = false;
            i = end;
        }
        return {};
    }

private:
    static bool takesOne(std::string_view option) {
        return option == "-s" || option == "-d" || option == "-i" || option == "-p" || option == "--src-type" ||
               option == "--dst-type";
    }

    std::string prefix(std::optional<IptablesRule::Prefix> &place, std::string_view text, bool negated) {
        const auto range = IpPrefix::parse(text);
        if (!range) return fmt::format("\"{}\" is no address or range", text);
        place = IptablesRule::Prefix{*range, negated};
        return {};
    }

    std::string take(std::string_view option, std::string_view first, std::string_view second, bool negated) {
        if (option == "-s" || option == "--source") return prefix(m_rule.source, first, negated);
        if (option == "-d" || option == "--destination") return prefix(m_rule.destination, first, negated);
        if (option == "-p" || option == "--protocol") {
            const auto protocol = packet::parseProtocol(first);
            m_rule.protocol = protocol.value_or(Protocol::none);
        } else if (option == "-i" || option == "--in-interface") {
            m_rule.inputInterface = first;
            m_rule.inputNegated = negated;
        } else if (option == "--dport") {
            if (!number(first, m_rule.destinationPort)) return fmt::format("\"{}\" is no port", first);
        } else if (option == "--comment") {
            m_rule.comment = first;
        } else if (option == "--src-type" && first == "LOCAL") {
            (negated ? m_rule.sourceIsNotLocal : m_rule.sourceIsLocal) = true;
        } else if (option == "--dst-type" && first == "LOCAL") {
            m_rule.destinationIsLocal = !negated;
        } else if (option == "--physdev-is-in") {
            m_rule.physdev = true;
        } else if (option == "--ctstate") {
            m_rule.invalidState = first == "INVALID" && !negated;
        } else if (option == "--match-set") {
            m_rule.matchesSet = true;
        } else if (option == "--seconds") {
            std::int64_t seconds = 0;
            if (!number(first, seconds) || seconds < 0) return fmt::format("\"{}\" is no number of seconds", first);
            m_rule.remembered = std::chrono::seconds(std::min<std::int64_t>(seconds, 86'400));
        } else if (option == "-j" || option == "--jump" || option == "-g" || option == "--goto") {
            m_rule.target = first;
        } else if (option == "--to-destination") {
            m_rule.toDestination = first;
        } else if (option == "--random-fully") {
            m_rule.fullyRandom = true;
        } else {
            mark(option, first, second);
        }
        return {};
    }

    void mark(std::string_view option, std::string_view first, std::string_view) {
        if (option != "--set-xmark" && option != "--or-mark" && option != "--xor-mark" && option != "--set-mark")
            return;
        const auto slash = first.find('/');
        std::uint32_t value = 0;
        if (!hexNumber(first.substr(0, slash), value)) return;
        const auto mask = slash == first.npos ? std::string_view() : first.substr(slash + 1);
        m_rule.marks = true;
        m_rule.mark = value;
        m_rule.clearsMark = option == "--xor-mark" || mask == "0x0" || mask == "0";
    }

    IptablesRule &m_rule;
};

bool isInteresting(std::string_view chain) {
    return chain.starts_with("KUBE-");
}

class Reader final {
public:
    Reader(std::string_view text, Problems &problems)
        : m_text(text)
        , m_problems(problems) {}

    std::vector<IptablesTable> read() {
        std::size_t number = 0;
        for (std::size_t at = 0; at < m_text.size();) {
            const auto end = m_text.find('\n', at);
            auto line = m_text.substr(at, end == m_text.npos ? m_text.npos : end - at);
            if (line.ends_with('\r')) line.remove_suffix(1);
            ++number;
            m_last = end == m_text.npos; // iptables-save ends its last line too
            take(line, number);
            if (end == m_text.npos) break;
            at = end + 1;
        }
        if (!m_tables.empty() && !m_tables.back().complete)
            m_problems.add("table " + m_tables.back().name, fmt::format("line {}", number),
                           "the listing breaks off here (there is no COMMIT); what came before is used");
        // A table without header and addresses is of the family of the table before it, or else of that behind it.
        for (std::size_t i = 1; i < m_tables.size(); ++i)
            if (m_families[i] == IpFamily::none) m_families[i] = m_families[i - 1];
        for (std::size_t i = m_tables.size(); i-- > 0;) {
            if (m_families[i] == IpFamily::none && i + 1 < m_tables.size()) m_families[i] = m_families[i + 1];
            if (m_families[i] != IpFamily::none) m_tables[i].family = m_families[i];
        }
        return std::move(m_tables);
    }

private:
    void take(std::string_view line, std::size_t number) {
        if (line.starts_with('#')) {
            if (line.find("Generated by ip6tables") != line.npos)
                m_header = IpFamily::v6;
            else if (line.find("Generated by iptables") != line.npos || line.find("Generated by xtables") != line.npos)
                m_header = IpFamily::v4;
            return;
        }
        if (line.starts_with('*')) {
            m_tables.push_back({});
            m_tables.back().name = line.substr(1);
            m_families.push_back(m_header);
            return;
        }
        if (line.starts_with('[')) { // iptables-save -c
            const auto close = line.find("] ");
            if (close != line.npos) line.remove_prefix(close + 2);
        }
        if (m_tables.empty()) return;
        auto &table = m_tables.back();
        if (line.starts_with("COMMIT")) {
            table.complete = true;
        } else if (line.starts_with(':')) {
            const auto name = line.substr(1, line.find(' ') - 1);
            if (isInteresting(name)) table.chains.try_emplace(std::string(name));
        } else if (line.starts_with("-A ")) {
            rule(table, line.substr(3), number);
        }
    }

    void rule(IptablesTable &table, std::string_view line, std::size_t number) {
        const auto chain = line.substr(0, line.find(' '));
        if (!isInteresting(chain)) return;
        const auto place = fmt::format("line {}", number);
        if (!split(line.substr(chain.size()), m_words)) {
            if (!m_last) m_problems.add("chain " + std::string(chain), place, "a quote is not closed; rule left out");
            return;
        }
        IptablesRule rule;
        rule.line = number;
        if (auto fault = RuleReader(rule).read(m_words); !fault.empty()) {
            if (!m_last) m_problems.add("chain " + std::string(chain), place, fault + "; rule left out");
            return;
        }
        if (m_last && !table.complete) return; // half a line may read as a whole rule that says something else
        if (m_families.back() == IpFamily::none) {
            const auto &known = rule.destination ? rule.destination : rule.source;
            if (known) m_families.back() = known->range.address.family;
        }
        table.chains[std::string(chain)].push_back(std::move(rule));
    }

    std::string_view m_text;
    Problems &m_problems;
    std::vector<IptablesTable> m_tables;
    std::vector<IpFamily> m_families; ///< of m_tables; none: neither header nor address has told it
    IpFamily m_header = IpFamily::none;
    std::vector<Word> m_words;
    bool m_last = false;
};

} // namespace

std::vector<IptablesTable> parseIptablesSave(std::string_view text, Problems &problems) {
    return Reader(text, problems).read();
}

} // namespace natlens::proxycore::detail
