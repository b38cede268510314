// Reading single fields of Kubernetes JSON: absent is the default, wrong is a Problem and then the default.
// For the .cpp files of this folder only.
#pragma once

#include "proxycore/model/cluster_state.h"
#include "proxycore/model/json_document.h"

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace natlens::proxycore::detail {

/// IPv4 with leading zeros ("010.1.2.3") is read as decimal, as kube-proxy does; otherwise IpAddress::parse.
[[nodiscard]] std::optional<IpAddress> parseSloppyAddress(std::string_view text);
/// As above with a prefix length; surrounding white space is allowed (loadBalancerSourceRanges).
[[nodiscard]] std::optional<IpPrefix> parseSloppyPrefix(std::string_view text);

/// Where the Problems of one object go. Its name is known only after its metadata has been read.
class Reporter final {
public:
    /// `pointer` leads to `root`, the value in which the object stands.
    Reporter(JsonValue root, std::string pointer, std::string object, std::vector<Problem> &problems)
        : m_root(root)
        , m_pointer(std::move(pointer))
        , m_object(std::move(object))
        , m_problems(&problems) {}

    void nameObject(std::string object) { m_object = std::move(object); }
    /// About the value at `place` inside the root, and below it at `suffix` (a JSON pointer, or empty). A value is
    /// complained about once. Beyond kMostProblems only a number is kept.
    void report(std::uint32_t place, std::string_view suffix, std::string text);
    [[nodiscard]] std::vector<Problem> &problems() { return *m_problems; }

    /// A million wrong endpoints are not a million lines.
    static constexpr std::size_t kMostProblems = 1000;

private:
    [[nodiscard]] std::string pointerTo(std::uint32_t place);

    JsonValue m_root;
    std::string m_pointer, m_object;
    std::vector<Problem> *m_problems;
    /// The last element of a long list that was complained about: the next one is looked for from here.
    struct Element {
        std::uint32_t list = 0, index = 0, place = 0;
    } m_lastElement;
};

/// One JSON object being read. JSON pointers are made when something is reported, not before.
class Fields final {
public:
    Fields(JsonValue value, Reporter &reporter)
        : m_value(value)
        , m_reporter(&reporter) {}

    /// Meaningless when the object is absent.
    [[nodiscard]] const JsonValue &value() const { return m_value; }
    [[nodiscard]] bool isObject() const { return m_absent.empty() && m_value.isObject(); }

    /// The field, or nothing when it is absent or JSON null. Of fields with the same name the last one counts, and the
    /// others are reported.
    [[nodiscard]] std::optional<JsonValue> find(std::string_view key) const;
    [[nodiscard]] bool has(std::string_view key) const { return find(key).has_value(); }
    void report(std::string_view key, std::string text) const;

    [[nodiscard]] std::string text(std::string_view key, std::string_view fallback = {}) const;
    /// The same without a copy; `scratch` may be used.
    [[nodiscard]] std::string_view textView(std::string_view key, std::string &scratch,
                                            std::string_view fallback = {}) const;
    [[nodiscard]] bool flag(std::string_view key, bool fallback) const;
    /// An integer within the limits; nothing when absent or (reported) wrong. Decimal text is not accepted.
    [[nodiscard]] std::optional<long long> integer(std::string_view key, long long lowest, long long highest) const;
    /// 0 when absent or wrong.
    [[nodiscard]] Port port(std::string_view key) const;
    [[nodiscard]] std::optional<IpAddress> address(std::string_view key) const;
    /// This object as a map of texts. Others are left out; checkLabels() reports them.
    [[nodiscard]] Labels labels() const;
    void checkLabels() const;

    /// An object field; an empty one when absent or (reported) wrong.
    [[nodiscard]] Fields inner(std::string_view key) const;

    /// Calls use(Fields) for each element of an array field, of whatever type; absent or (reported) wrong: none.
    template<class Use>
    void eachElement(std::string_view key, Use use) const {
        const auto array = list(key);
        if (!array) return;
        for (auto at = array->at() + 1; at < array->end();) {
            const auto element = array->atPlace(at);
            at = element.end();
            use(Fields(element, *m_reporter));
        }
    }
    /// The same for arrays of objects: other elements are reported and left out.
    template<class Use>
    void eachObject(std::string_view key, Use use) const {
        eachElement(key, [&](const Fields &element) {
            if (element.isObject())
                use(element);
            else
                element.report("", "expected an object, found " + element.value().shown() + "; ignored");
        });
    }
    /// An array of texts: other elements are reported and left out.
    [[nodiscard]] std::vector<std::string> texts(std::string_view key) const;
    [[nodiscard]] std::vector<IpAddress> addresses(std::string_view key) const;
    [[nodiscard]] std::vector<IpPrefix> prefixes(std::string_view key) const;

private:
    [[nodiscard]] std::optional<JsonValue> list(std::string_view key) const;
    void listMembers() const;

    JsonValue m_value; ///< of an absent object: the object in which it is missing
    Reporter *m_reporter;
    std::string m_absent; ///< the JSON pointer of an absent object below m_value
    /// The members, noted when the first of them is asked for: an object is asked for many more fields than it has, and
    /// most are told apart by the first letters.
    static constexpr std::uint32_t kNotListed = 0xff, kMostListed = 20;
    mutable std::uint32_t m_memberCount = kNotListed; ///< at most kMostListed, the rest is looked for one by one
    mutable std::uint32_t m_unlisted = 0;             ///< where the rest begins
    mutable std::array<JsonValue::KeyHead, kMostListed> m_heads;
    mutable std::array<std::uint32_t, kMostListed> m_keys;
};

} // namespace natlens::proxycore::detail
