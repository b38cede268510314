#include "proxycore/model/kubernetes_json.h"

#include "proxycore/model/object_readers.h"

#include <algorithm>
#include <deque>
#include <set>
#include <unordered_set>

namespace natlens::proxycore {

using detail::Fields;
using detail::JsonDocument;
using detail::JsonValue;
using detail::Reporter;

namespace {

enum class Kind : std::uint8_t { node, pod, service, endpointSlice, serviceCIDR };

std::optional<Kind> kindOf(std::string_view name) {
    if (name == "Node") return Kind::node;
    if (name == "Pod") return Kind::pod;
    if (name == "Service") return Kind::service;
    if (name == "EndpointSlice") return Kind::endpointSlice;
    if (name == "ServiceCIDR") return Kind::serviceCIDR;
    return std::nullopt;
}

std::string_view nameOf(Kind kind) {
    switch (kind) {
    case Kind::node: return "Node";
    case Kind::pod: return "Pod";
    case Kind::service: return "Service";
    case Kind::endpointSlice: return "EndpointSlice";
    case Kind::serviceCIDR: return "ServiceCIDR";
    }
    return "object";
}

/// An object that was found and is to be read.
struct Item {
    JsonValue value;
    Reporter *reporter;
    Kind kind;
    bool removing = false, event = false;
};

/// Finds the objects of a document: lists are opened, events unwrapped, other kinds passed over.
class Finder final {
public:
    explicit Finder(std::vector<Item> &items)
        : m_items(&items) {}

    void find(const JsonValue &root, Reporter &reporter) {
        const Fields fields(root, reporter);
        reporter.nameObject("document");
        if (!isObject(fields)) return;
        const auto object = fields.find("object");
        if (object && fields.has("type"))
            event(fields, *object, reporter);
        else
            objectOrList(fields, reporter);
    }

private:
    static bool isObject(const Fields &fields) {
        if (fields.isObject()) return true;
        fields.report("", "expected a Kubernetes object, found " + fields.value().shown() + "; ignored");
        return false;
    }

    void objectOrList(const Fields &fields, Reporter &reporter) {
        const auto kind = fields.text("kind");
        if (!kind.ends_with("List") && !(kind.empty() && fields.has("items"))) return single(fields, kind, reporter);
        // The items of a typed list ("ServiceList") carry no kind of their own.
        const auto itemKind = kind.size() > 4 ? kind.substr(0, kind.size() - 4) : std::string();
        std::string scratch;
        fields.eachElement("items", [&](const Fields &item) {
            if (isObject(item)) single(item, item.textView("kind", scratch, itemKind), reporter);
        });
    }

    /// Not find(): an event within an event would be read as deep as the input likes.
    void event(const Fields &fields, const JsonValue &object, Reporter &reporter) {
        const auto type = fields.text("type");
        if (type == "BOOKMARK" || type == "ERROR") return;
        if (type != "ADDED" && type != "MODIFIED" && type != "DELETED") {
            fields.report("type", detail::shownText(type) + " is not ADDED, MODIFIED or DELETED; the event is ignored");
            return;
        }
        m_removing = type == "DELETED";
        m_event = true;
        if (const Fields inner(object, reporter); isObject(inner)) objectOrList(inner, reporter);
        m_removing = m_event = false;
    }

    void single(const Fields &fields, std::string_view kind, Reporter &reporter) {
        if (kind.empty())
            fields.report("kind", "missing; the object is ignored");
        else if (const auto known = kindOf(kind))
            m_items->push_back({fields.value(), &reporter, *known, m_removing, m_event});
        else if (kind == "List")
            fields.report("", "a List inside a List is not read; put its items into the outer one");
    }

    std::vector<Item> *m_items;
    bool m_removing = false, m_event = false;
};

/// Reads found objects into a state: all of them, or those that concern one flow.
class Loader final {
public:
    Loader(ClusterState &state, const FlowEnds *ends)
        : m_state(&state)
        , m_ends(ends) {}

