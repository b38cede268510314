#include "app/lab/links.h"

#include <linux/if.h> // before net/if.h, for the operational states
#include <linux/if_addr.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/veth.h>
#include <netlink/addr.h>
#include <netlink/cache.h>
#include <netlink/netlink.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>
#include <netlink/route/neighbour.h>
#include <netlink/route/nexthop.h>
#include <netlink/route/route.h>
#include <sys/ioctl.h>

namespace natlens::lab {
namespace {

template<class T, void (*Free)(T *)>
struct Deleter { void operator()(T *object) const { Free(object); } };
using LinkHandle = std::unique_ptr<rtnl_link, Deleter<rtnl_link, rtnl_link_put>>;
using AddressHandle = std::unique_ptr<nl_addr, Deleter<nl_addr, nl_addr_put>>;
using RouteHandle = std::unique_ptr<rtnl_route, Deleter<rtnl_route, rtnl_route_put>>;
using CacheHandle = std::unique_ptr<nl_cache, Deleter<nl_cache, nl_cache_free>>;
using MessageHandle = std::unique_ptr<nl_msg, Deleter<nl_msg, nlmsg_free>>;

base::Status check(int result, std::string operation, std::string subject) {
    if (result >= 0) return {};
    const bool denied = result == -NLE_PERM || result == -NLE_NOACCESS;
    return base::fail(denied ? base::ErrorCode::notPermitted : base::ErrorCode::io, nl_geterror(result),
                      std::move(operation), std::move(subject));
}

AddressHandle toNl(const packet::IpPrefix &prefix) {
    const int family = prefix.address.isV4() ? AF_INET : AF_INET6;
    nl_addr *address = nl_addr_build(family, prefix.address.bytes.data(), prefix.address.size());
    nl_addr_set_prefixlen(address, prefix.length);
    return AddressHandle(address);
}

packet::IpPrefix host(const packet::IpAddress &address) {
    return {address, static_cast<std::uint8_t>(address.isV4() ? 32 : 128)};
}

void raise(ifinfomsg &info) {
    info.ifi_flags = info.ifi_change = IFF_UP;
}

/// One ifinfomsg with attributes. libnl's own link objects cannot put a veth peer, its MAC and its namespace in one
/// request in all the versions we build on (3.5 to 3.11); its message functions can.
class LinkMessage final {
public:
    LinkMessage(int type, int flags, unsigned char family = AF_UNSPEC) : m_message(nlmsg_alloc_simple(type, flags)) {
        ifinfomsg info{};
        info.ifi_family = family;
        nlmsg_append(m_message.get(), &info, sizeof info, NLMSG_ALIGNTO);
    }
    nl_msg *get() { return m_message.get(); }
    ifinfomsg *header() { return static_cast<ifinfomsg *>(nlmsg_data(nlmsg_hdr(m_message.get()))); }
    void text(int attribute, const std::string &value) { nla_put_string(m_message.get(), attribute, value.c_str()); }
    void number(int attribute, std::uint32_t value) { nla_put_u32(m_message.get(), attribute, value); }
    void byte(int attribute, std::uint8_t value) { nla_put_u8(m_message.get(), attribute, value); }
    void mac(const packet::MacAddress &value) {
        nla_put(m_message.get(), IFLA_ADDRESS, static_cast<int>(value.size()), value.data());
    }
    template<class Body>
    void nested(int attribute, Body body) {
        nlattr *start = nla_nest_start(m_message.get(), attribute);
        body();
        nla_nest_end(m_message.get(), start);
    }
    /// Sends and waits for the acknowledgement. 0 or a negative libnl error.
    int send(nl_sock *socket) { return nl_send_sync(socket, m_message.release()); }

private:
    MessageHandle m_message;
};

} // namespace

base::Result<Links> Links::open() {
    nl_sock *socket = nl_socket_alloc();
    if (socket == nullptr) return base::fail(base::ErrorCode::io, "out of memory", "nl_socket_alloc");
    if (const int result = nl_connect(socket, NETLINK_ROUTE); result < 0) {
        nl_socket_free(socket);
        return std::unexpected(check(result, "connect", "rtnetlink").error());
    }
    return Links(socket);
}

Links::~Links() {
    if (m_socket != nullptr) nl_socket_free(m_socket);
}

Links::Links(Links &&other) noexcept
    : m_socket(std::exchange(other.m_socket, nullptr)), m_indices(std::move(other.m_indices)) {}

int Links::index(const std::string &name) {
    if (const auto known = m_indices.find(name); known != m_indices.end()) return known->second;
    rtnl_link *found = nullptr;
    if (rtnl_link_get_kernel(m_socket, 0, name.c_str(), &found) < 0) return 0;
    LinkHandle link(found);
    return m_indices[name] = rtnl_link_get_ifindex(link.get());
}

base::Status Links::addBridge(const std::string &name, const packet::MacAddress &mac, unsigned mtu) {
    LinkMessage message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
    raise(*message.header());
    message.text(IFLA_IFNAME, name);
    message.number(IFLA_MTU, mtu);
    message.mac(mac);
    message.nested(IFLA_LINKINFO, [&] {
        message.text(IFLA_INFO_KIND, "bridge");
        message.nested(IFLA_INFO_DATA, [&] { message.byte(IFLA_BR_MCAST_SNOOPING, 0); }); // it would join a group
    });
    return check(message.send(m_socket), "add bridge", name);
}

base::Status Links::addVeth(const VethEnd &here, const std::string &master, const VethEnd &there,
                            const NetworkNamespace &other, unsigned mtu) {
    const int masterIndex = master.empty() ? 0 : index(master);
    LinkMessage message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
    raise(*message.header());
    message.text(IFLA_IFNAME, here.name);
    message.number(IFLA_MTU, mtu);
    if (here.mac != nullptr) message.mac(*here.mac);
    if (masterIndex != 0) message.number(IFLA_MASTER, static_cast<std::uint32_t>(masterIndex));
    message.nested(IFLA_LINKINFO, [&] {
        message.text(IFLA_INFO_KIND, "veth");
        message.nested(IFLA_INFO_DATA, [&] {
            message.nested(VETH_INFO_PEER, [&] {
                ifinfomsg peer{};
                nlmsg_append(message.get(), &peer, sizeof peer, NLMSG_ALIGNTO);
                message.text(IFLA_IFNAME, there.name);
                message.number(IFLA_MTU, mtu);
                if (there.mac != nullptr) message.mac(*there.mac);
                message.number(IFLA_NET_NS_FD, static_cast<std::uint32_t>(other.fd()));
            });
        });
    });
    return check(message.send(m_socket), "add veth", here.name + " - " + other.name() + "/" + there.name);
}

base::Status Links::setPort(const std::string &name, PortFlag flag, bool on) {
    LinkMessage message(RTM_SETLINK, 0, AF_BRIDGE);
    message.header()->ifi_index = index(name);
    nlattr *start = nla_nest_start(message.get(), IFLA_PROTINFO | NLA_F_NESTED);
    message.byte(flag == PortFlag::isolated ? IFLA_BRPORT_ISOLATED : IFLA_BRPORT_MODE, on ? 1 : 0);
    nla_nest_end(message.get(), start);
    return check(message.send(m_socket), "set bridge port", name);
}

base::Status Links::deleteLink(const std::string &name) {
    m_indices.erase(name);
    LinkMessage message(RTM_DELLINK, 0);
    message.text(IFLA_IFNAME, name);
    return check(message.send(m_socket), "delete link", name);
}

base::Status Links::setUp(const std::string &name) {
    LinkMessage message(RTM_NEWLINK, 0);
    raise(*message.header());
    message.text(IFLA_IFNAME, name);
    return check(message.send(m_socket), "set link up", name);
}

base::Status Links::setDown(const std::string &name) {
    LinkMessage message(RTM_NEWLINK, 0);
    message.header()->ifi_change = IFF_UP;
    message.text(IFLA_IFNAME, name);
    return check(message.send(m_socket), "set link down", name);
}

base::Status Links::addAddress(const std::string &name, const packet::IpPrefix &address, bool preferred) {
    std::unique_ptr<rtnl_addr, Deleter<rtnl_addr, rtnl_addr_put>> request(rtnl_addr_alloc());
    rtnl_addr_set_ifindex(request.get(), index(name));
    rtnl_addr_set_local(request.get(), toNl(address).get());
    if (address.address.isV6()) rtnl_addr_set_flags(request.get(), IFA_F_NODAD);
    if (address.address.isV6() && !preferred) {
        constexpr std::uint32_t kForEver = 0xffffffff;
        rtnl_addr_set_valid_lifetime(request.get(), kForEver);
        rtnl_addr_set_preferred_lifetime(request.get(), 0);
    }
    return check(rtnl_addr_add(m_socket, request.get(), 0), "add address", name + " " + address.toString());
}

namespace {

using NeighbourHandle = std::unique_ptr<rtnl_neigh, Deleter<rtnl_neigh, rtnl_neigh_put>>;

NeighbourHandle neighbour(int interface, const packet::IpAddress &address) {
    NeighbourHandle entry(rtnl_neigh_alloc());
    rtnl_neigh_set_ifindex(entry.get(), interface);
    rtnl_neigh_set_dst(entry.get(), toNl(host(address)).get());
    return entry;
}

} // namespace

base::Status Links::addNeighbour(const std::string &name, const packet::IpAddress &address,
                                 const packet::MacAddress &mac) {
    const auto entry = neighbour(index(name), address);
    const AddressHandle link(nl_addr_build(AF_LLC, mac.data(), mac.size()));
    rtnl_neigh_set_lladdr(entry.get(), link.get());
    rtnl_neigh_set_state(entry.get(), NUD_PERMANENT);
    return check(rtnl_neigh_add(m_socket, entry.get(), NLM_F_CREATE | NLM_F_REPLACE), "add neighbour",
                 name + " " + address.toString());
}

base::Status Links::deleteNeighbour(const std::string &name, const packet::IpAddress &address) {
    const auto entry = neighbour(index(name), address);
    return check(rtnl_neigh_delete(m_socket, entry.get(), 0), "delete neighbour", name + " " + address.toString());
}

base::Status Links::replaceRoute(const packet::IpPrefix &destination, const std::string &interface,
                                 std::span<const packet::IpAddress> gateways) {
    RouteHandle route(rtnl_route_alloc());
    const int device = index(interface);
    rtnl_route_set_family(route.get(), destination.address.isV4() ? AF_INET : AF_INET6);
    rtnl_route_set_dst(route.get(), toNl(destination).get());
    rtnl_route_set_scope(route.get(), gateways.empty() ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE);
    auto addHop = [&](const packet::IpAddress *gateway) {
        rtnl_nexthop *hop = rtnl_route_nh_alloc(); // owned by the route from here on
        rtnl_route_nh_set_ifindex(hop, device);
        if (gateway != nullptr) {
            rtnl_route_nh_set_gateway(hop, toNl(host(*gateway)).get());
            rtnl_route_nh_set_flags(hop, RTNH_F_ONLINK);
        }
        rtnl_route_add_nexthop(route.get(), hop);
    };
    if (gateways.empty()) addHop(nullptr);
    for (const auto &gateway : gateways) addHop(&gateway);
    return check(rtnl_route_add(m_socket, route.get(), NLM_F_CREATE | NLM_F_REPLACE), "set route",
                 destination.toString() + " on " + interface);
}

base::Result<bool> Links::areReady() {
    nl_cache *found = nullptr;
    if (const int result = rtnl_link_alloc_cache(m_socket, AF_UNSPEC, &found); result < 0)
        return std::unexpected(check(result, "list", "links").error());
    const CacheHandle links(found);
    for (auto *object = nl_cache_get_first(links.get()); object != nullptr; object = nl_cache_get_next(object)) {
        auto *link = reinterpret_cast<rtnl_link *>(object);
        const char *type = rtnl_link_get_type(link); // a bridge without ports has no carrier
        const bool wire = type != nullptr && std::string_view(type) == "veth";
        if (wire && (rtnl_link_get_flags(link) & IFF_UP) != 0 && rtnl_link_get_operstate(link) != IF_OPER_UP) return false;
    }
    if (const int result = rtnl_addr_alloc_cache(m_socket, &found); result < 0)
        return std::unexpected(check(result, "list", "addresses").error());
    const CacheHandle addresses(found);
    for (auto *object = nl_cache_get_first(addresses.get()); object != nullptr; object = nl_cache_get_next(object))
        if ((rtnl_addr_get_flags(reinterpret_cast<rtnl_addr *>(object)) & IFA_F_TENTATIVE) != 0) return false;
    return true;
}

base::Status Links::deleteRoute(const packet::IpPrefix &destination) {
    RouteHandle route(rtnl_route_alloc());
    rtnl_route_set_family(route.get(), destination.address.isV4() ? AF_INET : AF_INET6);
    rtnl_route_set_dst(route.get(), toNl(destination).get());
    rtnl_route_set_scope(route.get(), RT_SCOPE_NOWHERE);
    const int result = rtnl_route_delete(m_socket, route.get(), 0);
    if (result == -NLE_OBJ_NOTFOUND || result == -NLE_NOADDR || result == -NLE_FAILURE) return {};
    return check(result, "delete route", destination.toString());
}

} // namespace natlens::lab
