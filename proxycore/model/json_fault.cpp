// Where and why a text is not JSON, in words. Only asked when it is known that it is not: nlohmann's reader is ten
// times slower than the index of json_document.h, but it says what it expected.
#include "proxycore/model/json_document.h"
#include "proxycore/model/json_scan.h"

#include <nlohmann/json.hpp>

namespace natlens::proxycore::detail {

namespace {

using Json = nlohmann::json;

/// Counts what the reader has taken, so that it is known where a value ended.
class CountingIterator final {
public:
    using iterator_category = std::input_iterator_tag;
    using value_type = char;
    using difference_type = std::ptrdiff_t;
    using pointer = const char *;
    using reference = const char &;

    CountingIterator(const char *at, const char **reached)
        : m_at(at)
        , m_reached(reached) {}
    reference operator*() const { return *m_at; }
    CountingIterator &operator++() {
        *m_reached = ++m_at;
        return *this;
    }
    bool operator==(const CountingIterator &other) const { return m_at == other.m_at; }

private:
    const char *m_at;
    const char **m_reached;
};

/// Keeps nothing but the fault.
class Listener final : public nlohmann::json_sax<Json> {
public:
    std::string what;
    std::size_t byte = 0;

    bool null() override { return true; }
    bool boolean(bool) override { return true; }
    bool number_integer(number_integer_t) override { return true; }
    bool number_unsigned(number_unsigned_t) override { return true; }
    bool number_float(number_float_t, const string_t &) override { return true; }
    bool string(string_t &) override { return true; }
    bool binary(binary_t &) override { return true; }
    bool start_object(std::size_t) override { return true; }
    bool key(string_t &) override { return true; }
    bool end_object() override { return true; }
    bool start_array(std::size_t) override { return true; }
    bool end_array() override { return true; }
    bool parse_error(std::size_t position, const std::string &, const Json::exception &error) override {
        what = error.what();
        byte = position;
        return false;
    }
};

/// The library's message without its own prefix: "[json.exception.parse_error.101] parse error at line 1, column 2: x".
std::string reasonOf(const std::string &what) {
    const auto colon = what.find(": ");
    std::string reason = colon == std::string::npos ? what : what.substr(colon + 2);
    for (char &c : reason)
        if (static_cast<unsigned char>(c) < ' ') c = ' ';
    constexpr std::size_t kLongest = 300; // the last thing read is quoted in it, however long it is
    if (reason.size() > kLongest) {
        std::size_t end = kLongest;
        while (end > 0 && (static_cast<unsigned char>(reason[end]) & 0xc0) == 0x80)
            --end;
        reason.resize(end);
        reason += "...";
    }
    return reason;
}

} // namespace

std::optional<std::string> jsonFault(std::string_view text) {
    constexpr std::string_view kBlank = " \t\r\n";
    for (std::size_t begin = text.find_first_not_of(kBlank); begin < text.size();
         begin = text.find_first_not_of(kBlank, begin)) {
        Listener listener;
        // Only arrays and objects say by themselves where they end.
        const bool container = text[begin] == '{' || text[begin] == '[';
        const char *reached = text.data() + begin;
        const CountingIterator from(reached, &reached), to(text.data() + text.size(), &reached);
        if (Json::sax_parse(from, to, &listener, Json::input_format_t::json, !container)) {
            if (!container) return std::nullopt;
            begin = static_cast<std::size_t>(reached - text.data());
            continue;
        }
        const std::size_t at = std::min(begin + (listener.byte > 0 ? listener.byte - 1 : 0), text.size());
        const auto before = text.substr(0, at);
        const auto line = 1 + std::count(before.begin(), before.end(), '\n');
        const auto lineStart = before.rfind('\n');
        const std::size_t column = lineStart == std::string_view::npos ? at + 1 : at - lineStart;
        return fmt::format("line {}, column {}: not JSON: {}", line, column, reasonOf(listener.what));
    }
    return std::nullopt;
}

std::string shownText(std::string_view text) {
    auto shown = Json(text).dump(-1, ' ', true, Json::error_handler_t::replace);
    if (shown.size() > 40) shown = shown.substr(0, 37) + "...";
    return shown;
}

} // namespace natlens::proxycore::detail
