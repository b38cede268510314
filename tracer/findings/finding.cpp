#include "tracer/findings/finding.h"

namespace natlens::tracer {

std::vector<Finding> findAll(const FindingInput &input) {
    std::vector<Finding> findings;
    for (const auto &find : {findSourceReplaced, findNoLocalEndpoint})
        if (auto finding = find(input)) findings.push_back(std::move(*finding));
    return findings;
}

std::string policyField(const std::optional<FrontEndMatch> &service, bool local) {
    if (service && service->service->externalTrafficPolicySource == proxycore::PolicySource::annotation) {
        const auto &annotations = service->service->annotations;
        const auto name = annotations.contains(std::string(proxycore::kExternalTrafficBeta))
                              ? proxycore::kExternalTrafficBeta
                              : proxycore::kExternalTrafficAlpha;
        return fmt::format("metadata.annotations[{}]: {}", name, local ? "OnlyLocal" : "Global");
    }
    return fmt::format("spec.externalTrafficPolicy: {}", local ? "Local" : "Cluster");
}

std::string serviceInWords(const FindingInput &input) {
    if (input.service) return "Service " + input.service->service->name.toString();
    const auto &service = input.path.service;
    if (service && !service->name.empty()) return fmt::format("Service {}/{}", service->nameSpace, service->name);
    return "the Service";
}

} // namespace natlens::tracer
