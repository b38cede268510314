// Links, addresses and routes of the calling thread's network namespace, by rtnetlink (libnl-3).
#pragma once

#include "app/lab/namespaces.h"
#include "capture/packet/address.h"
#include "capture/packet/decode.h"

#include <map>
#include <memory>
#include <span>
#include <string>

struct nl_sock;

namespace natlens::lab {

/// One rtnetlink socket. It keeps the namespace that the thread was in when open() was called, so it can be used from
/// anywhere afterwards. Lives on one thread. Every call waits for the kernel's answer.
class Links final {
public:
    [[nodiscard]] static base::Result<Links> open();
    ~Links();
    Links(Links &&other) noexcept;
    Links &operator=(Links &&) = delete;

    /// A bridge without spanning tree; up.
    [[nodiscard]] base::Status addBridge(const std::string &name, const packet::MacAddress &mac, unsigned mtu);

    struct VethEnd { std::string name; const packet::MacAddress *mac = nullptr; };
    /// A veth pair: `here` in this namespace, enslaved to the bridge `master` ("" none) and up; `there` in `other`, still down.
    [[nodiscard]] base::Status addVeth(const VethEnd &here, const std::string &master, const VethEnd &there,
                                       const NetworkNamespace &other, unsigned mtu);
    /// A port whose packets go only to the bridge itself, never to another port (kernel 4.18): what passes from pod to
    /// pod on one node is then routed, and so un-NATed, even where br_netfilter does not exist (finding D19).
    [[nodiscard]] base::Status isolatePort(const std::string &name) { return setPort(name, PortFlag::isolated, true); }
    /// `hairpin`: packets may leave by the port that they came in by.
    enum class PortFlag { isolated, hairpin };
    [[nodiscard]] base::Status setPort(const std::string &name, PortFlag flag, bool on);
    [[nodiscard]] base::Status deleteLink(const std::string &name);
    [[nodiscard]] base::Status setUp(const std::string &name);
    [[nodiscard]] base::Status setDown(const std::string &name);
    /// An IPv6 address can be used at once: nobody is asked whether it is a duplicate. One that is not `preferred` the
    /// kernel takes as a source only when it is told to (RFC 4862: deprecated); IPv4 has that for every further
    /// address.
    [[nodiscard]] base::Status addAddress(const std::string &name, const packet::IpPrefix &address,
                                          bool preferred = true);
    /// Whether every link that is up has its carrier and its queue, and every address may be used. The kernel sees to both
    /// after it has answered, when it finds the time; until then it throws packets away without a word.
    [[nodiscard]] base::Result<bool> areReady();
    /// Whose MAC address it is, for good (nobody is asked), and that it is no longer known.
    [[nodiscard]] base::Status addNeighbour(const std::string &name, const packet::IpAddress &address,
                                            const packet::MacAddress &mac);
    [[nodiscard]] base::Status deleteNeighbour(const std::string &name, const packet::IpAddress &address);

    /// Adds or replaces the route to `destination`: directly on `interface` when `gateways` is empty; through the
    /// gateway; or through several with equal weight, chosen by the kernel's flow hash (multipath). Gateways are taken
    /// to be on link.
    [[nodiscard]] base::Status replaceRoute(const packet::IpPrefix &destination, const std::string &interface,
                                            std::span<const packet::IpAddress> gateways = {});
    /// Deletes the route; one that is not there is no error.
    [[nodiscard]] base::Status deleteRoute(const packet::IpPrefix &destination);

private:
    explicit Links(nl_sock *socket) : m_socket(socket) {}
    [[nodiscard]] int index(const std::string &name);
    nl_sock *m_socket;
    std::map<std::string, int> m_indices; ///< of links that were asked for
};

} // namespace natlens::lab