    /// EndpointSlices come last: which of them are wanted depends on the Services.
    void load(std::vector<Item> &items) {
        std::stable_partition(items.begin(), items.end(),
                              [](const Item &item) { return item.kind != Kind::endpointSlice; });
        for (std::size_t i = 0; i < items.size(); ++i) {
            if (i + 4 < items.size()) items[i + 3].value.prefetchIndex(items[i + 4].value.at());
            if (i + 1 < items.size()) items[i + 1].value.prefetchText();
            read(items[i]);
        }
        if (!m_sourceServices.empty()) readAgain();
    }

    /// A part cannot be had when an object occurs twice: the one that counts may be the one that does not concern the
    /// flow.
    [[nodiscard]] bool sawSecond() const { return m_sawSecond; }

private:
    void read(const Item &item) {
        const auto kind = nameOf(item.kind);
        item.reporter->nameObject(kind);
        const Fields object(item.value, *item.reporter);
        const auto metadata = object.inner("metadata");
        if (object.has("metadata") && !metadata.isObject()) return; // reported
        const bool hasNamespace = item.kind != Kind::node && item.kind != Kind::serviceCIDR;
        const ObjectName name{hasNamespace ? metadata.text("namespace", "default") : "", metadata.text("name")};
        if (name.name.empty()) {
            metadata.report("name", fmt::format("missing; the {} is left out", kind));
            return;
        }
        item.reporter->nameObject(kind, &name);
        if (m_ends != nullptr) watchForSecond(item, name);
        switch (item.kind) {
        case Kind::node:
            return store(m_state->nodes, item, name, [&] { return std::optional(readNode(object, name.name)); });
        case Kind::pod:
            return store(m_state->pods, item, name, [&] { return keepIf(m_ends == nullptr, readPod(object, name)); });
        case Kind::service:
            return store(m_state->services, item, name, [&] { return service(item, object, metadata, name); });
        case Kind::endpointSlice:
            return store(m_state->endpointSlices, item, name, [&] { return slice(item, object, metadata, name); });
        case Kind::serviceCIDR:
            if (item.removing)
                m_state->serviceCIDRs.erase(name);
            else
                m_state->serviceCIDRs[name] = object.inner("spec").prefixes("cidrs");
        }
    }

    template<class T>
    static std::optional<T> keepIf(bool wanted, T value) {
        return wanted ? std::optional(std::move(value)) : std::nullopt;
    }

    std::optional<Service> service(const Item &item, const Fields &object, const Fields &metadata,
                                   const ObjectName &name) {
        auto service = detail::readService(object, metadata, name);
        if (!service) return std::nullopt;
        if (m_ends != nullptr && !concerns(*service, *m_ends)) {
            m_otherServices.push_back({hashOf(name), item});
            return std::nullopt;
        }
        detail::readServiceLabels(object, metadata, *service);
        return service;
    }

    std::optional<EndpointSlice> slice(const Item &item, const Fields &object, const Fields &metadata,
                                       const ObjectName &name) {
        auto slice = detail::readEndpointSlice(object, metadata, name);
        if (!slice) return std::nullopt;
        ObjectName owner{name.nameSpace, slice->serviceName};
        if (m_ends != nullptr && !m_state->services.contains(owner)) {
            m_otherSlices.push_back({hashOf(owner), item});
            if (hasEndpoint(*slice, m_ends->source)) m_sourceServices.insert(std::move(owner));
            return std::nullopt;
        }
        slice->labels = metadata.inner("labels").labels();
        return slice;
    }

    template<class T, class Reader>
    void store(ClusterState::Objects<T> &objects, const Item &item, const ObjectName &name, Reader reader) {
        if (item.removing) {
            objects.erase(name);
            return;
        }
        auto value = reader();
        if (!value) return;
        if (!item.event && objects.contains(name))
            Fields(item.value, *item.reporter).report("", "occurs more than once; the last one is used");
        objects.insert_or_assign(name, std::make_shared<const T>(std::move(*value)));
    }

