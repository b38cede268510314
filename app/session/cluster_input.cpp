#include "app/session/cluster_input.h"

#include "app/session/cluster_file.h"
#include "app/session/input_file.h"
#include "app/session/threads.h"

#include <algorithm>
#include <fmt/format.h>

namespace natlens::session {
namespace {

constexpr std::size_t kMostContradictions = 20;

std::string shown(const std::string &file) {
    return file == "-" ? "standard input" : file;
}

class Reader final {
public:
    Reader(ObjectsFor purpose, const proxycore::FlowEnds *ends)
        : m_purpose(purpose)
        , m_ends(ends) {}

    base::Result<ClusterInput> read(const std::vector<std::string> &arguments) {
        if (std::ranges::count(arguments, "-") > 1)
            return base::fail(base::ErrorCode::invalidInput, "standard input can be read only once", {}, "--cluster");
        m_alone = arguments.size() == 1;
        for (const auto &argument : arguments)
            if (auto done = take(clusterArgument(argument)); !done) return std::unexpected(done.error());
        compareListings();
        return std::move(m_input);
    }

private:
    base::Status take(const ClusterArgument &argument) {
        const auto file = InputFile::read(argument.file);
        if (!file) return std::unexpected(file.error());
        auto taken = take(argument, *file);
        // Of a file that was shortened meanwhile nothing is worth telling.
        if (auto whole = file->wasWhole(); !whole) return whole;
        return taken;
    }

    base::Status take(const ClusterArgument &argument, const InputFile &file) {
        if (proxycore::rulesFormatOf(file.text()) == proxycore::RulesFormat::none) return objects(argument.file, file);
        auto rules = proxycore::readNodeRules(file.text(), shown(argument.file));
        if (!rules) return std::unexpected(rules.error());
        remark(argument.file, rules->problems);
        m_input.listings.push_back({argument.node, argument.file, std::move(*rules)});
        return {};
    }

    base::Status objects(const std::string &path, const InputFile &file) {
        std::string prefix;
        if (m_purpose == ObjectsFor::lab) {
            auto text = checkClusterList(file.text(), path);
            if (!text) return std::unexpected(text.error());
            m_input.objects.push_back(std::move(*text));
            if (m_alone) return {};
        } else if (m_purpose == ObjectsFor::tracer) {
            auto list = usableClusterList(file.text(), path);
            if (!list) return std::unexpected(list.error());
            if (!list->remark.empty()) m_input.remarks.push_back(shown(path) + ": " + list->remark);
            prefix = std::move(list->prefix);
            m_input.objects.push_back(std::move(list->text));
        } else {
            m_input.objects.emplace_back();
        }
        const std::string_view text = prefix.empty() ? file.text() : std::string_view(prefix);
        auto state = proxycore::readClusterState(text, shown(path), m_alone ? m_ends : nullptr, inThreads);
        if (!state) return std::unexpected(state.error());
        remark(path, state->problems);
        state->problems.clear();
        if (m_alone && m_purpose == ObjectsFor::tracer) return {}; // only its faults were wanted
        add(std::move(*state), path);
        return {};
    }

    void remark(const std::string &file, const std::vector<proxycore::Problem> &problems) {
        for (const auto &problem : problems)
            m_input.remarks.push_back(shown(file) + ": " + problem.toString());
    }

    void add(proxycore::ClusterState more, const std::string &path) {
        if (m_input.objects.size() == 1) {
            m_input.state = std::move(more);
        } else {
            auto &state = m_input.state;
            addObjects(state.nodes, more.nodes, "Node", path);
            addObjects(state.pods, more.pods, "Pod", path);
            addObjects(state.services, more.services, "Service", path);
            addObjects(state.endpointSlices, more.endpointSlices, "EndpointSlice", path);
            for (auto &[name, ranges] : more.serviceCIDRs)
                state.serviceCIDRs[name] = std::move(ranges);
        }
    }

    template<class T>
    void addObjects(proxycore::ClusterState::Objects<T> &objects, const proxycore::ClusterState::Objects<T> &more,
                    std::string_view kind, const std::string &path) {
        for (const auto &[name, object] : more) {
            const auto [place, isNew] = objects.try_emplace(name, object);
            if (isNew || *place->second == *object) continue;
            place->second = object;
            contradiction(fmt::format("{}: {} {} is another one than in the files before; this one is used",
                                      shown(path), kind, name.toString()));
        }
    }

    void contradiction(std::string text) {
        if (m_contradictions++ < kMostContradictions)
            m_input.remarks.push_back(std::move(text));
        else if (m_contradictions == kMostContradictions + 1)
            m_input.remarks.emplace_back("--cluster: further contradictions are not listed");
    }

    /// Rules against each other and against objects.
    void compareListings() {
        if (m_input.listings.empty()) return;
        std::vector<proxycore::RulesOfNode> nodes;
        for (const auto &listing : m_input.listings) {
            nodes.push_back({listing.node, &listing.rules});
            const bool known = listing.node.empty() || m_input.state.nodes.empty() || m_input.state.node(listing.node);
            if (!known)
                contradiction(fmt::format("{}: rules of node {}, but the objects have no such Node",
                                          shown(listing.file), listing.node));
        }
        const auto derived = proxycore::clusterStateOf(nodes);
        std::vector<proxycore::Problem> problems = derived.problems;
        auto state = m_input.state;
        (void)proxycore::addMissing(state, derived, &problems);
        for (const auto &problem : problems)
            contradiction("--cluster: " + problem.toString());
    }

    ObjectsFor m_purpose;
    const proxycore::FlowEnds *m_ends;
    ClusterInput m_input;
    bool m_alone = false;
    std::size_t m_contradictions = 0;
};

} // namespace

void ClusterInput::tell(tracer::Tracer &tracer) const {
    for (const auto &text : objects)
        tracer.addClusterState({}, text);
    for (const auto &listing : listings)
        tracer.addNodeRules(listing.node, listing.rules);
}

base::Result<ClusterInput> readClusterInput(const std::vector<std::string> &arguments, ObjectsFor purpose,
                                            const proxycore::FlowEnds *ends) {
    return Reader(purpose, ends).read(arguments);
}

} // namespace natlens::session
