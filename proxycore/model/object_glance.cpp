#include "proxycore/model/object_glance.h"

#include "proxycore/model/json_fields.h"
#include "proxycore/model/object_shapes.h"

#include <algorithm>
#include <array>
#include <utility>

namespace natlens::proxycore::detail {

namespace {

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

    static constexpr std::array kAnnotations15{kExternalTrafficBeta,     kExternalTrafficAlpha,
                                               kHealthCheckNodePortBeta, kHealthCheckNodePortAlpha,
                                               kSourceRangesBeta,        kTolerateUnreadyAlpha};

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
    const bool slice = kind == ObjectKind::endpointSlice, endpoints = kind == ObjectKind::endpoints;
    Look look(slice || endpoints ? ends.source : ends.destination.ip, ends.destination.port);
    look.note(Note::nameSpace, "default");
    look.note(Note::addressType, "IPv4");
    if (!look.isPlain(object, *group) || look.noted(Note::name).empty()) return std::nullopt;
    if (slice && !fitsItsAddresses(look)) return std::nullopt;
    return Glance{look.noted(Note::nameSpace), look.noted(Note::name),
                  look.noted(endpoints ? Note::name : Note::serviceName)};
}

} // namespace natlens::proxycore::detail
