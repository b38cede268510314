#include "capture/live/live_capture.h"

#include "capture/live/pcap_types.h"

#include <net/if.h>

#include <algorithm>
#include <climits>

namespace natlens::live {

struct LiveCapture::State {
    std::string interface;
    pcap_t *handle = nullptr;
    // libpcap counts in 32 bits; these are the counts that it gave last, and the totals.
    unsigned lastReceived = 0, lastDropped = 0;
    CaptureStatistics totals;

    explicit State(std::string name)
        : interface(std::move(name)) {}
    State(const State &) = delete;
    State &operator=(const State &) = delete;
    ~State() {
        if (handle != nullptr) pcap_close(handle);
    }
};

namespace {

struct HandOver {
    const LiveCapture::Callback *callback;
    std::size_t count = 0;
};

void onPacket(u_char *user, const pcap_pkthdr *header, const u_char *bytes) {
    auto &handOver = *reinterpret_cast<HandOver *>(user);
    ++handOver.count;
    // With nanosecond precision tv_usec holds nanoseconds (pcap-tstamp(7)).
    const std::int64_t time = std::int64_t{header->ts.tv_sec} * 1'000'000'000 + header->ts.tv_usec;
    (*handOver.callback)(CapturedPacket{base::Timestamp{time}, header->len,
                                        std::span(reinterpret_cast<const std::byte *>(bytes), header->caplen)});
}

std::unexpected<base::Error> openError(int status, pcap_t *handle, const std::string &interface) {
    using base::ErrorCode;
    const std::string reason = pcap_geterr(handle);
    switch (status) {
    case PCAP_ERROR_NO_SUCH_DEVICE:
        return base::fail(ErrorCode::notFound, "there is no such interface in this network namespace", "capture",
                          interface);
    case PCAP_ERROR_PERM_DENIED:
    case PCAP_ERROR_PROMISC_PERM_DENIED:
        return base::fail(ErrorCode::notPermitted,
                          "capturing needs CAP_NET_RAW here: use sudo, or setcap cap_net_raw+ep on natlens-probe",
                          "capture", interface);
    default: return base::fail(ErrorCode::io, reason.empty() ? pcap_statustostr(status) : reason, "capture", interface);
    }
}

} // namespace

LiveCapture::LiveCapture(std::unique_ptr<State> state)
    : m_state(std::move(state)) {}
LiveCapture::LiveCapture(LiveCapture &&) noexcept = default;
LiveCapture &LiveCapture::operator=(LiveCapture &&) noexcept = default;
LiveCapture::~LiveCapture() = default;

base::Result<LiveCapture> LiveCapture::open(const std::string &interface, const CaptureOptions &options) {
    using base::ErrorCode;
    // "any" would be libpcap's pseudo interface: packets of several interfaces in one capture point are not followable.
    if (interface.empty() || interface == "any") {
        return base::fail(ErrorCode::invalidInput, "name one interface", "capture", interface);
    }
    char reason[PCAP_ERRBUF_SIZE] = "";
    auto state = std::make_unique<State>(interface);
    state->handle = pcap_create(interface.c_str(), reason);
    if (state->handle == nullptr) return base::fail(ErrorCode::io, reason, "capture", interface);
    pcap_t *handle = state->handle;
    constexpr std::uint32_t kShortestSnap = 64, kLongestSnap = 262144;
    constexpr std::uint32_t kSmallestRing = 64U << 10, kLargestRing = 1U << 30;
    pcap_set_snaplen(handle, static_cast<int>(std::clamp(options.snapLength, kShortestSnap, kLongestSnap)));
    pcap_set_buffer_size(handle, static_cast<int>(std::clamp(options.ringBytes, kSmallestRing, kLargestRing)));
    pcap_set_promisc(handle, 0);
    pcap_set_immediate_mode(handle, 1);
    pcap_set_tstamp_precision(handle, PCAP_TSTAMP_PRECISION_NANO);
    // Positive values are warnings.
    if (const int status = pcap_activate(handle); status < 0) return openError(status, handle, interface);
    if (pcap_get_tstamp_precision(handle) != PCAP_TSTAMP_PRECISION_NANO) {
        return base::fail(ErrorCode::unsupported, "no nanosecond timestamps", "capture", interface);
    }
    if (pcap_setnonblock(handle, 1, reason) != 0) return base::fail(ErrorCode::io, reason, "capture", interface);
    if (!options.filter.empty()) {
        bpf_program program{};
        const bool compiled = pcap_compile(handle, &program, options.filter.c_str(), 1, PCAP_NETMASK_UNKNOWN) == 0;
        const bool set = compiled && pcap_setfilter(handle, &program) == 0;
        pcap_freecode(&program);
        if (!set)
            return base::fail(ErrorCode::invalidInput, detail::filterMessage(pcap_geterr(handle)), "filter",
                              options.filter);
    }
    return LiveCapture(std::move(state));
}

int LiveCapture::fd() const {
    return pcap_get_selectable_fd(m_state->handle);
}

packet::LinkType LiveCapture::linkType() const {
    return detail::toLinkType(pcap_datalink(m_state->handle));
}

base::Result<std::size_t> LiveCapture::dispatch(const Callback &callback, std::size_t limit) {
    HandOver handOver{&callback};
    while (handOver.count < limit) {
        const int portion = static_cast<int>(std::min<std::size_t>(limit - handOver.count, INT_MAX));
        const std::size_t before = handOver.count;
        const int status = pcap_dispatch(m_state->handle, portion, &onPacket, reinterpret_cast<u_char *>(&handOver));
        if (status >= 0 && handOver.count == before) break;
        if (status >= 0) continue;
        const std::string reason = pcap_geterr(m_state->handle);
        return base::fail(base::ErrorCode::notFound, reason, "capture", m_state->interface);
    }
    return handOver.count;
}

CaptureStatistics LiveCapture::statistics() {
    pcap_stat now{};
    if (pcap_stats(m_state->handle, &now) == 0) {
        m_state->totals.received += now.ps_recv - m_state->lastReceived;
        m_state->totals.dropped += now.ps_drop - m_state->lastDropped;
        m_state->lastReceived = now.ps_recv;
        m_state->lastDropped = now.ps_drop;
    }
    return m_state->totals;
}

} // namespace natlens::live
