#include "app/lab/scenario_fields.h"

#include <charconv>
#include <fmt/format.h>

namespace natlens::lab {

using nlohmann::json;

ScenarioFields::ScenarioFields(const json &object, std::string at)
    : m_object(object)
    , m_at(std::move(at)) {
    if (!object.is_object()) throw BadField{m_at.empty() ? "/" : m_at, "must be an object"};
}

void ScenarioFields::fail(const std::string &key, const std::string &text) const {
    throw BadField{m_at + "/" + key, text};
}

const json &ScenarioFields::get(const char *key, json::value_t type) const {
    static const json nothing;
    m_asked.emplace(key);
    const auto found = m_object.find(key);
    if (found == m_object.end()) return nothing;
    const bool number = type == json::value_t::number_unsigned && found->is_number_unsigned();
    if (!number && found->type() != type) fail(key, fmt::format("must not be a {}", found->type_name()));
    return *found;
}

void ScenarioFields::refuseOthers() const {
    for (const auto &[key, value] : m_object.items())
        if (!m_asked.contains(key)) fail(key, "is not known here");
}

std::string ScenarioFields::text(const char *key, std::string otherwise) const {
    const json &value = get(key, json::value_t::string);
    return value.is_null() ? otherwise : value.get<std::string>();
}

std::string ScenarioFields::requiredText(const char *key) const {
    auto value = text(key);
    if (value.empty()) fail(key, "is missing");
    return value;
}

unsigned ScenarioFields::number(const char *key, unsigned otherwise, unsigned most) const {
    const json &value = get(key, json::value_t::number_unsigned);
    if (value.is_null()) return otherwise;
    if (value.get<std::uint64_t>() > most) fail(key, "is too large");
    return value.get<unsigned>();
}

packet::Port ScenarioFields::port(const char *key, packet::Port otherwise) const {
    return static_cast<packet::Port>(number(key, otherwise, 65535));
}

bool ScenarioFields::flag(const char *key, bool otherwise) const {
    const json &value = get(key, json::value_t::boolean);
    return value.is_null() ? otherwise : value.get<bool>();
}

std::vector<std::string> ScenarioFields::texts(const char *key) const {
    std::vector<std::string> result;
    for (const auto &item : get(key, json::value_t::array)) {
        if (!item.is_string()) fail(key, "must hold strings only");
        result.push_back(item.get<std::string>());
    }
    return result;
}

packet::IpAddress ScenarioFields::address(const char *key) const {
    const auto value = requiredText(key);
    const auto parsed = packet::IpAddress::parse(value);
    if (!parsed || !parsed->isV4()) fail(key, fmt::format("\"{}\" is not an IPv4 address", value));
    return *parsed;
}

packet::IpAddress ScenarioFields::addressOfAnyFamily(const char *key) const {
    const auto value = requiredText(key);
    const auto parsed = packet::IpAddress::parse(value);
    if (!parsed) fail(key, fmt::format("\"{}\" is not an IP address", value));
    return *parsed;
}

packet::IpPrefix ScenarioFields::prefix(const char *key) const {
    const auto value = requiredText(key);
    const auto slash = value.find('/');
    const auto address = packet::IpAddress::parse(value.substr(0, slash));
    unsigned length = 32;
    bool good = address && address->isV4();
    if (slash != std::string::npos) {
        const char *end = value.data() + value.size();
        const auto read = std::from_chars(value.data() + slash + 1, end, length);
        good = good && read.ec == std::errc{} && read.ptr == end && length <= 32;
    }
    if (!good) fail(key, fmt::format("\"{}\" is not an IPv4 prefix", value));
    return {*address, static_cast<std::uint8_t>(length)};
}

packet::SocketAddress ScenarioFields::socketAddress(const char *key) const {
    const auto value = requiredText(key);
    const auto colon = value.rfind(':');
    const auto address = packet::IpAddress::parse(value.substr(0, colon));
    unsigned port = 0;
    bool good = colon != std::string::npos && address && address->isV4();
    if (good) {
        const char *end = value.data() + value.size();
        const auto read = std::from_chars(value.data() + colon + 1, end, port);
        good = read.ec == std::errc{} && read.ptr == end && port <= 65535;
    }
    if (!good) fail(key, fmt::format("\"{}\" is not an IPv4 address and port", value));
    return {*address, static_cast<packet::Port>(port)};
}

} // namespace natlens::lab
