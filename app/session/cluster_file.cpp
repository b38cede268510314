#include "app/session/cluster_file.h"

#include "app/session/input_file.h"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace natlens::session {
namespace {

using nlohmann::json;

struct Document {
    std::string text;
    json value;
};

std::unexpected<base::Error> bad(const std::filesystem::path &path, std::string what) {
    return base::fail(base::ErrorCode::invalidInput, std::move(what), {}, path.string());
}

std::string lineAndColumn(const std::string &text, std::size_t byte) {
    byte = std::min(byte > 0 ? byte - 1 : 0, text.size()); // the library counts from 1
    const auto until = text.begin() + static_cast<std::ptrdiff_t>(byte);
    const auto line = 1 + std::count(text.begin(), until, '\n');
    const std::size_t lastBreak = byte == 0 ? std::string::npos : text.rfind('\n', byte - 1);
    return fmt::format("line {}, column {}", line, lastBreak == std::string::npos ? byte + 1 : byte - lastBreak);
}

/// The part of the library's message that says what is wrong; its place and number are said better by us.
std::string reason(const json::parse_error &error) {
    const std::string_view text = error.what();
    const auto at = text.find("syntax error while parsing ");
    return std::string(at == std::string_view::npos ? text : text.substr(at));
}

base::Result<Document> parseJson(std::string_view text, const std::filesystem::path &path) {
    Document document;
    document.text = text;
    try {
        document.value = json::parse(document.text);
    } catch (const json::parse_error &error) {
        return bad(path, fmt::format("not JSON at {}: {}", lineAndColumn(document.text, error.byte), reason(error)));
    }
    if (!document.value.is_object()) return bad(path, "must be one JSON object");
    return document;
}

/// "" if this is what it should be.
std::string objectFault(const json &object) {
    if (!object.is_object()) return "must be an object";
    if (!object.contains("kind") || !object["kind"].is_string()) return "has no \"kind\"";
    if (!object.contains("metadata") || !object["metadata"].is_object()) return "has no \"metadata\"";
    if (!object["metadata"].contains("name") || !object["metadata"]["name"].is_string())
        return "has no \"metadata.name\"";
    return {};
}

/// The part of a file's name that says whose rules these are; "" when it does not say it.
std::string nodeInName(const std::filesystem::path &path) {
    const auto name = path.filename().string();
    for (const std::string_view ending :
         {".iptables-save", ".ip6tables-save", ".iptables", ".ip6tables", ".nft.json", ".nft", ".rules"})
        if (name.size() > ending.size() && name.ends_with(ending)) return name.substr(0, name.size() - ending.size());
    return {};
}

} // namespace

ClusterArgument clusterArgument(const std::string &text) {
    const auto equals = text.find('=');
    const bool named =
        equals != text.npos && equals != 0 && equals + 1 < text.size() && text.substr(0, equals).find('/') == text.npos;
    std::error_code ignored;
    if (!named || std::filesystem::exists(text, ignored)) return {nodeInName(text), text};
    return {text.substr(0, equals), text.substr(equals + 1)};
}

base::Result<std::string> checkClusterList(std::string_view text, const std::filesystem::path &path) {
    auto document = parseJson(text, path);
    if (!document) return std::unexpected(document.error());
    const json &list = document->value;
    const json kind = list.value("kind", json());
    if (!kind.is_string() || !kind.get<std::string>().ends_with("List") || !list.contains("items") ||
        !list["items"].is_array())
        return bad(path, "/kind: must be a Kubernetes List with \"items\", as `kubectl get "
                         "nodes,pods,services,endpointslices -A -o json` prints it, or rules of a node "
                         "(`iptables-save`, `nft -j list ruleset`)");
    for (std::size_t i = 0; i < list["items"].size(); ++i) {
        const std::string fault = objectFault(list["items"][i]);
        if (!fault.empty()) return bad(path, fmt::format("/items/{}: {}", i, fault));
    }
    return std::move(document->text);
}

namespace {

/// The objects of a list that are complete before the place where its text is no JSON any more.
json objectsBefore(std::string_view text) {
    constexpr int kItems = 1, kItem = 2; // depths
    json items = json::array();
    bool inItems = false;
    const auto collect = [&](int depth, json::parse_event_t event, json &parsed) {
        if (event == json::parse_event_t::key && depth == kItems) inItems = parsed == "items";
        if (event == json::parse_event_t::object_end && depth == kItem && inItems) {
            items.push_back(std::move(parsed));
            return false; // it is kept here
        }
        return true;
    };
    const json rest = json::parse(text, collect, false); // discarded: what is wanted was collected
    return items;
}

/// Of the library, reading needs no stack for nested values, but copying and writing do.
bool nestsDeeply(std::string_view text) {
    constexpr int kDeepest = 1000;
    int depth = 0;
    bool inString = false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (inString && c == '\\')
            ++i;
        else if (c == '"')
            inString = !inString;
        else if (!inString && (c == '{' || c == '['))
            depth += 1;
        else if (!inString && (c == '}' || c == ']'))
            depth -= 1;
        if (depth > kDeepest) return true;
    }
    return false;
}

std::string listOf(json items) {
    return json{{"kind", "List"}, {"items", std::move(items)}}.dump();
}

} // namespace

base::Result<ClusterList> usableClusterList(std::string_view text, const std::filesystem::path &path) {
    if (nestsDeeply(text)) return bad(path, "is nested too deeply");
    ClusterList list;
    json items;
    if (auto whole = parseJson(text, path)) {
        const json kind = whole->value.value("kind", json());
        const bool isList = kind.is_string() && kind.get<std::string>().ends_with("List") &&
                            whole->value.contains("items") && whole->value["items"].is_array();
        if (!isList) return std::unexpected(checkClusterList(text, path).error());
        items = std::move(whole->value["items"]);
    } else {
        items = objectsBefore(text);
        if (items.empty()) return std::unexpected(whole.error());
        list.prefix = listOf(items);
        list.remark = fmt::format("{}; the {} before {} used", whole.error().message,
                                  items.size() == 1 ? "object" : fmt::format("{} objects", items.size()),
                                  items.size() == 1 ? "is" : "are");
    }
    std::string first;
    const std::size_t before = items.size();
    json usable = json::array();
    for (std::size_t i = 0; i < items.size(); ++i) {
        const std::string fault = objectFault(items[i]);
        if (fault.empty())
            usable.push_back(std::move(items[i]));
        else if (first.empty())
            first = fmt::format("/items/{}: {}", i, fault);
    }
    if (usable.empty() && before != 0) return bad(path, first);
    list.text = first.empty() && list.prefix.empty() ? std::string(text) : listOf(std::move(usable));
    return list;
}

base::Result<std::string> readJsonObject(const std::filesystem::path &path, const std::string &kind) {
    const auto file = InputFile::read(path.string());
    if (!file) return std::unexpected(file.error());
    auto document = parseJson(file->text(), path);
    if (auto whole = file->wasWhole(); !whole) return std::unexpected(whole.error());
    if (!document) return std::unexpected(document.error());
    const json found = document->value.value("kind", json());
    if (!found.is_string() || found.get<std::string>() != kind)
        return bad(path, fmt::format("/kind: must be \"{}\"", kind));
    return std::move(document->text);
}

} // namespace natlens::session
