#include "proxycore/model/json_fields.h"

#include <charconv>

namespace natlens::proxycore::detail {

namespace {

const Json kEmptyObject = Json::object();

std::string_view trimmed(std::string_view text) {
    constexpr std::string_view blank = " \t\r\n";
    const auto first = text.find_first_not_of(blank);
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(blank) - first + 1);
}

/// A JSON pointer token (RFC 6901: ~ and / are escaped).
std::string escaped(std::string_view key) {
    std::string result;
    for (const char c : key) {
        if (c == '~')
            result += "~0";
        else if (c == '/')
            result += "~1";
        else
            result += c;
    }
    return result;
}

/// The library's message without its own prefix: "[json.exception.parse_error.101] parse error at line 1, column 2: x".
std::string reasonOf(const std::string &what) {
    const auto colon = what.find(": ");
    std::string reason = colon == std::string::npos ? what : what.substr(colon + 2);
    for (char &c : reason)
        if (c == '\n' || c == '\r') c = ' ';
    return reason;
}

} // namespace

base::Result<Json> parseDocument(std::string_view text, std::string_view fileName) {
    try {
        return Json::parse(text.begin(), text.end());
    } catch (const Json::parse_error &error) {
        const std::size_t at = std::min(error.byte > 0 ? error.byte - 1 : 0, text.size());
        const auto before = text.substr(0, at);
        const auto line = 1 + std::count(before.begin(), before.end(), '\n');
        const auto lineStart = before.rfind('\n');
        const std::size_t column = lineStart == std::string_view::npos ? at + 1 : at - lineStart;
        return base::fail(base::ErrorCode::invalidInput,
                          fmt::format("line {}, column {}: not JSON: {}", line, column, reasonOf(error.what())),
                          "parse", std::string(fileName));
    } catch (const Json::exception &error) {
        return base::fail(base::ErrorCode::invalidInput, "not JSON: " + reasonOf(error.what()), "parse",
                          std::string(fileName));
    }
}

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

std::string shown(const Json &value) {
    // Not dumped: input nested a hundred thousand deep would exhaust the stack.
    if (value.is_object()) return "an object";
    if (value.is_array()) return "a list";
    std::string text = value.dump(-1, ' ', true, Json::error_handler_t::replace);
    if (text.size() > 40) text = text.substr(0, 37) + "...";
    return text;
}

const Json *Fields::find(std::string_view key) const {
    if (!m_value->is_object()) return nullptr;
    const auto found = m_value->find(key);
    return found == m_value->end() || found->is_null() ? nullptr : &*found;
}

void Fields::report(std::string_view key, std::string text) const {
    std::string pointer = m_pointer;
    if (!key.empty()) pointer += "/" + escaped(key);
    m_problems->push_back(Problem{m_object, std::move(pointer), std::move(text)});
}

std::string Fields::text(std::string_view key, std::string fallback) const {
    const Json *field = find(key);
    if (field == nullptr) return fallback;
    if (field->is_string()) return field->get<std::string>();
    report(key, "expected text, found " + shown(*field) + "; ignored");
    return fallback;
}

bool Fields::flag(std::string_view key, bool fallback) const {
    const Json *field = find(key);
    if (field == nullptr) return fallback;
    if (field->is_boolean()) return field->get<bool>();
    report(key, "expected true or false, found " + shown(*field) + "; ignored");
    return fallback;
}

std::optional<long long> Fields::integer(std::string_view key, long long lowest, long long highest) const {
    const Json *field = find(key);
    if (field == nullptr) return std::nullopt;
    if (field->is_number_integer()) {
        // An unsigned value above the signed range would wrap to a negative one, and be refused with the wrong words.
        const bool tooLarge = field->is_number_unsigned() &&
                              field->get<std::uint64_t>() > static_cast<std::uint64_t>(highest < 0 ? 0 : highest);
        const long long number = field->get<long long>();
        if (!tooLarge && number >= lowest && number <= highest) return number;
    }
    report(key, fmt::format("expected a number from {} to {}, found {}; ignored", lowest, highest, shown(*field)));
    return std::nullopt;
}

Port Fields::port(std::string_view key) const {
    const Json *field = find(key);
    if (field == nullptr || *field == 0) return 0;
    return static_cast<Port>(integer(key, 1, 65535).value_or(0));
}

std::optional<IpAddress> Fields::address(std::string_view key) const {
    const auto written = text(key);
    if (written.empty()) return std::nullopt;
    const auto ip = parseSloppyAddress(written);
    if (!ip) report(key, "\"" + written + "\" is not an IP address; ignored");
    return ip;
}

Labels Fields::labels(std::string_view key) const {
    Labels result;
    const Fields map = inner(key);
    for (const auto &[name, value] : map.value().items()) {
        if (value.is_string())
            result[name] = value.get<std::string>();
        else
            map.report(name, "expected text, found " + shown(value) + "; ignored");
    }
    return result;
}

Fields Fields::inner(std::string_view key) const {
    const Json *field = find(key);
    if (field != nullptr && !field->is_object()) {
        report(key, "expected an object, found " + shown(*field) + "; ignored");
        field = nullptr;
    }
    return Fields(field == nullptr ? kEmptyObject : *field, m_pointer + "/" + escaped(key), m_object, *m_problems);
}

std::vector<Fields> Fields::list(std::string_view key) const {
    std::vector<Fields> result;
    const Json *field = find(key);
    if (field == nullptr) return result;
    if (!field->is_array()) {
        report(key, "expected a list, found " + shown(*field) + "; ignored");
        return result;
    }
    result.reserve(field->size());
    const std::string base = m_pointer + "/" + escaped(key) + "/";
    for (std::size_t i = 0; i < field->size(); ++i)
        result.emplace_back((*field)[i], base + std::to_string(i), m_object, *m_problems);
    return result;
}

std::vector<Fields> Fields::objects(std::string_view key) const {
    auto result = list(key);
    std::erase_if(result, [](const Fields &entry) {
        if (entry.value().is_object()) return false;
        entry.report("", "expected an object, found " + shown(entry.value()) + "; ignored");
        return true;
    });
    return result;
}

std::vector<std::string> Fields::texts(std::string_view key) const {
    std::vector<std::string> result;
    for (const auto &entry : list(key)) {
        if (entry.value().is_string())
            result.push_back(entry.value().get<std::string>());
        else
            entry.report("", "expected text, found " + shown(entry.value()) + "; ignored");
    }
    return result;
}

std::vector<IpAddress> Fields::addresses(std::string_view key) const {
    std::vector<IpAddress> result;
    for (const auto &entry : list(key)) {
        const auto ip =
            entry.value().is_string() ? parseSloppyAddress(entry.value().get_ref<const std::string &>()) : std::nullopt;
        if (ip)
            result.push_back(*ip);
        else
            entry.report("", shown(entry.value()) + " is not an IP address; ignored");
    }
    return result;
}

std::vector<IpPrefix> Fields::prefixes(std::string_view key) const {
    std::vector<IpPrefix> result;
    for (const auto &entry : list(key)) {
        const auto prefix =
            entry.value().is_string() ? parseSloppyPrefix(entry.value().get_ref<const std::string &>()) : std::nullopt;
        if (prefix)
            result.push_back(*prefix);
        else
            entry.report("", shown(entry.value()) + " is not an address range (CIDR); ignored");
    }
    return result;
}

} // namespace natlens::proxycore::detail
