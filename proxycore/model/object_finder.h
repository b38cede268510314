// Which objects a document holds. For the .cpp files of this folder only.
#pragma once

#include "proxycore/model/json_fields.h"

#include <vector>

namespace natlens::proxycore::detail {

/// The kinds that say something about packets.
enum class ObjectKind : std::uint8_t { node, pod, service, endpointSlice, endpoints, serviceCIDR };
/// As Kubernetes writes it.
[[nodiscard]] std::string_view nameOf(ObjectKind kind);

/// An object that was found and is to be read.
struct Item {
    JsonValue value;
    std::uint32_t root; ///< of the document: which of its values the object is in
    ObjectKind kind;
    bool removing = false, event = false;
};

/// The objects of the document in the order in which they are to be read: as they stand there, but EndpointSlices
/// and then Endpoints last: whether a Service has slices of its own is known when its Endpoints are read.
/// Lists are opened, events unwrapped, other kinds passed over.
[[nodiscard]] std::vector<Item> findObjects(const JsonDocument &document, std::vector<Problem> &problems);

/// The Reporters of a document, one at a time: what is read one after the other is mostly of the same root.
class RootReporter final {
public:
    RootReporter(const JsonDocument &document, std::vector<Problem> &problems)
        : m_document(&document)
        , m_problems(&problems) {}

    [[nodiscard]] Reporter &of(std::uint32_t root) {
        if (!m_reporter || m_root != root) m_reporter.emplace(m_document->root(root), "document", *m_problems);
        m_root = root;
        return *m_reporter;
    }

private:
    const JsonDocument *m_document;
    std::vector<Problem> *m_problems;
    std::uint32_t m_root = 0;
    std::optional<Reporter> m_reporter;
};

} // namespace natlens::proxycore::detail
