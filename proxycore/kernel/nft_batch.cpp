#include "proxycore/kernel/nft_batch.h"

#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <sys/socket.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <endian.h>

namespace natlens::proxycore::nft {

namespace {

constexpr std::size_t kLargestMessage = 128 * 1024;

int familyNumber(packet::IpFamily family) {
    return family == packet::IpFamily::v6 ? AF_INET6 : AF_INET;
}

nlmsghdr headerAt(const std::vector<std::byte> &buffer, std::size_t at) {
    nlmsghdr header;
    std::memcpy(&header, buffer.data() + at, sizeof header);
    return header;
}

std::string_view kindOf(int type) {
    switch (type) {
    case NFT_MSG_NEWTABLE: return "new table";
    case NFT_MSG_DELTABLE: return "deletion of table";
    case NFT_MSG_NEWCHAIN: return "new chain";
    case NFT_MSG_DELCHAIN: return "deletion of chain";
    case NFT_MSG_NEWRULE: return "rule in chain";
    case NFT_MSG_DELRULE: return "flush of chain";
    case NFT_MSG_NEWSET: return "new set";
    case NFT_MSG_DELSET: return "deletion of set";
    case NFT_MSG_NEWSETELEM: return "elements of set";
    case NFT_MSG_DELSETELEM: return "deletion of elements of set";
    default: return "message";
    }
}

} // namespace

void Batch::FreeMessage::operator()(nl_msg *message) const {
    nlmsg_free(message);
}

Batch::Batch()
    : m_message(nlmsg_alloc_size(kLargestMessage)) {
    require(m_message != nullptr);
    mark(NFNL_MSG_BATCH_BEGIN);
}
Batch::~Batch() = default;
Batch::Batch(Batch &&) noexcept = default;
Batch &Batch::operator=(Batch &&) noexcept = default;

/// Callers keep messages small; one that does not fit is a mistake of this program.
void Batch::require(bool fits) const {
    if (fits) return;
    std::fputs("natlens: nft_batch.cpp: a netlink message does not fit\n", stderr);
    std::abort();
}

void Batch::mark(int type) {
    struct {
        nlmsghdr header;
        nfgenmsg generic;
    } message{};
    message.header.nlmsg_len = sizeof message;
    message.header.nlmsg_type = static_cast<std::uint16_t>(type);
    message.header.nlmsg_flags = NLM_F_REQUEST;
    message.generic.version = NFNETLINK_V0;
    message.generic.res_id = htobe16(NFNL_SUBSYS_NFTABLES);
    const auto *first = reinterpret_cast<const std::byte *>(&message);
    m_buffer.insert(m_buffer.end(), first, first + sizeof message);
}

void Batch::begin(int type, int flags, packet::IpFamily family) {
    auto *header = nlmsg_hdr(m_message.get());
    header->nlmsg_len = NLMSG_HDRLEN;
    header->nlmsg_type = static_cast<std::uint16_t>((NFNL_SUBSYS_NFTABLES << 8) | type);
    header->nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags);
    header->nlmsg_seq = 0;
    header->nlmsg_pid = 0;
    nfgenmsg generic{};
    generic.nfgen_family = static_cast<std::uint8_t>(familyNumber(family));
    generic.version = NFNETLINK_V0;
    require(nlmsg_append(m_message.get(), &generic, sizeof generic, NLMSG_ALIGNTO) == 0);
}

void Batch::end() {
    const auto *header = nlmsg_hdr(m_message.get());
    const auto *first = reinterpret_cast<const std::byte *>(header);
    m_starts.push_back(m_buffer.size());
    m_buffer.insert(m_buffer.end(), first, first + header->nlmsg_len);
    m_buffer.resize(NLMSG_ALIGN(m_buffer.size()));
}

