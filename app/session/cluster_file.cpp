#include "app/session/cluster_file.h"

#include "app/session/input_file.h"

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

base::Result<Document> readJson(const std::filesystem::path &path) {
    const auto file = InputFile::read(path.string());
    if (!file) return std::unexpected(file.error());
    Document document;
    document.text = file->text();
    if (auto whole = file->wasWhole(); !whole) return std::unexpected(whole.error());
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

} // namespace

base::Result<std::string> readClusterFile(const std::filesystem::path &path) {
    auto document = readJson(path);
    if (!document) return std::unexpected(document.error());
    const json &list = document->value;
    const json kind = list.value("kind", json());
    if (!kind.is_string() || !kind.get<std::string>().ends_with("List") || !list.contains("items") ||
        !list["items"].is_array())
        return bad(path, "/kind: must be a Kubernetes List with \"items\", as `kubectl get "
                         "nodes,pods,services,endpointslices -A -o json` prints it");
    for (std::size_t i = 0; i < list["items"].size(); ++i) {
        const std::string fault = objectFault(list["items"][i]);
        if (!fault.empty()) return bad(path, fmt::format("/items/{}: {}", i, fault));
    }
    return std::move(document->text);
}

base::Result<std::string> readJsonObject(const std::filesystem::path &path, const std::string &kind) {
    auto document = readJson(path);
    if (!document) return std::unexpected(document.error());
    const json found = document->value.value("kind", json());
    if (!found.is_string() || found.get<std::string>() != kind)
        return bad(path, fmt::format("/kind: must be \"{}\"", kind));
    return std::move(document->text);
}

} // namespace natlens::session
