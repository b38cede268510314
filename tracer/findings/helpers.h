// Questions that several findings ask, and the annotator with them. For the .cpp files of findings and of tracer only.
#pragma once

#include "tracer/findings/finding.h"

#include <fmt/format.h>
#include <string>

namespace natlens::tracer {

/// "Service default/nodeport", or "the Service" where its name is not known.
[[nodiscard]] std::string serviceInWords(const FindingInput &input);

/// The first request hop that carries this translation; null when there is none.
[[nodiscard]] const Hop *hopWith(const Path &path, Nat nat);
[[nodiscard]] const Hop *requestHop(const Path &path, std::string_view host);
/// The request hop of the node where the Service was entered: the first one that met the requested address as asked.
[[nodiscard]] const Hop *entryHop(const FindingInput &input);
/// The Node object that this host is; "" when it is none (or nothing is known of the cluster).
[[nodiscard]] std::string nodeName(const FindingInput &input, std::string_view host);
[[nodiscard]] bool fromPod(const FindingInput &input);
[[nodiscard]] bool fromNode(const FindingInput &input);
[[nodiscard]] Via viaOf(const Path &path);
[[nodiscard]] bool has(const std::vector<Nat> &nat, Nat kind);
/// The source as the entry node met it.
[[nodiscard]] SocketAddress sourceAtEntry(const FindingInput &input);
/// Where the last translation sent the request; none when nothing was translated.
[[nodiscard]] std::optional<SocketAddress> lastDestination(const Path &path);

/// Adds packets that show it, without repetition.
void addEvidence(Finding &finding, const std::optional<HopEnd> &end);
void addEvidence(Finding &finding, PacketNumber packet);

/// The packets that the path begins with.
void addBeginning(Finding &finding, const Path &path);

/// A group's key.
[[nodiscard]] GroupKey filedUnder(std::string_view name, GroupKey::Side side);
[[nodiscard]] GroupKey filedUnder(const SocketAddress &address, GroupKey::Side side);

/// A reply that reached the client with an address that it never asked: somebody's translation was not undone.
struct StrayReply {
    Sight sight;            ///< at the client
    std::string translator; ///< the host whose translation it bypassed
    bool opening = false;   ///< the SYN-ACK (or first datagram) already
};
[[nodiscard]] std::optional<StrayReply> strayReply(const FindingInput &input);
/// The host that translated passed that very reply on without routing it: with the time to live it was sent with.
[[nodiscard]] bool isSwitchedPast(const FindingInput &input, const StrayReply &stray);

/// What a node's kube-proxy would do with the request as the node met it.
struct Prediction {
    proxycore::Verdict verdict = proxycore::Verdict::notAService;
    struct Endpoint {
        SocketAddress address;
        bool masquerade = false;
    };
    std::vector<Endpoint> endpoints; ///< forwarded only
    bool masqueradeKnown = false;    ///< how the node tells pods from others is known, or does not matter
};
/// By the rules that were read from the node where there are some, else by Kubernetes objects. Nothing without either, or
/// where the node is none of the cluster.
[[nodiscard]] std::optional<Prediction> predict(const FindingInput &input, const Hop &entry, const ClusterView &view);
/// By the rules that were read from the node; nothing when there are none.
[[nodiscard]] std::optional<Prediction> predictByRules(const FindingInput &input, const Hop &entry);
/// By Kubernetes objects; nothing when only rules tell of the Service.
[[nodiscard]] std::optional<Prediction> predictByObjects(const FindingInput &input, const Hop &entry,
                                                         const ClusterView &view);

} // namespace natlens::tracer
