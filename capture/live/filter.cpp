#include "capture/live/filter.h"

#include "capture/live/pcap_types.h"

namespace natlens::live {

struct OfflineFilter::Program {
    bpf_program code{};
    Program() = default;
    Program(const Program &) = delete;
    Program &operator=(const Program &) = delete;
    ~Program() { pcap_freecode(&code); }
};

OfflineFilter::OfflineFilter(std::unique_ptr<Program> program)
    : m_program(std::move(program)) {}
OfflineFilter::OfflineFilter(OfflineFilter &&) noexcept = default;
OfflineFilter &OfflineFilter::operator=(OfflineFilter &&) noexcept = default;
OfflineFilter::~OfflineFilter() = default;

base::Result<OfflineFilter> OfflineFilter::compile(const std::string &text, packet::LinkType linkType) {
    constexpr int kLongestPacket = 262144; // MAXIMUM_SNAPLEN: must not cut what the filter may look at
    const std::unique_ptr<pcap_t, void (*)(pcap_t *)> dead(pcap_open_dead(detail::toDlt(linkType), kLongestPacket),
                                                           &pcap_close);
    if (!dead) return base::fail(base::ErrorCode::internal, "out of memory", "compile filter", text);
    auto program = std::make_unique<Program>();
    if (pcap_compile(dead.get(), &program->code, text.c_str(), 1, PCAP_NETMASK_UNKNOWN) != 0) {
        return base::fail(base::ErrorCode::invalidInput, detail::filterMessage(pcap_geterr(dead.get())), "filter",
                          text);
    }
    return OfflineFilter(std::move(program));
}

bool OfflineFilter::matches(std::span<const std::byte> captured, std::uint32_t originalLength) const {
    pcap_pkthdr header{};
    header.caplen = static_cast<bpf_u_int32>(captured.size());
    header.len = originalLength;
    return pcap_offline_filter(&m_program->code, &header, reinterpret_cast<const u_char *>(captured.data())) != 0;
}

base::Result<OfflineFilter> compileFilter(const std::string &text, packet::LinkType linkType) {
    return OfflineFilter::compile(text, linkType);
}

} // namespace natlens::live
