#include "proxycore/model/object_finder.h"

#include "proxycore/model/json_scan.h"

#include <algorithm>

namespace natlens::proxycore::detail {

namespace {

std::optional<ObjectKind> kindOf(std::string_view name) {
    if (name == "Node") return ObjectKind::node;
    if (name == "Pod") return ObjectKind::pod;
    if (name == "Service") return ObjectKind::service;
    if (name == "EndpointSlice") return ObjectKind::endpointSlice;
    if (name == "Endpoints") return ObjectKind::endpoints;
    if (name == "ServiceCIDR") return ObjectKind::serviceCIDR;
    return std::nullopt;
}

/// The kind of an item in a list, as long as nothing about that field is unusual.
std::optional<ObjectKind> usualKind(const JsonValue &item) {
    if (!item.isObject()) return std::nullopt;
    constexpr FieldKey key("kind");
    std::optional<ObjectKind> kind;
    for (auto at = item.at() + 1, end = item.end(); at < end;) {
        const auto name = item.atPlace(at), value = item.atPlace(at + 1);
        at = value.end();
        const auto slot = name.keySlot();
        if (slot == JsonValue::kNoSlot) return std::nullopt;
        if (slot != key.slot() || !name.equals(key.name())) continue;
        if (kind || !value.isString()) return std::nullopt;
        std::string scratch;
        kind = kindOf(value.text(scratch));
        if (!kind) return std::nullopt;
    }
    return kind;
}

class Finder final {
public:
    explicit Finder(std::vector<Item> &items)
        : m_items(&items) {}

    void find(const JsonValue &root, std::uint32_t number, Reporter &reporter) {
        m_root = number;
        const Fields fields(root, reporter);
        reporter.nameObject("document");
        if (!isObject(fields)) return;
        const auto object = fields.find("object");
        if (object && fields.has("type"))
            event(fields, *object, reporter);
        else
            objectOrList(fields);
    }

private:
    static bool isObject(const Fields &fields) {
        if (fields.isObject()) return true;
        fields.report("", "expected a Kubernetes object, found " + fields.value().shown() + "; ignored");
        return false;
    }

    void objectOrList(const Fields &fields) {
        const auto kind = fields.text("kind");
        if (!kind.ends_with("List") && !(kind.empty() && fields.has("items"))) return single(fields, kind);
        // The items of a typed list ("ServiceList") carry no kind of their own.
        const auto itemKind = kind.size() > 4 ? kind.substr(0, kind.size() - 4) : std::string();
        std::string scratch;
        fields.eachValue("items", [&](const JsonValue &value, Reporter &reporter) {
            if (const auto usual = usualKind(value)) return add(value, *usual);
            const Fields item(value, reporter);
            if (isObject(item)) single(item, item.textView("kind", scratch, itemKind));
        });
    }

    /// Not find(): an event within an event would be read as deep as the input likes.
    void event(const Fields &fields, const JsonValue &object, Reporter &reporter) {
        const auto type = fields.text("type");
        if (type == "BOOKMARK" || type == "ERROR") return;
        if (type != "ADDED" && type != "MODIFIED" && type != "DELETED") {
            fields.report("type", shownText(type) + " is not ADDED, MODIFIED or DELETED; the event is ignored");
            return;
        }
        m_removing = type == "DELETED";
        m_event = true;
        if (const Fields inner(object, reporter); isObject(inner)) objectOrList(inner);
        m_removing = m_event = false;
    }

    void single(const Fields &fields, std::string_view kind) {
        if (kind.empty())
            fields.report("kind", "missing; the object is ignored");
        else if (const auto known = kindOf(kind))
            add(fields.value(), *known);
        else if (kind == "List")
            fields.report("", "a List inside a List is not read; put its items into the outer one");
    }

    void add(const JsonValue &value, ObjectKind kind) {
        m_items->push_back({value, m_root, kind, m_removing, m_event});
    }

    std::vector<Item> *m_items;
    std::uint32_t m_root = 0;
    bool m_removing = false, m_event = false;
};

} // namespace

std::string_view nameOf(ObjectKind kind) {
    switch (kind) {
    case ObjectKind::node: return "Node";
    case ObjectKind::pod: return "Pod";
    case ObjectKind::service: return "Service";
    case ObjectKind::endpointSlice: return "EndpointSlice";
    case ObjectKind::endpoints: return "Endpoints";
    case ObjectKind::serviceCIDR: return "ServiceCIDR";
    }
    return "object";
}

std::vector<Item> findObjects(const JsonDocument &document, std::vector<Problem> &problems) {
    std::vector<Item> items;
    Finder finder(items);
    RootReporter reporters(document, problems);
    for (std::uint32_t root = 0; root < document.size(); ++root)
        finder.find(document.root(root), root, reporters.of(root));
    const auto slices = std::stable_partition(items.begin(), items.end(), [](const Item &item) {
        return item.kind != ObjectKind::endpointSlice && item.kind != ObjectKind::endpoints;
    });
    std::stable_partition(slices, items.end(), [](const Item &item) { return item.kind == ObjectKind::endpointSlice; });
    return items;
}

} // namespace natlens::proxycore::detail
