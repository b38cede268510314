#include "proxycore/model/object_loader.h"

#include "proxycore/model/object_readers.h"

#include <memory>
#include <set>

namespace natlens::proxycore::detail {

namespace {

template<class T>
void assign(ReadObject &read, std::optional<T> value) {
    if (value) read.value = std::move(*value);
}

} // namespace

ReadObject readItem(const Item &item, Reporter &reporter) {
    ReadObject read;
    const auto kind = nameOf(item.kind);
    reporter.nameObject(kind);
    const Fields object(item.value, reporter);
    const auto metadata = object.inner("metadata");
    if (object.has("metadata") && !metadata.isObject()) return read; // reported
    const bool hasNamespace = item.kind != ObjectKind::node && item.kind != ObjectKind::serviceCIDR;
    const ObjectName name{hasNamespace ? metadata.text("namespace", "default") : "", metadata.text("name")};
    if (name.name.empty()) {
        metadata.report("name", fmt::format("missing; the {} is left out", kind));
        return read;
    }
    read.name = name;
    if (item.removing) return read;
    reporter.nameObject(kind, &name);
    switch (item.kind) {
    case ObjectKind::node: read.value = readNode(object, name.name); break;
    case ObjectKind::pod: read.value = readPod(object, name); break;
    case ObjectKind::service: assign(read, readService(object, metadata, name)); break;
    case ObjectKind::endpointSlice: assign(read, readEndpointSlice(object, metadata, name)); break;
    case ObjectKind::endpoints: read.value = readEndpoints(object, metadata, name); break;
    case ObjectKind::serviceCIDR: read.value = ServiceRange{object.inner("spec").prefixes("cidrs")}; break;
    }
    reporter.nameObject(kind);
    return read;
}

namespace {

/// The slices that were made of the Endpoints of a Service.
auto rangeOfEndpoints(const ClusterState::Objects<EndpointSlice> &slices, const ObjectName &service) {
    const auto prefix = fmt::format("{}{}/", EndpointSlice::kOfEndpoints, service.name);
    const auto begin = slices.lower_bound({service.nameSpace, prefix});
    auto end = begin;
    while (end != slices.end() && end->first.nameSpace == service.nameSpace && end->first.name.starts_with(prefix))
        ++end;
    return std::pair(begin, end);
}

bool eraseEndpoints(ClusterState &state, const ObjectName &service) {
    const auto [begin, end] = rangeOfEndpoints(state.endpointSlices, service);
    const bool any = begin != end;
    state.endpointSlices.erase(begin, end);
    return any;
}

/// Services that have EndpointSlices of their own: their Endpoints say nothing new. Found out when first asked.
class SlicedServices final {
public:
    explicit SlicedServices(const ClusterState &state)
        : m_state(state) {}
    [[nodiscard]] bool contain(const ObjectName &service) {
        if (!m_services) {
            m_services.emplace();
            for (const auto &[name, slice] : m_state.endpointSlices)
                if (!slice->isOfEndpoints()) m_services->insert({name.nameSpace, slice->serviceName});
        }
        return m_services->contains(service);
    }

private:
    const ClusterState &m_state;
    std::optional<std::set<ObjectName>> m_services;
};

/// Puts read objects into a state.
class Store final {
public:
    Store(ClusterState &state, SlicedServices &sliced, const Item &item, Reporter &reporter, ReadObject &read)
        : m_state(&state)
        , m_sliced(&sliced)
        , m_item(&item)
        , m_reporter(&reporter)
        , m_read(&read) {}

    void operator()(std::monostate) const {}
    void operator()(Node &node) const { put(m_state->nodes, node); }
    void operator()(Pod &pod) const { put(m_state->pods, pod); }
    void operator()(Service &service) const { put(m_state->services, service); }
    void operator()(EndpointSlice &slice) const {
        if (!slice.serviceName.empty() && !slice.isOfEndpoints())
            (void)eraseEndpoints(*m_state, {slice.name.nameSpace, slice.serviceName});
        put(m_state->endpointSlices, slice);
    }
    void operator()(std::vector<EndpointSlice> &slices) const {
        if (m_sliced->contain(m_read->name)) return;
        if (eraseEndpoints(*m_state, m_read->name) && !m_item->event) reportSecond();
        for (auto &slice : slices) {
            const auto name = slice.name;
            m_state->endpointSlices.insert_or_assign(name, std::make_shared<const EndpointSlice>(std::move(slice)));
        }
    }
    void operator()(ServiceRange &range) const { m_state->serviceCIDRs[m_read->name] = std::move(range.prefixes); }

private:
    template<class T>
    void put(ClusterState::Objects<T> &objects, T &value) const {
        if (!m_item->event && objects.contains(m_read->name)) reportSecond();
        objects.insert_or_assign(m_read->name, std::make_shared<const T>(std::move(value)));
    }

    void reportSecond() const {
        m_reporter->nameObject(nameOf(m_item->kind), &m_read->name);
        m_reporter->report(m_item->value.at(), "", "occurs more than once; the last one is used");
        m_reporter->nameObject(nameOf(m_item->kind));
    }

    ClusterState *m_state;
    SlicedServices *m_sliced;
    const Item *m_item;
    Reporter *m_reporter;
    ReadObject *m_read;
};

void remove(ClusterState &state, ObjectKind kind, const ObjectName &name) {
    switch (kind) {
    case ObjectKind::node: state.nodes.erase(name); break;
    case ObjectKind::pod: state.pods.erase(name); break;
    case ObjectKind::service: state.services.erase(name); break;
    case ObjectKind::endpointSlice: state.endpointSlices.erase(name); break;
    case ObjectKind::endpoints: (void)eraseEndpoints(state, name); break;
    case ObjectKind::serviceCIDR: state.serviceCIDRs.erase(name); break;
    }
}

} // namespace

void loadAll(ClusterState &state, const JsonDocument &document, const std::vector<Item> &items) {
    RootReporter reporters(document, state.problems);
    SlicedServices sliced(state);
    for (std::size_t i = 0; i < items.size(); ++i) {
        if (i + 4 < items.size()) items[i + 3].value.prefetchIndex(items[i + 4].value.at());
        if (i + 1 < items.size()) items[i + 1].value.prefetchText();
        const auto &item = items[i];
        auto &reporter = reporters.of(item.root);
        auto read = readItem(item, reporter);
        if (item.removing)
            remove(state, item.kind, read.name);
        else
            std::visit(Store(state, sliced, item, reporter, read), read.value);
    }
}

} // namespace natlens::proxycore::detail
