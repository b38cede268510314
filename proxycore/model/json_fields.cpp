#include "proxycore/model/json_fields.h"

#include <algorithm>
#include <charconv>

namespace natlens::proxycore::detail {

namespace {

std::string_view trimmed(std::string_view text) {
    constexpr std::string_view blank = " \t\r\n";
    const auto first = text.find_first_not_of(blank);
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(blank) - first + 1);
}

/// A JSON pointer token (RFC 6901: ~ and / are escaped), with the separator before it. Control characters would break
/// the one line that a Problem is.
std::string token(std::string_view key) {
    std::string result = "/";
    for (const char c : key) {
        if (c == '~')
            result += "~0";
        else if (c == '/')
            result += "~1";
        else
            result += static_cast<unsigned char>(c) < ' ' ? '?' : c;
    }
    return result;
}

} // namespace

std::optional<IpAddress> parseSloppyAddress(std::string_view text) {
    if (auto strict = IpAddress::parse(text)) return strict;
    if (text.empty() || text.find_first_not_of("0123456789.") != std::string_view::npos) return std::nullopt;
    std::string plain;
    bool atStart = true;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const bool digitFollows = i + 1 < text.size() && text[i + 1] != '.';
        if (atStart && text[i] == '0' && digitFollows) continue;
        plain += text[i];
        atStart = text[i] == '.';
    }
    return IpAddress::parse(plain);
}

std::optional<IpPrefix> parseSloppyPrefix(std::string_view text) {
    text = trimmed(text);
    if (auto strict = IpPrefix::parse(text)) return strict;
    const auto slash = text.find('/');
    if (slash == std::string_view::npos) return std::nullopt;
    const auto ip = parseSloppyAddress(text.substr(0, slash));
    if (!ip) return std::nullopt;
    return IpPrefix::parse(ip->toString() + std::string(text.substr(slash)));
}

std::string Reporter::pointerTo(std::uint32_t place) {
    std::string pointer;
    JsonValue value = m_root;
    std::string scratch;
    while (value.at() != place) {
        const bool object = value.isObject();
        std::uint32_t at = value.at() + 1, index = 0;
        if (!object && m_lastElement.list == value.at() && m_lastElement.place <= place && m_lastElement.place != 0) {
            at = m_lastElement.place;
            index = m_lastElement.index;
        }
        std::uint32_t key = at;
        for (;; ++index) {
            key = at;
            if (object) ++at;
            const auto end = value.atPlace(at).end();
            if (place < end) break;
            at = end;
        }
        if (!object && index > 0) m_lastElement = {value.at(), index, at};
        pointer += object ? token(value.atPlace(key).text(scratch)) : "/" + std::to_string(index);
        value = value.atPlace(at);
    }
    return pointer;
}

void Reporter::report(std::uint32_t place, std::string_view suffix, std::string text) {
    if (m_problems->size() > kMostProblems) return;
    std::string object(m_kind);
    if (m_name != nullptr) object += " " + m_name->toString();
    add(*m_problems, {std::move(object), pointerTo(place).append(suffix), std::move(text)});
}

void Reporter::add(std::vector<Problem> &problems, Problem problem) {
    if (problems.size() > kMostProblems) return;
    // A field that is asked for twice is complained about once.
    const auto recent = problems.size() > 16 ? problems.end() - 16 : problems.begin();
    if (std::find(recent, problems.end(), problem) != problems.end()) return;
    if (problems.size() == kMostProblems)
        problem = {"document", "",
                   "more than " + std::to_string(kMostProblems) + " faults; the rest of them is not listed"};
    problems.push_back(std::move(problem));
}

void Fields::listMembers() const {
    m_last.fill(kNone);
    auto at = m_value.at() + 1;
    const auto end = m_value.end();
    for (std::uint8_t i = 0; at < end && i < kMostListed; ++i) {
        const auto slot = m_value.atPlace(at).keySlot();
        if (slot == JsonValue::kNoSlot) break;
        m_keys[i] = at;
        m_before[i] = std::exchange(m_last[slot], i);
        at = m_value.atPlace(at + 1).end();
    }
    m_unlisted = at;
    m_allListed = at >= end;
}

/// The place of the last value with this key; 0 when there is none.
std::uint32_t Fields::lookUp(const FieldKey &key) const {
    if (m_unlisted == kNotListed) {
        if (!isObject()) return 0;
        listMembers();
    }
    std::uint32_t found = 0;
    bool second = false;
    if (!m_allListed) [[unlikely]]
        for (auto at = m_unlisted, end = m_value.end(); at < end; at = m_value.atPlace(at + 1).end())
            if (m_value.atPlace(at).equals(key.name())) {
                second = found != 0;
                found = at + 1;
            }
    for (auto i = m_last[key.slot()]; i != kNone; i = m_before[i])
        if (m_value.atPlace(m_keys[i]).equals(key.name())) {
            second = second || found != 0;
            if (found == 0) found = m_keys[i] + 1;
        }
    if (second) [[unlikely]]
        report(key, "occurs more than once; the last one is used");
    return found != 0 && m_value.atPlace(found).first() == 'n' ? 0 : found;
}

