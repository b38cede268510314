#include "proxycore/model/object_shapes.h"

namespace natlens::proxycore::detail {

namespace {

constexpr Member text(FieldKey key) {
    return {.key = key};
}
constexpr Member noted(FieldKey key, Note note) {
    return {.key = key, .shape = Shape::noted, .note = note};
}
constexpr Member word(FieldKey key, Words words) {
    return {.key = key, .shape = Shape::word, .words = words};
}
constexpr Member flag(FieldKey key) {
    return {.key = key, .shape = Shape::flag};
}
constexpr Member number(FieldKey key, unsigned lowest, unsigned highest) {
    return {.key = key, .shape = Shape::number, .lowest = lowest, .highest = highest};
}
constexpr Member address(FieldKey key, Shape shape = Shape::address, Words words = {}) {
    return {.key = key, .shape = shape, .words = words};
}
constexpr Member inner(FieldKey key, const Group &group, Shape shape = Shape::object) {
    return {.key = key, .shape = shape, .inner = &group};
}
constexpr Member other(FieldKey key, Shape shape) {
    return {.key = key, .shape = shape};
}
constexpr Member required(Member member) {
    member.required = true;
    return member;
}
constexpr Member concerning(Member member) {
    member.concerns = true;
    return member;
}

constexpr std::array<std::string_view, 1> kNoAddress{""};
constexpr std::array<std::string_view, 2> kNoClusterIp{"", "None"};
constexpr std::array<std::string_view, 4> kProtocols{"", "TCP", "UDP", "SCTP"};
constexpr std::array<std::string_view, 5> kTypes{"", "ClusterIP", "NodePort", "LoadBalancer", "ExternalName"};
constexpr std::array<std::string_view, 3> kPolicies{"", "Cluster", "Local"}, kAffinities{"", "None", "ClientIP"};
constexpr std::array<std::string_view, 2> kIpModes{"VIP", "Proxy"};

constexpr std::array kMetadata{required(noted("name", Note::name)), noted("namespace", Note::nameSpace),
                               other("labels", Shape::labels)};
constexpr Group kMetadataGroup(kMetadata);
constexpr std::array kServiceMetadata{required(noted("name", Note::name)), noted("namespace", Note::nameSpace),
                                      other("labels", Shape::labels), other("annotations", Shape::annotations)};
constexpr Group kServiceMetadataGroup(kServiceMetadata);

// A Service: read_service.cpp.
constexpr std::array kPort{
    noted("name", Note::portName),        word("protocol", kProtocols),
    required(number("port", 1, 65535)),   concerning(number("nodePort", 0, 65535)),
    other("targetPort", Shape::anything),
};
constexpr Group kPortGroup(kPort);
constexpr std::array kClientIp{number("timeoutSeconds", 1, 86400)};
constexpr Group kClientIpGroup(kClientIp);
constexpr std::array kAffinityConfig{inner("clientIP", kClientIpGroup)};
constexpr Group kAffinityConfigGroup(kAffinityConfig);
constexpr std::array kServiceSpec{
    word("type", kTypes),
    concerning(address("clusterIP", Shape::address, kNoClusterIp)),
    concerning(address("clusterIPs", Shape::addresses, kNoClusterIp)),
    inner("ports", kPortGroup, Shape::namedObjects),
    concerning(address("externalIPs", Shape::addresses)),
    other("selector", Shape::labels),
    word("externalTrafficPolicy", kPolicies),
    word("internalTrafficPolicy", kPolicies),
    word("sessionAffinity", kAffinities),
    inner("sessionAffinityConfig", kAffinityConfigGroup),
    other("loadBalancerSourceRanges", Shape::ranges),
    flag("allocateLoadBalancerNodePorts"),
    concerning(number("healthCheckNodePort", 0, 65535)),
    flag("publishNotReadyAddresses"),
    text("trafficDistribution"),
};
constexpr Group kServiceSpecGroup(kServiceSpec);
constexpr std::array kIngress{
    concerning(address("ip", Shape::address, kNoAddress)),
    text("hostname"),
    word("ipMode", kIpModes),
};
constexpr Group kIngressGroup(kIngress);
constexpr std::array kLoadBalancer{inner("ingress", kIngressGroup, Shape::objects)};
constexpr Group kLoadBalancerGroup(kLoadBalancer);
constexpr std::array kServiceStatus{inner("loadBalancer", kLoadBalancerGroup)};
constexpr Group kServiceStatusGroup(kServiceStatus);
constexpr std::array kService{required(inner("metadata", kServiceMetadataGroup)), inner("spec", kServiceSpecGroup),
                              inner("status", kServiceStatusGroup)};
constexpr Group kServiceGroup(kService);

// An EndpointSlice and a Pod: object_readers.cpp.
constexpr std::array kEndpointPort{word("protocol", kProtocols), text("name"), number("port", 0, 65535)};
constexpr Group kEndpointPortGroup(kEndpointPort);
constexpr std::array kConditions{flag("ready"), flag("serving"), flag("terminating")};
constexpr Group kConditionsGroup(kConditions);
constexpr std::array kHint{text("name")};
constexpr Group kHintGroup(kHint);
constexpr std::array kHints{inner("forZones", kHintGroup, Shape::objects),
                            inner("forNodes", kHintGroup, Shape::objects)};
constexpr Group kHintsGroup(kHints);
constexpr std::array kTarget{text("kind"), text("namespace"), text("name")};
constexpr Group kTargetGroup(kTarget);
constexpr std::array kEndpoint{
    concerning(address("addresses", Shape::addresses)),
    inner("conditions", kConditionsGroup),
    text("nodeName"),
    text("zone"),
    inner("hints", kHintsGroup),
    inner("targetRef", kTargetGroup),
};
constexpr Group kEndpointGroup(kEndpoint);
constexpr std::array kSlice{
    required(inner("metadata", kMetadataGroup)),
    noted("addressType", Note::addressType),
    inner("ports", kEndpointPortGroup, Shape::objects),
    inner("endpoints", kEndpointGroup, Shape::objects),
};
constexpr Group kSliceGroup(kSlice);

// An Endpoints object: object_readers.cpp.
constexpr std::array kAddress{
    concerning(address("ip", Shape::address, kNoAddress)),
    text("nodeName"),
    inner("targetRef", kTargetGroup),
};
constexpr Group kAddressGroup(kAddress);
constexpr std::array kSubset{
    inner("addresses", kAddressGroup, Shape::objects),
    inner("notReadyAddresses", kAddressGroup, Shape::objects),
    inner("ports", kEndpointPortGroup, Shape::objects),
};
constexpr Group kSubsetGroup(kSubset);
constexpr std::array kEndpoints{required(inner("metadata", kMetadataGroup)),
                                inner("subsets", kSubsetGroup, Shape::objects)};
constexpr Group kEndpointsGroup(kEndpoints);

constexpr std::array kPodIp{address("ip", Shape::address, kNoAddress)};
constexpr Group kPodIpGroup(kPodIp);
constexpr std::array kPodSpec{text("nodeName"), flag("hostNetwork")};
constexpr Group kPodSpecGroup(kPodSpec);
constexpr std::array kPodStatus{text("phase"), inner("podIPs", kPodIpGroup, Shape::objects),
                                address("podIP", Shape::address, kNoAddress)};
constexpr Group kPodStatusGroup(kPodStatus);
constexpr std::array kPod{required(inner("metadata", kMetadataGroup)), inner("spec", kPodSpecGroup),
                          inner("status", kPodStatusGroup)};
constexpr Group kPodGroup(kPod);

} // namespace

const Group *groupOf(ObjectKind kind) {
    switch (kind) {
    case ObjectKind::service: return &kServiceGroup;
    case ObjectKind::endpointSlice: return &kSliceGroup;
    case ObjectKind::endpoints: return &kEndpointsGroup;
    case ObjectKind::pod: return &kPodGroup;
    case ObjectKind::node:
    case ObjectKind::serviceCIDR: return nullptr; // kept, so read
    }
    return nullptr;
}

} // namespace natlens::proxycore::detail
