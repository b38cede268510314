// Netlink sockets that the kernel's conntrack and rule-trace messages come from.
#pragma once

#include "capture/base/result.h"
#include "capture/netlink/conntrack_message.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

namespace natlens::netlink {

/// Receives multicast messages of one network namespace: the one that the opening thread was in. May be served by any
/// one thread afterwards. Needs CAP_NET_ADMIN in the namespace's user namespace (notPermitted otherwise).
class EventSocket final {
public:
    /// New, changed and destroyed entries. Entries are only reported while net.netfilter.nf_conntrack_events is not 0.
    [[nodiscard]] static base::Result<EventSocket> openConntrack();
    /// Steps of packets that a rule has marked with "meta nftrace set 1".
    [[nodiscard]] static base::Result<EventSocket> openRuleTrace();

    EventSocket(EventSocket &&) noexcept;
    EventSocket &operator=(EventSocket &&) noexcept;
    ~EventSocket();

    [[nodiscard]] int fd() const; ///< readable when messages wait

    /// One message, from its nlmsghdr on; valid during the call.
    using Callback = std::function<void(std::span<const std::byte> message)>;
    /// Hands over what waits, at most about `limit` messages, without blocking. Returns how many there were.
    [[nodiscard]] base::Result<std::size_t> receive(const Callback &callback, std::size_t limit = SIZE_MAX);

    /// How often the kernel had to throw messages away because this socket was full (ENOBUFS): each time at least one.
    [[nodiscard]] std::uint64_t gaps() const;

private:
    struct State;
    explicit EventSocket(std::unique_ptr<State> state);
    [[nodiscard]] static base::Result<EventSocket> open(std::span<const int> groups, const char *subject);
    std::unique_ptr<State> m_state;
};

/// Makes the calling thread's namespace report conntrack events with their times (net.netfilter.nf_conntrack_events and
/// nf_conntrack_timestamp = 1). Kernels without such a setting need none, so its absence is no error. For namespaces of
/// our own only: natlens does not change the settings of a host it watches.
[[nodiscard]] base::Status enableConntrackEvents();

/// The whole table of the calling thread's namespace, as `kind` updated. Needs CAP_NET_ADMIN.
[[nodiscard]] base::Result<std::vector<ConntrackMessage>> dumpConntrack();

/// Removes the entry with this original tuple from the calling thread's namespace. False when there is none.
[[nodiscard]] base::Result<bool> deleteConntrack(const packet::Tuple &original, std::uint16_t zone = 0);

} // namespace natlens::netlink
