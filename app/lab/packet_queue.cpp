#include "app/lab/packet_queue.h"

#include <netinet/in.h> // before the kernel's headers, which stand back then

#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <netlink/netfilter/nfnl.h>
#include <netlink/netfilter/queue.h>
#include <netlink/netfilter/queue_msg.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <sys/socket.h>

namespace natlens::lab {
namespace {

constexpr unsigned kLongestPacket = 0xffff;
constexpr unsigned kQueueLength = 16384;
constexpr int kReceiveBuffer = 4 << 20;

struct FreeSocket {
    void operator()(nl_sock *socket) const { nl_socket_free(socket); }
};
struct FreeQueue {
    void operator()(nfnl_queue *queue) const { nfnl_queue_put(queue); }
};
struct FreeMessage {
    void operator()(nfnl_queue_msg *message) const { nfnl_queue_msg_put(message); }
};

std::unexpected<base::Error> failNetlink(const char *what, int error) {
    return base::fail(base::ErrorCode::unsupported,
                      std::string(nl_geterror(error)) + "; the datapath engine needs nfnetlink_queue in the kernel",
                      "NFQUEUE", what);
}

} // namespace

class PacketQueue::Impl {
public:
    explicit Impl(Handler handler) : m_socket(nl_socket_alloc()), m_handler(std::move(handler)) {}

    base::Status open(unsigned number) {
        if (const int error = nl_connect(m_socket.get(), NETLINK_NETFILTER); error < 0)
            return failNetlink("connect", error);
        nl_socket_disable_seq_check(m_socket.get());
        nl_socket_disable_auto_ack(m_socket.get());
        const int buffer = kReceiveBuffer;
        ::setsockopt(nl_socket_get_fd(m_socket.get()), SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
        m_queue.reset(nfnl_queue_alloc());
        nfnl_queue_set_group(m_queue.get(), static_cast<std::uint16_t>(number));
        nfnl_queue_set_copy_mode(m_queue.get(), NFNL_QUEUE_COPY_PACKET);
        nfnl_queue_set_copy_range(m_queue.get(), kLongestPacket);
        nfnl_queue_set_maxlen(m_queue.get(), kQueueLength);
        nl_socket_enable_auto_ack(m_socket.get());
        if (const int error = nfnl_queue_create(m_socket.get(), m_queue.get()); error < 0)
            return failNetlink("create queue", error);
        nl_socket_disable_auto_ack(m_socket.get());
        nl_socket_modify_cb(m_socket.get(), NL_CB_VALID, NL_CB_CUSTOM, onMessage, this);
        nl_socket_set_nonblocking(m_socket.get());
        return {};
    }

    [[nodiscard]] int fd() const { return nl_socket_get_fd(m_socket.get()); }

    void serve() {
        while (nl_recvmsgs_default(m_socket.get()) >= 0) {
        }
    }

private:
    static int onMessage(nl_msg *raw, void *self) {
        nfnl_queue_msg *parsed = nullptr;
        if (nfnlmsg_queue_msg_parse(nlmsg_hdr(raw), &parsed) < 0) return NL_OK;
        const std::unique_ptr<nfnl_queue_msg, FreeMessage> message(parsed);
        static_cast<Impl *>(self)->handle(*message);
        return NL_OK;
    }

    void handle(nfnl_queue_msg &message) {
        int length = 0;
        const void *payload = nfnl_queue_msg_get_payload(&message, &length);
        if (payload == nullptr || length <= 0) return;
        const auto *first = static_cast<const std::byte *>(payload);
        const auto payloadSize = static_cast<std::size_t>(length);
        m_packet.assign(first, first + length);
        const auto verdict = m_handler(m_packet, nfnl_queue_msg_get_indev(&message));
        nfnl_queue_msg_set_verdict(&message, verdict == Verdict::accept ? NF_ACCEPT : NF_DROP);
        const bool changed = verdict == Verdict::accept && !std::ranges::equal(m_packet, std::span(first, payloadSize));
        if (changed)
            sendChanged(message);
        else
            nfnl_queue_msg_send_verdict(m_socket.get(), &message);
    }

    // libnl sends the attribute with its padding to four bytes, and takes the padding from behind the packet.
    void sendChanged(nfnl_queue_msg &message) {
        const auto size = static_cast<unsigned>(m_packet.size());
        m_packet.resize(NLA_ALIGN(size));
        nfnl_queue_msg_send_verdict_payload(m_socket.get(), &message, m_packet.data(), size);
    }

    std::unique_ptr<nl_sock, FreeSocket> m_socket;
    std::unique_ptr<nfnl_queue, FreeQueue> m_queue;
    Handler m_handler;
    std::vector<std::byte> m_packet;
};

PacketQueue::PacketQueue(std::unique_ptr<Impl> impl) : m_impl(std::move(impl)) {}
PacketQueue::~PacketQueue() = default;

base::Result<std::unique_ptr<PacketQueue>> PacketQueue::open(unsigned number, Handler handler) {
    auto impl = std::make_unique<Impl>(std::move(handler));
    if (auto status = impl->open(number); !status) return std::unexpected(status.error());
    return std::unique_ptr<PacketQueue>(new PacketQueue(std::move(impl)));
}

int PacketQueue::fd() const { return m_impl->fd(); }
void PacketQueue::serve() { m_impl->serve(); }

} // namespace natlens::lab
