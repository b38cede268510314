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
    /// Pointers begin at `root`.
    Reporter(JsonValue root, std::string_view kind, std::vector<Problem> &problems)
        : m_root(root)
        , m_kind(kind)
        , m_problems(&problems) {}

    /// Of the object that is read now, e.g. "Service" and its name; both must live until the next one is named.
    void nameObject(std::string_view kind, const ObjectName *name = nullptr) {
        m_kind = kind;
        m_name = name;
    }
    /// About the value at `place` inside the root, and below it at `suffix` (a JSON pointer, or empty). A value is
    /// complained about once. Beyond kMostProblems only a number is kept.
    void report(std::uint32_t place, std::string_view suffix, std::string text);
    /// Appends, up to the limit. Lists of several Reporters, put together by this, are the list of one.
    static void add(std::vector<Problem> &problems, Problem problem);

    /// A million wrong endpoints are not a million lines.
    static constexpr std::size_t kMostProblems = 1000;

private:
    [[nodiscard]] std::string pointerTo(std::uint32_t place);

    JsonValue m_root;
    std::string_view m_kind;
    const ObjectName *m_name = nullptr;
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
    [[nodiscard]] bool isObject() const { return m_absentCount == 0 && m_value.isObject(); }

    /// The field, or nothing when it is absent or JSON null. Of fields with the same name the last one counts, and the
    /// others are reported.
    [[nodiscard]] std::optional<JsonValue> find(const FieldKey &key) const {
        const auto at = lookUp(key);
        return at == 0 ? std::nullopt : std::optional(m_value.atPlace(at));
    }
    [[nodiscard]] bool has(const FieldKey &key) const { return lookUp(key) != 0; }
    /// About a field, or about the object itself.
    void report(std::string_view key, std::string text) const;

    [[nodiscard]] std::string text(const FieldKey &key, std::string_view fallback = {}) const;
    /// The same without a copy; `scratch` may be used.
    [[nodiscard]] std::string_view textView(const FieldKey &key, std::string &scratch,
                                            std::string_view fallback = {}) const;
    [[nodiscard]] bool flag(const FieldKey &key, bool fallback) const;
    /// An integer within the limits; nothing when absent or (reported) wrong. Decimal text is not accepted.
    [[nodiscard]] std::optional<long long> integer(const FieldKey &key, long long lowest, long long highest) const;
    /// 0 when absent or wrong.
    [[nodiscard]] Port port(const FieldKey &key) const;
    [[nodiscard]] std::optional<IpAddress> address(const FieldKey &key) const;
    /// This object as a map of texts. Others are reported and left out.
    [[nodiscard]] Labels labels() const;

    /// An object field; an empty one when absent or (reported) wrong.
    [[nodiscard]] Fields inner(const FieldKey &key) const;

    /// Calls use(Fields) for each element of an array field, of whatever type; absent or (reported) wrong: none.
    template<class Use>
    void eachElement(const FieldKey &key, Use use) const {
        eachValue(key, [&](const JsonValue &element, Reporter &reporter) { use(Fields(element, reporter)); });
    }
    /// The same with use(JsonValue, Reporter): not every element need be looked at closely.
    template<class Use>
    void eachValue(const FieldKey &key, Use use) const {
        const auto array = list(key);
        if (!array) return;
        for (auto at = array->at() + 1; at < array->end();) {
            const auto element = array->atPlace(at);
            at = element.end();
            use(element, *m_reporter);
        }
    }
    /// The same for arrays of objects: other elements are reported and left out.
    template<class Use>
    void eachObject(const FieldKey &key, Use use) const {
        eachElement(key, [&](const Fields &element) {
            if (element.isObject())
                use(element);
            else
                element.report("", "expected an object, found " + element.value().shown() + "; ignored");
        });
    }
    /// An array of texts: other elements are reported and left out.
    [[nodiscard]] std::vector<std::string> texts(const FieldKey &key) const;
    [[nodiscard]] std::vector<IpAddress> addresses(const FieldKey &key) const;
    [[nodiscard]] std::vector<IpPrefix> prefixes(const FieldKey &key) const;

private:
    [[nodiscard]] std::optional<JsonValue> list(const FieldKey &key) const;
    void listMembers() const;
    [[nodiscard]] std::uint32_t lookUp(const FieldKey &key) const;

    JsonValue m_value; ///< of an absent object: the object in which it is missing
    Reporter *m_reporter;
    /// The names that lead from m_value to an absent object.
    static constexpr std::size_t kMostAbsent = 3;
    std::uint8_t m_absentCount = 0;
    std::array<std::string_view, kMostAbsent> m_absent;
    /// The members by slot, noted when the first of them is asked for: an object is asked for many more fields than it
    /// has. Those of one slot are linked, the last one first. What does not fit is looked for one by one.
    static constexpr std::uint8_t kNone = 0xff;
    static constexpr std::uint32_t kMostListed = 24, kNotListed = 0;
    mutable std::uint32_t m_unlisted = kNotListed; ///< where those begin that do not fit
    mutable bool m_allListed = false;
    mutable std::array<std::uint8_t, JsonValue::kSlots> m_last;
    mutable std::array<std::uint8_t, kMostListed> m_before;
    mutable std::array<std::uint32_t, kMostListed> m_keys;
};

} // namespace natlens::proxycore::detail
