#include "proxycore/kernel/nft_encode_sets.h"

#include "proxycore/kernel/nft_userdata.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netlink.h>

#include <cstring>

namespace natlens::proxycore::nft {

namespace {

// nft's numbers of data types (nft, enum datatypes); a concatenation packs them six bits each.
enum DataType : std::uint32_t { kInteger = 4, kIpv4 = 7, kIpv6 = 8, kProtocol = 12, kService = 13 };
template<class... Types>
constexpr std::uint32_t concatenation(Types... types) {
    std::uint32_t all = 0;
    ((all = all << 6 | types), ...);
    return all;
}
constexpr std::uint32_t kVerdictType = NFT_DATA_VERDICT;
/// Attributes end at 64 KiB; elements go on in another message before that.
constexpr std::size_t kFullMessage = 48 * 1024;

Value keyValue(const Element &element) {
    Value value;
    append(value, element.address);
    append(value, element.secondAddress);
    if (element.protocol != Protocol::none) {
        append(value, element.protocol);
        append(value, element.port);
    }
    return value;
}

} // namespace

void append(Value &value, const IpAddress &address) {
    const auto bytes = std::as_bytes(std::span(address.bytes));
    value.insert(value.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(address.size()));
}

void append(Value &value, Protocol protocol) {
    value.insert(value.end(), {static_cast<std::byte>(protocol), std::byte{}, std::byte{}, std::byte{}});
}

void append(Value &value, Port port) {
    value.insert(value.end(), {static_cast<std::byte>(port >> 8), static_cast<std::byte>(port & 0xff), {}, {}});
}

Value addressValue(const IpAddress &address) {
    Value value;
    append(value, address);
    return value;
}

Value hostOrder(std::uint32_t number) {
    Value value(sizeof number);
    std::memcpy(value.data(), &number, sizeof number);
    return value;
}

/// The elements of one set, in as many messages as they take; the last one is closed when this goes.
class SetMessages::ElementList final {
public:
    ElementList(SetMessages &sets, SetReference set, Verb verb = Verb::add)
        : m_batch(sets.m_batch)
        , m_family(sets.m_family)
        , m_set(std::move(set))
        , m_verb(verb) {}
    ~ElementList() { close(); }
    ElementList(const ElementList &) = delete;
    ElementList &operator=(const ElementList &) = delete;

    struct EndItem {
        Batch *batch;
        void operator()(nlattr *start) const { batch->endNest(start); }
    };
    /// The next element; ends when the result goes.
    [[nodiscard]] std::unique_ptr<nlattr, EndItem> item() {
        if (m_list != nullptr && m_batch.messageSize() > kFullMessage) close();
        if (m_list == nullptr) open();
        return {m_batch.nest(NFTA_LIST_ELEM), {&m_batch}};
    }
    void key(const Value &value) { data(NFTA_SET_ELEM_KEY, value); }
    void data(int attribute, const Value &value) {
        auto *nested = m_batch.nest(attribute);
        m_batch.bytes(NFTA_DATA_VALUE, value);
        m_batch.endNest(nested);
    }

private:
    void open() {
        const bool adds = m_verb == Verb::add;
        m_batch.begin(adds ? NFT_MSG_NEWSETELEM : NFT_MSG_DELSETELEM, adds ? NLM_F_CREATE : 0, m_family);
        m_batch.text(NFTA_SET_ELEM_LIST_TABLE, kTable);
        // By number alone where there is one: the kernel looks for names first, in a list.
        if (m_set.id != 0)
            m_batch.u32(NFTA_SET_ELEM_LIST_SET_ID, m_set.id);
        else
            m_batch.text(NFTA_SET_ELEM_LIST_SET, m_set.name);
        m_list = m_batch.nest(NFTA_SET_ELEM_LIST_ELEMENTS);
    }
    void close() {
        if (m_list == nullptr) return;
        m_batch.endNest(m_list);
        m_batch.end();
        m_list = nullptr;
    }

