#include "proxycore/model/object_glance.h"

#include "proxycore/model/json_fields.h"

#include <algorithm>
#include <array>
#include <span>
#include <utility>

namespace natlens::proxycore::detail {

namespace {

/// What a member must look like for the readers to have nothing to say about it.
enum class Shape : std::uint8_t {
    anything,
    text,
    noted,       ///< text without escapes, remembered
    word,        ///< one of Member::words
    flag,        ///< true or false
    number,      ///< from Member::lowest to Member::highest
    address,     ///< an IP address as text, or one of Member::words
    addresses,   ///< a list of these
    ranges,      ///< a list of CIDRs
    labels,      ///< an object of texts; the Service's name is remembered
    annotations, ///< an object of texts, none of them of kube-proxy 1.5
    object,
    objects,      ///< a list of objects
    namedObjects, ///< a list of objects whose names differ
};

/// What is remembered.
enum class Note : std::uint8_t { nameSpace, name, serviceName, addressType, portName };
constexpr std::size_t kNotes = 5;

struct Group;
using Words = std::span<const std::string_view>;

struct Member {
    FieldKey key;
    Shape shape = Shape::text;
    Note note = Note::name;
    Words words{};
    unsigned lowest = 0, highest = 0;
    const Group *inner = nullptr;
    bool required = false;
    bool concerns = false; ///< an address or a port that may be the flow's
};

/// The members of an object that the readers ask for. All others are stepped over.
struct Group {
    static constexpr std::uint8_t kNone = 0xff;
    static constexpr std::size_t kMost = 32;

    template<std::size_t Size>
    consteval explicit Group(const std::array<Member, Size> &all)
        : members(all) {
        static_assert(Size <= kMost, "a bit for each");
        first.fill(kNone);
        for (std::size_t i = Size; i-- > 0;) {
            next[i] = std::exchange(first[all[i].key.slot()], static_cast<std::uint8_t>(i));
            if (all[i].required) required |= 1U << i;
        }
    }

    std::span<const Member> members;
    std::array<std::uint8_t, JsonValue::kSlots> first{};
    std::array<std::uint8_t, kMost> next{}; ///< of the same slot
    std::uint32_t required = 0;
};

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

const Group *groupOf(ObjectKind kind) {
    switch (kind) {
    case ObjectKind::service: return &kServiceGroup;
    case ObjectKind::endpointSlice: return &kSliceGroup;
    case ObjectKind::pod: return &kPodGroup;
    case ObjectKind::node:
    case ObjectKind::serviceCIDR: return nullptr; // kept, so read
    }
    return nullptr;
}

/// Most addresses are plain IPv4, which inet_pton takes its time for. The rest of the text is not looked at here.
std::optional<IpAddress> plainV4(std::string_view text) {
    std::array<std::uint8_t, 4> bytes{};
    std::size_t at = 0;
    for (std::size_t part = 0; part < bytes.size(); ++part) {
        if (part > 0 && (at >= text.size() || text[at++] != '.')) return std::nullopt;
        const auto begin = at;
        unsigned value = 0;
        for (; at < text.size() && text[at] >= '0' && text[at] <= '9' && at < begin + 3; ++at)
            value = value * 10 + static_cast<unsigned>(text[at] - '0');
        if (at == begin || value > 255 || (text[begin] == '0' && at > begin + 1)) return std::nullopt;
        bytes[part] = static_cast<std::uint8_t>(value);
    }
    if (at != text.size()) return std::nullopt;
    return IpAddress::v4(bytes[0], bytes[1], bytes[2], bytes[3]);
}

std::optional<IpAddress> addressOf(std::string_view text) {
    const auto plain = plainV4(text);
    return plain ? plain : IpAddress::parse(text);
}

class Look final {
public:
    Look(const IpAddress &ip, Port port)
        : m_ip(ip)
        , m_port(port) {}

    [[nodiscard]] std::string_view noted(Note note) const { return m_notes[static_cast<std::size_t>(note)]; }
    void note(Note note, std::string_view text) { m_notes[static_cast<std::size_t>(note)] = text; }
    [[nodiscard]] bool sawV4() const { return m_sawV4; }
    [[nodiscard]] bool sawV6() const { return m_sawV6; }

    [[nodiscard]] bool isPlain(const JsonValue &object, const Group &group) {
        if (!object.isObject()) return false;
        std::uint32_t seen = 0, absent = 0;
        for (auto at = object.at() + 1, end = object.end(); at < end;) {
            const auto key = object.atPlace(at), value = object.atPlace(at + 1);
            at = value.end();
            const auto slot = key.keySlot();
            if (slot == JsonValue::kNoSlot) return false;
            auto i = group.first[slot];
            while (i != Group::kNone && !key.equals(group.members[i].key.name()))
                i = group.next[i];
            if (i == Group::kNone) continue;
            const auto bit = 1U << i;
            if ((seen & bit) != 0) return false;
            seen |= bit;
            if (value.first() == 'n')
                absent |= bit;
            else if (!fits(value, group.members[i]))
                return false;
        }
        return (seen & ~absent & group.required) == group.required;
    }

private:
    [[nodiscard]] bool fits(const JsonValue &value, const Member &member) {
        switch (member.shape) {
        case Shape::anything: return true;
        case Shape::text: return value.isString();
        case Shape::noted:
            if (const auto text = value.plainText()) {
                note(member.note, *text);
                return true;
            }
            return false;
        case Shape::word: return isWord(value, member.words);
        case Shape::flag: return value.first() == 't' || value.first() == 'f';
        case Shape::number: return isNumber(value, member);
        case Shape::address: return isAddress(value, member);
        case Shape::addresses: return all(value, [&](const JsonValue &element) { return isAddress(element, member); });
        case Shape::ranges: return all(value, isRange);
        case Shape::labels: return areLabels(value);
        case Shape::annotations: return areAnnotations(value);
        case Shape::object: return isPlain(value, *member.inner);
        case Shape::objects:
            return all(value, [&](const JsonValue &element) { return isPlain(element, *member.inner); });
        case Shape::namedObjects: return areNamed(value, *member.inner);
        }
        return false;
    }

