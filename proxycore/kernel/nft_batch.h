// One nf_tables transaction as netlink messages: framing only, no knowledge of rules. Attributes are written by libnl
// into one scratch message, which is then appended to the batch.
#pragma once

#include "capture/packet/address.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

struct nl_msg;
struct nlattr;

namespace natlens::proxycore::nft {

/// Messages between the marks that make nf_tables take them all or none. The last one asks to be acknowledged, so that
/// silence is never taken for success.
class Batch final {
public:
    Batch();
    ~Batch();
    Batch(Batch &&) noexcept;
    Batch &operator=(Batch &&) noexcept;

    /// Starts a message of nf_tables (NFT_MSG_*) with NLM_F_* flags besides NLM_F_REQUEST.
    void begin(int type, int flags, packet::IpFamily family);
    void end();

    void text(int attribute, std::string_view value); ///< with the NUL that the kernel expects
    void u32(int attribute, std::uint32_t value);     ///< in network order, as are all numbers of nf_tables
    void u64(int attribute, std::uint64_t value);
    void bytes(int attribute, std::span<const std::byte> value);
    [[nodiscard]] nlattr *nest(int attribute);
    void endNest(nlattr *start);

    /// Bytes since begin(): an attribute, nested ones included, cannot exceed 64 KiB.
    [[nodiscard]] std::size_t messageSize() const;
    [[nodiscard]] bool empty() const { return m_starts.empty(); }
    [[nodiscard]] std::size_t size() const { return m_buffer.size(); } ///< bytes so far

    /// Closes the batch and gives what to send. `sequence` is that of the first message; the n-th has sequence + n.
    [[nodiscard]] std::span<std::byte> finish(std::uint32_t sequence);
    /// Each message so far: its type and its attributes by number up to `highest`, null where absent.
    void visit(int highest, const std::function<void(int type, nlattr *const *attributes)> &take) const;
    /// What the message with that number was about ("rule in chain services"); for error messages.
    [[nodiscard]] std::string about(std::size_t number) const;

private:
    struct FreeMessage {
        void operator()(nl_msg *message) const;
    };
    void require(bool fits) const;
    void mark(int type);

    std::unique_ptr<nl_msg, FreeMessage> m_message;
    std::vector<std::byte> m_buffer;
    std::vector<std::size_t> m_starts; ///< offset of each message, the marks not counted
};

} // namespace natlens::proxycore::nft
