// Reading single fields of Kubernetes JSON: absent is the default, wrong is a Problem and then the default.
// For the .cpp files of this folder only.
#pragma once

#include "capture/base/result.h"
#include "proxycore/model/cluster_state.h"

#include <nlohmann/json.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace natlens::proxycore::detail {

using Json = nlohmann::json;

/// Parses a whole document. On failure: invalidInput with "line L, column C" and the reason in one line.
[[nodiscard]] base::Result<Json> parseDocument(std::string_view text, std::string_view fileName);

/// IPv4 with leading zeros ("010.1.2.3") is read as decimal, as kube-proxy does; otherwise IpAddress::parse.
[[nodiscard]] std::optional<IpAddress> parseSloppyAddress(std::string_view text);
/// As above with a prefix length; surrounding white space is allowed (loadBalancerSourceRanges).
[[nodiscard]] std::optional<IpPrefix> parseSloppyPrefix(std::string_view text);

/// One JSON object being read, with its place in the document.
class Fields final {
public:
    Fields(const Json &value, std::string pointer, std::string object, std::vector<Problem> &problems)
        : m_value(&value)
        , m_pointer(std::move(pointer))
        , m_object(std::move(object))
        , m_problems(&problems) {}

    [[nodiscard]] const Json &value() const { return *m_value; }
    [[nodiscard]] const std::string &object() const { return m_object; }
    void nameObject(std::string object) { m_object = std::move(object); }

    /// The field, or null when it is absent or JSON null.
    [[nodiscard]] const Json *find(std::string_view key) const;
    [[nodiscard]] bool has(std::string_view key) const { return find(key) != nullptr; }
    void report(std::string_view key, std::string text) const;

    [[nodiscard]] std::string text(std::string_view key, std::string fallback = {}) const;
    [[nodiscard]] bool flag(std::string_view key, bool fallback) const;
    /// An integer within the limits; nothing when absent or (reported) wrong. Decimal text is not accepted.
    [[nodiscard]] std::optional<long long> integer(std::string_view key, long long lowest, long long highest) const;
    /// 0 when absent or wrong.
    [[nodiscard]] Port port(std::string_view key) const;
    [[nodiscard]] std::optional<IpAddress> address(std::string_view key) const;
    [[nodiscard]] Labels labels(std::string_view key) const;

    /// An object field; an empty one when absent or (reported) wrong.
    [[nodiscard]] Fields inner(std::string_view key) const;
    /// The elements of an array field, each with its index in the pointer; empty when absent or (reported) wrong.
    /// Elements may be of any type.
    [[nodiscard]] std::vector<Fields> list(std::string_view key) const;
    /// The same for arrays of objects: other elements are reported and left out.
    [[nodiscard]] std::vector<Fields> objects(std::string_view key) const;
    /// An array of texts: other elements are reported and left out.
    [[nodiscard]] std::vector<std::string> texts(std::string_view key) const;
    [[nodiscard]] std::vector<IpAddress> addresses(std::string_view key) const;
    [[nodiscard]] std::vector<IpPrefix> prefixes(std::string_view key) const;

private:
    const Json *m_value;
    std::string m_pointer;
    std::string m_object;
    std::vector<Problem> *m_problems;
};

/// A short form of a JSON value for messages: at most 40 characters.
[[nodiscard]] std::string shown(const Json &value);

} // namespace natlens::proxycore::detail