void Batch::text(int attribute, std::string_view value) {
    auto *place = nla_reserve(m_message.get(), attribute, static_cast<int>(value.size() + 1));
    require(place != nullptr);
    auto *data = static_cast<char *>(nla_data(place));
    std::memcpy(data, value.data(), value.size());
    data[value.size()] = '\0';
}

void Batch::u32(int attribute, std::uint32_t value) {
    require(nla_put_u32(m_message.get(), attribute, htobe32(value)) == 0);
}

void Batch::u64(int attribute, std::uint64_t value) {
    require(nla_put_u64(m_message.get(), attribute, htobe64(value)) == 0);
}

void Batch::bytes(int attribute, std::span<const std::byte> value) {
    require(nla_put(m_message.get(), attribute, static_cast<int>(value.size()), value.data()) == 0);
}

nlattr *Batch::nest(int attribute) {
    auto *start = nla_nest_start(m_message.get(), attribute);
    require(start != nullptr);
    return start;
}

void Batch::endNest(nlattr *start) {
    require(nla_nest_end(m_message.get(), start) == 0);
}

std::size_t Batch::messageSize() const {
    return nlmsg_hdr(m_message.get())->nlmsg_len;
}

std::span<std::byte> Batch::finish(std::uint32_t sequence) {
    mark(NFNL_MSG_BATCH_END);
    const auto patch = [&](std::size_t at, std::uint32_t number, bool acknowledge) {
        auto header = headerAt(m_buffer, at);
        header.nlmsg_seq = number;
        if (acknowledge) header.nlmsg_flags |= NLM_F_ACK;
        std::memcpy(m_buffer.data() + at, &header, sizeof header);
    };
    for (std::size_t i = 0; i < m_starts.size(); ++i)
        patch(m_starts[i], sequence + static_cast<std::uint32_t>(i), i + 1 == m_starts.size());
    return m_buffer;
}

std::string Batch::about(std::size_t number) const {
    if (number >= m_starts.size()) return "the transaction as a whole";
    const auto at = m_starts[number];
    const auto header = headerAt(m_buffer, at);
    const int type = header.nlmsg_type & 0xff;
    std::string text(kindOf(type));
    // The name is attribute 3 of a chain and 2 of a rule or set (linux/netfilter/nf_tables.h).
    const bool isChain = type == NFT_MSG_NEWCHAIN || type == NFT_MSG_DELCHAIN;
    const bool isTable = type == NFT_MSG_NEWTABLE || type == NFT_MSG_DELTABLE;
    const int nameAt = isTable ? NFTA_TABLE_NAME : isChain ? static_cast<int>(NFTA_CHAIN_NAME) : NFTA_RULE_CHAIN;
    constexpr std::size_t kHeaders = NLMSG_HDRLEN + NLMSG_ALIGN(sizeof(nfgenmsg));
    // nla_find() reads only; it asks for a pointer without const.
    auto *first = reinterpret_cast<nlattr *>(const_cast<std::byte *>(m_buffer.data()) + at + kHeaders);
    const auto *name = nla_find(first, static_cast<int>(header.nlmsg_len - kHeaders), nameAt);
    if (name != nullptr) text += " " + std::string(nla_get_string(name));
    return text;
}

void Batch::visit(int highest, const std::function<void(int, nlattr *const *)> &take) const {
    std::vector<nlattr *> attributes(static_cast<std::size_t>(highest) + 1);
    for (const auto at : m_starts) {
        const auto header = headerAt(m_buffer, at);
        constexpr std::size_t kHeaders = NLMSG_HDRLEN + NLMSG_ALIGN(sizeof(nfgenmsg));
        auto *first = reinterpret_cast<nlattr *>(const_cast<std::byte *>(m_buffer.data()) + at + kHeaders);
        const auto length = static_cast<int>(header.nlmsg_len - kHeaders);
        require(nla_parse(attributes.data(), highest, first, length, nullptr) >= 0);
        take(header.nlmsg_type & 0xff, attributes.data());
    }
}

} // namespace natlens::proxycore::nft
