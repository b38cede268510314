#include "proxycore/kernel/nft_userdata.h"

#include <algorithm>
#include <cstring>

namespace natlens::proxycore::nft {

namespace {

// libnftnl, enum nftnl_udata_set_types and nftnl_udata_set_elem_types.
enum : std::uint8_t {
    kKeyByteOrder = 0,
    kDataByteOrder = 1,
    kMergeElements = 2,
    kKeyTypeof = 3,
    kDataTypeof = 4,
    kDataInterval = 6,
    kElementFlags = 1,
};
enum : std::uint32_t { kNoOrder = 0, kHostOrder = 1, kNetworkOrder = 2 };
// nft, enum expr_types: what the "typeof" of a set refers to.
enum : std::uint32_t { kExpressionVerdict = 1, kExpressionConcat = 13 };

void put(Userdata &data, std::uint8_t type, std::span<const std::byte> value) {
    data.push_back(std::byte{type});
    data.push_back(static_cast<std::byte>(value.size()));
    data.insert(data.end(), value.begin(), value.end());
}

/// Numbers in userdata are in the byte order of the host.
void put(Userdata &data, std::uint8_t type, std::uint32_t value) {
    put(data, type, std::as_bytes(std::span(&value, 1)));
}

void put(Userdata &data, std::uint8_t type, std::string_view text) {
    // One byte says how long it is; nft itself takes comments of up to 128 bytes.
    const std::string terminated(text.substr(0, 254));
    put(data, type, std::as_bytes(std::span(terminated.c_str(), terminated.size() + 1)));
}

Userdata typeOf(std::uint32_t expression) {
    Userdata data;
    put(data, 0, expression);
    put(data, 1, std::span<const std::byte>{});
    return data;
}

} // namespace

Userdata commentData(std::string_view comment) {
    Userdata data;
    put(data, 0, comment);
    return data;
}

std::string_view commentIn(std::span<const std::byte> data, std::uint8_t type) {
    while (data.size() >= 2) {
        const auto length = std::to_integer<std::size_t>(data[1]);
        if (length + 2 > data.size()) return {};
        const auto value = data.subspan(2, length);
        if (std::to_integer<std::uint8_t>(data[0]) == type) {
            const std::string_view text(reinterpret_cast<const char *>(value.data()), value.size());
            return text.substr(0, text.find('\0'));
        }
        data = data.subspan(length + 2);
    }
    return {};
}

Userdata setData(const Set &set) {
    Userdata data;
    const bool concatenated = set.key != KeyType::address;
    put(data, kKeyByteOrder, concatenated ? kNoOrder : kNetworkOrder);
    if (set.verdictMap) put(data, kDataByteOrder, std::uint32_t{kNoOrder});
    if (concatenated) put(data, kKeyTypeof, std::span<const std::byte>(typeOf(kExpressionConcat)));
    if (set.verdictMap) put(data, kDataInterval, std::uint32_t{0});
    if (!set.comment.empty()) put(data, kSetComment, std::string_view(set.comment));
    return data;
}

Userdata anonymousSetData(AnonymousKind kind) {
    Userdata data;
    if (kind == AnonymousKind::ranges) {
        put(data, kKeyByteOrder, std::uint32_t{kNetworkOrder});
        put(data, kMergeElements, std::uint32_t{1});
        return data;
    }
    put(data, kKeyByteOrder, std::uint32_t{kHostOrder});
    put(data, kDataByteOrder, std::uint32_t{kNoOrder});
    if (kind == AnonymousKind::verdicts) put(data, kDataTypeof, std::span<const std::byte>(typeOf(kExpressionVerdict)));
    put(data, kDataInterval, std::uint32_t{0});
    return data;
}

Userdata openRangeData() {
    Userdata data;
    put(data, kElementFlags, std::uint32_t{1});
    return data;
}

} // namespace natlens::proxycore::nft
