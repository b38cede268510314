#include "app/cli/machine.h"

#include "capture/base/late_library.h"
#include "capture/base/unique_fd.h"

#include <arpa/inet.h>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <fstream>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

namespace natlens::cli {
namespace {

enum Step { userNamespace, otherNamespaces, vethPair, bridge, nftables, conntrack, capture, kSteps };

/// What the child found: 0 worked, an errno, or kNotTried.
constexpr int kNotTried = -1;
using Findings = std::array<int, kSteps>;

/// A netlink request under construction: header, family header, attributes.
class Request final {
public:
    template<class Family>
    Request(int type, int flags, const Family &family) {
        nlmsghdr header{};
        header.nlmsg_type = static_cast<std::uint16_t>(type);
        header.nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags);
        append(&header, sizeof header);
        append(&family, sizeof family);
    }
    Request &attribute(int type, std::string_view value) { // with its final zero: every name we send is a C string
        const std::size_t at = open(type);
        append(value.data(), value.size());
        append("", 1);
        close(at);
        return *this;
    }
    template<class T>
    Request &attributeOf(int type, const T &value) {
        const std::size_t at = open(type);
        append(&value, sizeof value);
        close(at);
        return *this;
    }
    std::size_t open(int type) {
        const std::size_t at = m_bytes.size();
        nlattr header{0, static_cast<std::uint16_t>(type)};
        append(&header, sizeof header);
        return at;
    }
    void close(std::size_t at) {
        const auto length = static_cast<std::uint16_t>(m_bytes.size() - at);
        std::memcpy(m_bytes.data() + at, &length, sizeof length);
        pad();
    }
    void append(const void *data, std::size_t size) { m_bytes.append(static_cast<const char *>(data), size); }
    std::string finished() {
        pad();
        const auto length = static_cast<std::uint32_t>(m_bytes.size());
        std::memcpy(m_bytes.data(), &length, sizeof length);
        return m_bytes;
    }

private:
    void pad() { m_bytes.append((4 - m_bytes.size() % 4) % 4, '\0'); }
    std::string m_bytes;
};

/// Sends the messages and returns the first error that the kernel reports, 0 when all were acknowledged.
int ask(int protocol, const std::string &messages, int acknowledgements) {
    const base::UniqueFd fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol));
    if (!fd) return errno;
    const timeval patience{2, 0};
    ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (::send(fd.get(), messages.data(), messages.size(), 0) < 0) return errno;
    while (acknowledgements > 0) {
        alignas(nlmsghdr) std::array<char, 8192> buffer;
        const ssize_t got = ::recv(fd.get(), buffer.data(), buffer.size(), 0);
        if (got < 0) return errno;
        std::size_t left = static_cast<std::size_t>(got);
        for (const char *at = buffer.data(); left >= sizeof(nlmsghdr);) {
            nlmsghdr header;
            std::memcpy(&header, at, sizeof header);
            if (header.nlmsg_len < sizeof header || header.nlmsg_len > left) break;
            if (header.nlmsg_type == NLMSG_ERROR && header.nlmsg_len >= sizeof header + sizeof(nlmsgerr)) {
                nlmsgerr error;
                std::memcpy(&error, at + NLMSG_HDRLEN, sizeof error);
                if (error.error != 0) return -error.error;
                --acknowledgements;
            }
            const std::size_t step = std::min<std::size_t>(NLMSG_ALIGN(header.nlmsg_len), left);
            at += step;
            left -= step;
        }
    }
    return 0;
}

int tryLink(std::string_view kind) {
    Request request(RTM_NEWLINK, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, ifinfomsg{});
    request.attribute(IFLA_IFNAME, kind == "veth" ? "doctor0" : "doctorbr");
    const std::size_t info = request.open(IFLA_LINKINFO);
    request.attribute(IFLA_INFO_KIND, kind);
    request.close(info);
    return ask(NETLINK_ROUTE, request.finished(), 1);
}

constexpr int netfilterType(int subsystem, int message) {
    return subsystem << 8 | message;
}

