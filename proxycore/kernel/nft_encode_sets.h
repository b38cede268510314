// Sets, maps and their elements as netlink messages, and the values that elements and rules are made of.
#pragma once

#include "proxycore/kernel/nft_batch.h"
#include "proxycore/kernel/nft_expressions.h"
#include "proxycore/kernel/nft_objects.h"
#include "proxycore/kernel/nft_ranges.h"

#include <span>
#include <vector>

namespace natlens::proxycore::nft {

/// Bytes as they stand in the kernel's registers. Parts of a concatenation fill whole words of four bytes.
using Value = std::vector<std::byte>;
void append(Value &value, const IpAddress &address);
void append(Value &value, Protocol protocol);
void append(Value &value, Port port);
[[nodiscard]] Value addressValue(const IpAddress &address);
/// nf_tables keeps numbers that are not from a packet in the byte order of the host.
[[nodiscard]] Value hostOrder(std::uint32_t number);

/// Writes what concerns the sets of one table into a batch.
class SetMessages final {
public:
    /// `anonymous` as in encode().
    SetMessages(IpFamily family, std::uint32_t &anonymous, Batch &batch)
        : m_family(family)
        , m_anonymous(anonymous)
        , m_batch(batch) {}

    void add(const Set &set);
    void remove(std::string_view set);
    enum class Verb : std::uint8_t { add, remove };
    void elements(std::string_view set, const std::vector<const Element *> &elements, Verb verb);

    /// Anonymous sets, for the one rule that comes next and names them.
    [[nodiscard]] SetReference ranges(const AddressSpans &spans);
    [[nodiscard]] SetReference endpoints(const std::vector<SocketAddress> &endpoints); ///< number -> address . port
    [[nodiscard]] SetReference chains(const std::vector<std::string> &chains);         ///< number -> goto

private:
    class ElementList;
    struct Key {
        std::uint32_t type, length;
    };
    [[nodiscard]] Key keyOf(KeyType type) const;
    [[nodiscard]] std::uint32_t addressLength() const { return m_family == IpFamily::v6 ? 16 : 4; }
    [[nodiscard]] std::uint32_t addressType() const;
    void start(int type, int flags, std::string_view set);
    [[nodiscard]] SetReference startAnonymous(std::string_view prefix, std::uint32_t flags, Key key);
    void finishAnonymous(const SetReference &set, std::size_t size, std::span<const std::byte> userdata);
    template<class Put>
    [[nodiscard]] SetReference numberedMap(std::size_t count, Key data, std::span<const std::byte> userdata, Put put);

    IpFamily m_family;
    std::uint32_t &m_anonymous;
    std::uint32_t m_lastId = 0; ///< sets are numbered within a transaction
    Batch &m_batch;
};

} // namespace natlens::proxycore::nft