    template<class Test>
    static bool all(const JsonValue &list, Test test) {
        if (!list.isArray()) return false;
        for (auto at = list.at() + 1, end = list.end(); at < end;) {
            const auto element = list.atPlace(at);
            at = element.end();
            if (!test(element)) return false;
        }
        return true;
    }

    static bool isWord(const JsonValue &value, Words words) {
        const auto text = value.plainText();
        return text && std::find(words.begin(), words.end(), *text) != words.end();
    }

    bool isNumber(const JsonValue &value, const Member &member) const {
        const auto number = value.smallNumber();
        return number && *number >= member.lowest && *number <= member.highest &&
               !(member.concerns && *number == m_port);
    }

    bool isAddress(const JsonValue &value, const Member &member) {
        const auto text = value.plainText();
        if (!text) return false;
        const auto ip = addressOf(*text);
        if (!ip) return std::find(member.words.begin(), member.words.end(), *text) != member.words.end();
        (ip->isV4() ? m_sawV4 : m_sawV6) = true;
        return !(member.concerns && *ip == m_ip);
    }

    static bool isRange(const JsonValue &value) {
        const auto text = value.plainText();
        return text && parseSloppyPrefix(*text);
    }

    bool areLabels(const JsonValue &object) {
        static constexpr FieldKey service(kServiceNameLabel);
        return areTexts(object, [&](const JsonValue &key, const JsonValue &value) {
            if (!key.equals(service.name())) return true;
            const auto text = value.plainText();
            if (!text || std::exchange(m_sawService, true)) return false;
            note(Note::serviceName, *text);
            return true;
        });
    }

    static bool areAnnotations(const JsonValue &object) {
        return areTexts(object, [](const JsonValue &key, const JsonValue &) {
            return std::none_of(kAnnotations15.begin(), kAnnotations15.end(),
                                [&](std::string_view name) { return key.equals(name); });
        });
    }

    template<class Test>
    static bool areTexts(const JsonValue &object, Test test) {
        if (!object.isObject()) return false;
        for (auto at = object.at() + 1, end = object.end(); at < end; at += 2) {
            const auto key = object.atPlace(at), value = object.atPlace(at + 1);
            if (!value.isString() || key.keySlot() == JsonValue::kNoSlot || !test(key, value)) return false;
        }
        return true;
    }

    /// Of two ports with the same name kube-proxy may leave one out.
    bool areNamed(const JsonValue &list, const Group &group) {
        std::array<std::string_view, 8> names;
        std::size_t count = 0;
        return all(list, [&](const JsonValue &element) {
            note(Note::portName, {});
            if (count == names.size() || !isPlain(element, group)) return false;
            const auto name = names[count] = noted(Note::portName);
            const auto before = names.begin() + static_cast<std::ptrdiff_t>(count++);
            return std::find(names.begin(), before, name) == before;
        });
    }

    static constexpr std::array<std::string_view, 4> kAnnotations15{
        kExternalTrafficBeta, kExternalTrafficAlpha, kHealthCheckNodePortBeta, kHealthCheckNodePortAlpha};

    const IpAddress &m_ip;
    Port m_port;
    std::array<std::string_view, kNotes> m_notes;
    bool m_sawService = false, m_sawV4 = false, m_sawV6 = false;
};

bool fitsItsAddresses(const Look &look) {
    const auto type = look.noted(Note::addressType);
    return type == "IPv4" ? !look.sawV6() : type == "IPv6" && !look.sawV4();
}

} // namespace

std::optional<Glance> glanceAt(const JsonValue &object, ObjectKind kind, const FlowEnds &ends) {
    const auto *group = groupOf(kind);
    if (group == nullptr || ends.destination.port == 0) return std::nullopt;
    const bool slice = kind == ObjectKind::endpointSlice;
    Look look(slice ? ends.source : ends.destination.ip, ends.destination.port);
    look.note(Note::nameSpace, "default");
    look.note(Note::addressType, "IPv4");
    if (!look.isPlain(object, *group) || look.noted(Note::name).empty()) return std::nullopt;
    if (slice && !fitsItsAddresses(look)) return std::nullopt;
    return Glance{look.noted(Note::nameSpace), look.noted(Note::name), look.noted(Note::serviceName)};
}

} // namespace natlens::proxycore::detail