nfgenmsg batchHeader() {
    nfgenmsg header{};
    header.res_id = htons(NFNL_SUBSYS_NFTABLES);
    return header;
}
nfgenmsg family(int protocolFamily) {
    nfgenmsg header{};
    header.nfgen_family = static_cast<std::uint8_t>(protocolFamily);
    return header;
}

/// A table with a nat chain on the prerouting hook: what kube-proxy's rules begin with.
int tryNftables() {
    constexpr int kIpv4 = 2, kPreRouting = 0, kDstnat = -100;
    std::string batch = Request(NFNL_MSG_BATCH_BEGIN, 0, batchHeader()).finished();
    batch += Request(netfilterType(NFNL_SUBSYS_NFTABLES, NFT_MSG_NEWTABLE), NLM_F_ACK | NLM_F_CREATE, family(kIpv4))
                 .attribute(NFTA_TABLE_NAME, "doctor")
                 .finished();
    Request chain(netfilterType(NFNL_SUBSYS_NFTABLES, NFT_MSG_NEWCHAIN), NLM_F_ACK | NLM_F_CREATE, family(kIpv4));
    chain.attribute(NFTA_CHAIN_TABLE, "doctor").attribute(NFTA_CHAIN_NAME, "nat").attribute(NFTA_CHAIN_TYPE, "nat");
    const std::size_t hook = chain.open(NFTA_CHAIN_HOOK | NLA_F_NESTED);
    chain.attributeOf(NFTA_HOOK_HOOKNUM, htonl(kPreRouting));
    chain.attributeOf(NFTA_HOOK_PRIORITY, htonl(static_cast<std::uint32_t>(kDstnat)));
    chain.close(hook);
    batch += chain.finished();
    batch += Request(NFNL_MSG_BATCH_END, 0, batchHeader()).finished();
    return ask(NETLINK_NETFILTER, batch, 2);
}

/// Listening to new connections loads the kernel's conntrack netlink module, or fails to.
int tryConntrack() {
    constexpr int kGetStatistics = 4; // IPCTNL_MSG_CT_GET_STATS_CPU; a dump, which ends in one message
    const base::UniqueFd fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER));
    const int group = NFNLGRP_CONNTRACK_NEW;
    if (!fd || ::setsockopt(fd.get(), SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) != 0) return errno;
    const std::string question =
        Request(netfilterType(NFNL_SUBSYS_CTNETLINK, kGetStatistics), NLM_F_DUMP, family(0)).finished();
    const timeval patience{2, 0};
    ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (::send(fd.get(), question.data(), question.size(), 0) < 0) return errno;
    alignas(nlmsghdr) std::array<char, 8192> buffer;
    if (::recv(fd.get(), buffer.data(), buffer.size(), 0) < static_cast<ssize_t>(sizeof(nlmsghdr))) return errno;
    nlmsghdr header;
    std::memcpy(&header, buffer.data(), sizeof header);
    if (header.nlmsg_type != NLMSG_ERROR) return 0;
    nlmsgerr error;
    std::memcpy(&error, buffer.data() + NLMSG_HDRLEN, sizeof error);
    return -error.error;
}

bool writeText(const char *path, const std::string &text) {
    const base::UniqueFd fd(::open(path, O_WRONLY | O_CLOEXEC));
    return fd && ::write(fd.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
}

Findings tryInside() {
    Findings findings;
    findings.fill(kNotTried);
    const uid_t user = ::getuid();
    const gid_t group = ::getgid();
    if (::unshare(CLONE_NEWUSER) != 0) {
        findings[userNamespace] = errno;
        return findings;
    }
    // The map may be refused although the namespace was made: Ubuntu's AppArmor restriction works like this.
    if (!writeText("/proc/self/setgroups", "deny") || !writeText("/proc/self/uid_map", fmt::format("0 {} 1", user)) ||
        !writeText("/proc/self/gid_map", fmt::format("0 {} 1", group))) {
        findings[userNamespace] = errno;
        return findings;
    }
    findings[userNamespace] = 0;
    findings[otherNamespaces] = ::unshare(CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWPID) == 0 ? 0 : errno;
    if (findings[otherNamespaces] != 0) return findings;
    findings[vethPair] = tryLink("veth");
    findings[bridge] = tryLink("bridge");
    findings[nftables] = tryNftables();
    findings[conntrack] = tryConntrack();
    const base::UniqueFd packets(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL)));
    findings[capture] = packets ? 0 : errno;
    return findings;
}

