// The netlink socket of nf_tables: transactions in, dumps out.
#pragma once

#include "capture/base/result.h"
#include "proxycore/kernel/nft_batch.h"

#include <functional>
#include <memory>

struct nl_sock;
struct nlattr;

namespace natlens::proxycore::nft {

/// Belongs to the network namespace of the thread that opens it; later calls work there from any thread, one at a time.
class Socket final {
public:
    [[nodiscard]] static base::Result<Socket> open();

    /// Bytes that one transaction may have here. The kernel takes a message whole or says EMSGSIZE; the send buffer can
    /// be raised without privilege as far as twice net.core.wmem_max.
    [[nodiscard]] std::size_t largestTransaction() const { return m_largest; }

    /// Sends the batch; all of it is done, or nothing. The error says which message the kernel refused.
    [[nodiscard]] base::Status transact(Batch &batch);

    /// One object of a dump: its attributes by number, null where absent; `highest` is the last number looked at.
    using Visit = std::function<void(nlattr *const *attributes)>;
    /// Everything that the request (NFT_MSG_GET*, with the attributes of `name`: table, and of sets the set) gives. The
    /// kernel lists one generation of rules: when it changes meanwhile, the dump is begun again, so `restart` is called
    /// before each beginning. notFound when there is no such table or set.
    struct Request {
        int type = 0;
        packet::IpFamily family = packet::IpFamily::v4;
        std::vector<std::pair<int, std::string>> names;
    };
    [[nodiscard]] base::Status dump(const Request &request, int highest, const std::function<void()> &restart,
                                    const Visit &visit);

private:
    struct Free {
        void operator()(nl_sock *socket) const;
    };
    Socket() = default;

    std::unique_ptr<nl_sock, Free> m_socket;
    std::size_t m_largest = 0;
    std::uint32_t m_sequence = 1;
};

} // namespace natlens::proxycore::nft