    Batch &m_batch;
    IpFamily m_family;
    SetReference m_set;
    Verb m_verb;
    nlattr *m_list = nullptr;
};

void SetMessages::start(int type, int flags, std::string_view set) {
    m_batch.begin(type, flags, m_family);
    m_batch.text(NFTA_SET_TABLE, kTable);
    m_batch.text(NFTA_SET_NAME, set);
}

std::uint32_t SetMessages::addressType() const {
    return m_family == IpFamily::v6 ? kIpv6 : kIpv4;
}

SetMessages::Key SetMessages::keyOf(KeyType type) const {
    const auto address = addressType(), length = addressLength();
    switch (type) {
    case KeyType::address: return {address, length};
    case KeyType::addressPairProtocolPort:
        return {concatenation(address, address, kProtocol, kService), 2 * length + 8};
    case KeyType::addressProtocolPort: return {concatenation(address, kProtocol, kService), length + 8};
    case KeyType::protocolPort: return {concatenation(kProtocol, kService), 8};
    }
    return {};
}

void SetMessages::add(const Set &set) {
    start(NFT_MSG_NEWSET, NLM_F_CREATE, set.name);
    const bool filledByRules = set.timeout.count() > 0;
    m_batch.u32(NFTA_SET_FLAGS, (set.verdictMap ? std::uint32_t{NFT_SET_MAP} : 0U) |
                                    (filledByRules ? std::uint32_t{NFT_SET_TIMEOUT | NFT_SET_EVAL} : 0U));
    const auto key = keyOf(set.key);
    m_batch.u32(NFTA_SET_KEY_TYPE, key.type);
    m_batch.u32(NFTA_SET_KEY_LEN, key.length);
    if (set.verdictMap) {
        m_batch.u32(NFTA_SET_DATA_TYPE, kVerdictType);
        m_batch.u32(NFTA_SET_DATA_LEN, 0);
    }
    m_batch.u32(NFTA_SET_ID, ++m_lastId);
    if (filledByRules)
        m_batch.u64(NFTA_SET_TIMEOUT, static_cast<std::uint64_t>(std::chrono::milliseconds(set.timeout).count()));
    m_batch.bytes(NFTA_SET_USERDATA, setData(set));
    m_batch.end();
}

void SetMessages::remove(std::string_view set) {
    start(NFT_MSG_DELSET, 0, set);
    m_batch.end();
}

void SetMessages::elements(std::string_view set, const std::vector<const Element *> &elements, Verb verb) {
    ElementList list(*this, {std::string(set), 0}, verb);
    for (const auto *element : elements) {
        const auto item = list.item();
        list.key(keyValue(*element));
        if (verb == Verb::remove) continue;
        if (element->verdict == "drop")
            putVerdict(m_batch, NFTA_SET_ELEM_DATA, NF_DROP, {});
        else if (!element->verdict.empty())
            putVerdict(m_batch, NFTA_SET_ELEM_DATA, NFT_GOTO, element->verdict);
        if (!element->comment.empty()) m_batch.bytes(NFTA_SET_ELEM_USERDATA, commentData(element->comment));
    }
}

SetReference SetMessages::startAnonymous(std::string_view prefix, std::uint32_t flags, Key key) {
    const SetReference set{std::string(prefix) + std::to_string(m_anonymous++), ++m_lastId};
    start(NFT_MSG_NEWSET, NLM_F_CREATE, set.name);
    m_batch.u32(NFTA_SET_FLAGS, NFT_SET_ANONYMOUS | NFT_SET_CONSTANT | flags);
    m_batch.u32(NFTA_SET_KEY_TYPE, key.type);
    m_batch.u32(NFTA_SET_KEY_LEN, key.length);
    return set;
}

void SetMessages::finishAnonymous(const SetReference &set, std::size_t size, std::span<const std::byte> userdata) {
    m_batch.u32(NFTA_SET_ID, set.id);
    auto *description = m_batch.nest(NFTA_SET_DESC);
    m_batch.u32(NFTA_SET_DESC_SIZE, static_cast<std::uint32_t>(size));
    m_batch.endNest(description);
    m_batch.bytes(NFTA_SET_USERDATA, userdata);
    m_batch.end();
}

template<class Put>
SetReference SetMessages::numberedMap(std::size_t count, Key data, std::span<const std::byte> userdata, Put put) {
    auto set = startAnonymous("__map", NFT_SET_MAP, {kInteger, 4});
    m_batch.u32(NFTA_SET_DATA_TYPE, data.type);
    m_batch.u32(NFTA_SET_DATA_LEN, data.length);
    finishAnonymous(set, count, userdata);
    ElementList list(*this, set);
    for (std::size_t i = 0; i < count; ++i) {
        const auto item = list.item();
        list.key(hostOrder(static_cast<std::uint32_t>(i)));
        put(list, i);
    }
    return set;
}

SetReference SetMessages::endpoints(const std::vector<SocketAddress> &endpoints) {
    const Key data{concatenation(addressType(), std::uint32_t{kService}), addressLength() + 4};
    return numberedMap(endpoints.size(), data, anonymousSetData(AnonymousKind::endpoints),
                       [&](ElementList &list, std::size_t i) {
                           Value value;
                           append(value, endpoints[i].ip);
                           append(value, endpoints[i].port);
                           list.data(NFTA_SET_ELEM_DATA, value);
                       });
}

SetReference SetMessages::chains(const std::vector<std::string> &chains) {
    return numberedMap(
        chains.size(), {kVerdictType, 0}, anonymousSetData(AnonymousKind::verdicts),
        [&](ElementList &, std::size_t i) { putVerdict(m_batch, NFTA_SET_ELEM_DATA, NFT_GOTO, chains[i]); });
}

SetReference SetMessages::ranges(const AddressSpans &spans) {
    const auto bounds = spans.bounds();
    auto set = startAnonymous("__set", spans.singles() ? 0 : NFT_SET_INTERVAL, {addressType(), addressLength()});
    finishAnonymous(set, bounds.size(), anonymousSetData(AnonymousKind::ranges));
    ElementList list(*this, set);
    for (const auto &bound : bounds) {
        const auto item = list.item();
        if (bound.isEnd) m_batch.u32(NFTA_SET_ELEM_FLAGS, NFT_SET_ELEM_INTERVAL_END);
        list.key(addressValue(bound.address));
        if (bound.isOpen) m_batch.bytes(NFTA_SET_ELEM_USERDATA, openRangeData());
    }
    return set;
}

} // namespace natlens::proxycore::nft