std::string firstLine(const char *path) {
    std::ifstream file(path);
    std::string line;
    std::getline(file, line);
    return line;
}

std::string namespaceRemedy() {
    if (firstLine("/proc/sys/kernel/unprivileged_userns_clone") == "0")
        return "sudo sysctl kernel.unprivileged_userns_clone=1, or run natlens with sudo";
    if (firstLine("/proc/sys/user/max_user_namespaces") == "0")
        return "sudo sysctl user.max_user_namespaces=15000, or run natlens with sudo";
    if (firstLine("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == "1")
        return "sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0, or run natlens with sudo";
    return "inside a container: allow unshare (docker run --security-opt seccomp=unconfined), or run natlens with sudo";
}

struct Description {
    const char *name, *tried;
    std::string remedy;
};

} // namespace

std::vector<Ability> tryAbilities() {
    Findings findings;
    findings.fill(kNotTried);
    int ends[2];
    int status = 0;
    if (::pipe2(ends, O_CLOEXEC) == 0) {
        const base::UniqueFd in(ends[0]);
        base::UniqueFd out(ends[1]);
        const pid_t child = ::fork();
        if (child == 0) {
            const Findings found = tryInside();
            ::_exit(::write(out.get(), found.data(), sizeof found) == static_cast<ssize_t>(sizeof found) ? 0 : 1);
        }
        out.reset();
        if (child > 0) {
            Findings received;
            if (::read(in.get(), received.data(), sizeof received) == static_cast<ssize_t>(sizeof received))
                findings = received;
            ::waitpid(child, &status, 0);
        }
    }
    const Description descriptions[kSteps] = {
        {"user namespaces", "unshare a user namespace and map this user to its root", namespaceRemedy()},
        {"network, mount and PID namespaces", "unshare them inside the user namespace", namespaceRemedy()},
        {"veth pairs", "make one", "sudo modprobe veth"},
        {"bridges", "make one", "sudo modprobe bridge"},
        {"nftables NAT", "make a table with a nat chain",
         "sudo modprobe -a nf_tables nft_chain_nat nft_masq nft_fib_inet"},
        {"conntrack events", "listen for new connections and ask for the statistics",
         "sudo modprobe nf_conntrack_netlink"},
        {"packet capture", "open a packet socket", "sudo modprobe af_packet"},
    };
    std::vector<Ability> abilities;
    for (int step = 0; step < kSteps; ++step) {
        const int found = findings[static_cast<std::size_t>(step)];
        Ability ability{descriptions[step].name, found == 0, true, {}, {}};
        if (found == kNotTried)
            ability.detail = "not tried: it needs what is missing above";
        else if (found != 0)
            ability.detail = fmt::format("{}: {}", descriptions[step].tried, std::strerror(found));
        if (found != 0 && found != kNotTried) ability.remedy = descriptions[step].remedy;
        abilities.push_back(std::move(ability));
    }
    // What app/lab's HTTP servers and clients load when the lab begins.
    Ability http{"HTTP libraries", true, true, {}, {}};
    for (const auto &library : {base::kMicrohttpdLibrary, base::kCurlLibrary}) {
        if (const auto loaded = base::LateLibrary::load(library); !loaded) {
            http.available = false;
            http.detail = loaded.error().sentence();
            http.remedy = fmt::format("install the package {}", library.package);
        }
    }
    abilities.push_back(std::move(http));
    // On this host itself, outside any namespace: what `tcpdump` needs. The lab does without.
    const base::UniqueFd host(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL)));
    Ability live{"capture on this host", host.valid(), false, {}, {}};
    if (!host) {
        live.detail = fmt::format("open a packet socket: {}", std::strerror(errno));
        live.remedy = "run as root, or record with `sudo tcpdump -w` and use natlens replay";
    }
    abilities.push_back(std::move(live));
    return abilities;
}

} // namespace natlens::cli
