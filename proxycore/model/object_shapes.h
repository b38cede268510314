// What an object looks like when its readers (object_readers.h) have nothing to report about it: a table of the members
// that they ask for. For the .cpp files of this folder only.
#pragma once

#include "proxycore/model/json_fields.h"
#include "proxycore/model/object_finder.h"

#include <array>
#include <span>
#include <string_view>
#include <utility>

namespace natlens::proxycore::detail {

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

/// The members of an object of this kind; null for kinds that are always read.
[[nodiscard]] const Group *groupOf(ObjectKind kind);

} // namespace natlens::proxycore::detail
