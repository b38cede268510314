// Reading single fields of a scenario's JSON. For the .cpp files of scenarios only.
#pragma once

#include "capture/packet/address.h"

#include <nlohmann/json.hpp>

#include <functional>
#include <set>
#include <string>
#include <vector>

namespace natlens::lab {

/// A field that is missing or of the wrong kind, with its JSON pointer; readScenario() turns it into an Error.
struct BadField {
    std::string pointer, text;
};

/// The fields of one object. Absent fields have the default that is asked for; wrong ones throw BadField.
class ScenarioFields final {
public:
    ScenarioFields(const nlohmann::json &object, std::string at);

    /// The field, or JSON null when it is absent. `unsigned` stands for whole numbers.
    [[nodiscard]] const nlohmann::json &get(const char *key, nlohmann::json::value_t type) const;
    [[nodiscard]] std::string text(const char *key, std::string otherwise = {}) const;
    [[nodiscard]] std::string requiredText(const char *key) const;
    [[nodiscard]] unsigned number(const char *key, unsigned otherwise, unsigned most = 3'600'000) const;
    [[nodiscard]] bool flag(const char *key, bool otherwise = false) const;
    [[nodiscard]] std::vector<std::string> texts(const char *key) const;
    [[nodiscard]] packet::IpAddress address(const char *key) const;            ///< required, IPv4
    [[nodiscard]] packet::IpAddress addressOfAnyFamily(const char *key) const; ///< required
    [[nodiscard]] packet::IpPrefix prefix(const char *key) const;              ///< required; an address is its /32
    [[nodiscard]] packet::SocketAddress socketAddress(const char *key) const;  ///< required, "ip:port"
    [[nodiscard]] packet::Port port(const char *key, packet::Port otherwise) const;
    [[nodiscard]] const std::string &at() const { return m_at; }
    /// Throws for a field that nobody has asked for: it is misspelt, or means something that is not done.
    void refuseOthers() const;
    [[noreturn]] void fail(const std::string &key, const std::string &text) const;

private:
    const nlohmann::json &m_object;
    std::string m_at;
    mutable std::set<std::string, std::less<>> m_asked;
};

} // namespace natlens::lab