void Fields::report(std::string_view key, std::string text) const {
    std::string suffix;
    for (std::size_t i = 0; i < m_absentCount; ++i)
        suffix += token(m_absent[i]);
    if (!key.empty()) suffix += token(key);
    m_reporter->report(m_value.at(), suffix, std::move(text));
}

std::string_view Fields::textView(const FieldKey &key, std::string &scratch, std::string_view fallback) const {
    const auto field = find(key);
    if (!field) return fallback;
    if (field->isString()) return field->text(scratch);
    report(key, "expected text, found " + field->shown() + "; ignored");
    return fallback;
}

std::string Fields::text(const FieldKey &key, std::string_view fallback) const {
    std::string scratch;
    return std::string(textView(key, scratch, fallback));
}

bool Fields::flag(const FieldKey &key, bool fallback) const {
    const auto field = find(key);
    if (!field) return fallback;
    if (field->first() == 't' || field->first() == 'f') return field->first() == 't';
    report(key, "expected true or false, found " + field->shown() + "; ignored");
    return fallback;
}

std::optional<long long> Fields::integer(const FieldKey &key, long long lowest, long long highest) const {
    const auto field = find(key);
    if (!field) return std::nullopt;
    if (field->kind() == JsonValue::Kind::number) {
        const auto written = field->token();
        long long number = 0;
        const auto [end, error] = std::from_chars(written.data(), written.data() + written.size(), number);
        const bool whole = error == std::errc{} && end == written.data() + written.size();
        if (whole && number >= lowest && number <= highest) return number;
    }
    report(key, fmt::format("expected a number from {} to {}, found {}; ignored", lowest, highest, field->shown()));
    return std::nullopt;
}

Port Fields::port(const FieldKey &key) const {
    const auto field = find(key);
    if (!field || (field->kind() == JsonValue::Kind::number && field->token() == "0")) return 0;
    return static_cast<Port>(integer(key, 1, 65535).value_or(0));
}

std::optional<IpAddress> Fields::address(const FieldKey &key) const {
    std::string scratch;
    const auto written = textView(key, scratch);
    if (written.empty()) return std::nullopt;
    const auto ip = parseSloppyAddress(written);
    if (!ip) report(key, find(key)->shown() + " is not an IP address; ignored");
    return ip;
}

Labels Fields::labels() const {
    Labels result;
    if (!isObject()) return result;
    std::string scratch;
    for (auto at = m_value.at() + 1, end = m_value.end(); at < end;) {
        const auto name = m_value.atPlace(at), value = m_value.atPlace(at + 1);
        at = value.end();
        if (value.isString())
            result[name.text()] = value.text(scratch);
        else
            report(name.text(), "expected text, found " + value.shown() + "; ignored");
    }
    return result;
}

Fields Fields::inner(const FieldKey &key) const {
    const auto field = find(key);
    if (field && field->isObject()) return Fields(*field, *m_reporter);
    if (field) report(key, "expected an object, found " + field->shown() + "; ignored");
    Fields absent(m_value, *m_reporter);
    absent.m_absent = m_absent;
    absent.m_absentCount = m_absentCount;
    if (absent.m_absentCount < kMostAbsent) absent.m_absent[absent.m_absentCount++] = key.name();
    return absent;
}

std::optional<JsonValue> Fields::list(const FieldKey &key) const {
    const auto field = find(key);
    if (!field || field->isArray()) return field;
    report(key, "expected a list, found " + field->shown() + "; ignored");
    return std::nullopt;
}

std::vector<std::string> Fields::texts(const FieldKey &key) const {
    std::vector<std::string> result;
    eachElement(key, [&](const Fields &entry) {
        if (entry.value().isString())
            result.push_back(entry.value().text());
        else
            entry.report("", "expected text, found " + entry.value().shown() + "; ignored");
    });
    return result;
}

std::vector<IpAddress> Fields::addresses(const FieldKey &key) const {
    std::vector<IpAddress> result;
    std::string scratch;
    eachElement(key, [&](const Fields &entry) {
        const auto ip = entry.value().isString() ? parseSloppyAddress(entry.value().text(scratch)) : std::nullopt;
        if (ip)
            result.push_back(*ip);
        else
            entry.report("", entry.value().shown() + " is not an IP address; ignored");
    });
    return result;
}

std::vector<IpPrefix> Fields::prefixes(const FieldKey &key) const {
    std::vector<IpPrefix> result;
    std::string scratch;
    eachElement(key, [&](const Fields &entry) {
        const auto prefix = entry.value().isString() ? parseSloppyPrefix(entry.value().text(scratch)) : std::nullopt;
        if (prefix)
            result.push_back(*prefix);
        else
            entry.report("", entry.value().shown() + " is not an address range (CIDR); ignored");
    });
    return result;
}

} // namespace natlens::proxycore::detail