    /// The Services of which the flow's source is an endpoint: read before it was known that they are wanted. What is
    /// wrong in them has been reported.
    void readAgain() {
        const auto others = std::exchange(m_otherServices, {});
        const auto slices = std::exchange(m_otherSlices, {});
        std::unordered_set<std::size_t> wanted;
        for (const auto &name : m_sourceServices)
            wanted.insert(hashOf(name));
        m_ends = nullptr;
        std::vector<Problem> said;
        for (const auto *part : {&others, &slices})
            for (const auto &[hash, item] : *part) {
                if (!wanted.contains(hash)) continue;
                Reporter mute(item.value, "", said);
                auto again = item;
                again.reporter = &mute;
                read(again);
            }
    }

    static std::size_t hashOf(const ObjectName &name) {
        constexpr std::hash<std::string_view> hash;
        return hash(name.nameSpace) * 31 + hash(name.name);
    }

    void watchForSecond(const Item &item, const ObjectName &name) {
        const auto hash = hashOf(name) * 8 + static_cast<std::size_t>(item.kind);
        m_sawSecond = m_sawSecond || item.removing || !m_seen.insert(hash).second;
    }

    ClusterState *m_state;
    const FlowEnds *m_ends;
    bool m_sawSecond = false;
    std::unordered_set<std::size_t> m_seen;
    std::vector<std::pair<std::size_t, Item>> m_otherServices, m_otherSlices; ///< with the hash of the Service's name
    std::set<ObjectName> m_sourceServices;
};

/// Reads every value of the document; false when only the whole state will do.
bool readInto(ClusterState &state, const JsonDocument &document, const FlowEnds *ends) {
    std::deque<Reporter> reporters; // items point to them
    std::vector<Item> items;
    Finder finder(items);
    for (std::size_t i = 0; i < document.size(); ++i) {
        auto &reporter = reporters.emplace_back(document.root(i), "document", state.problems);
        finder.find(document.root(i), reporter);
    }
    Loader loader(state, ends);
    loader.load(items);
    return !loader.sawSecond();
}

} // namespace

bool concerns(const Service &service, const FlowEnds &ends) {
    const auto &[ip, port] = ends.destination;
    const auto has = [&ip = ip](const std::vector<IpAddress> &ips) {
        return std::find(ips.begin(), ips.end(), ip) != ips.end();
    };
    return has(service.clusterIPs) || has(service.externalIPs) || service.healthCheckNodePort == port ||
           std::any_of(service.ingress.begin(), service.ingress.end(),
                       [&ip = ip](const LoadBalancerIngress &ingress) { return ingress.ip == ip; }) ||
           std::any_of(service.ports.begin(), service.ports.end(),
                       [&port = port](const ServicePort &candidate) { return candidate.nodePort == port; });
}

bool hasEndpoint(const EndpointSlice &slice, const IpAddress &ip) {
    return std::any_of(slice.endpoints.begin(), slice.endpoints.end(), [&](const Endpoint &endpoint) {
        return !endpoint.addresses.empty() && endpoint.addresses.front() == ip;
    });
}

base::Result<ClusterState> readClusterState(std::string_view text, std::string_view fileName, const FlowEnds *ends) {
    const auto document = JsonDocument::parse(text, fileName);
    if (!document) return std::unexpected(document.error());
    ClusterState state;
    if (readInto(state, *document, ends)) return state;
    if (ends == nullptr) return state;
    state = {};
    readInto(state, *document, nullptr);
    return state;
}

base::Status applyWatchEvent(ClusterState &state, std::string_view json) {
    const auto document = JsonDocument::parse(json, "watch event");
    if (!document) return std::unexpected(document.error());
    readInto(state, *document, nullptr);
    return {};
}

} // namespace natlens::proxycore
