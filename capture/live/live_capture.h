// Packets of one network interface, as they pass.
#pragma once

#include "capture/base/result.h"
#include "capture/base/timestamp.h"
#include "capture/packet/decode.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

namespace natlens::live {

struct CaptureOptions {
    std::uint32_t snapLength = 256; ///< bytes kept of each packet, 64 to 262144
    /// Kernel memory for packets that wait to be read, taken at once. 16 MiB holds about 40,000 packets of 256 bytes.
    std::uint32_t ringBytes = 16U << 20;
    std::string filter = {}; ///< pcap-filter(7); "" for everything
};

/// One packet; `data` is valid only during the call.
struct CapturedPacket {
    base::Timestamp time;             ///< of the kernel, nanoseconds
    std::uint32_t originalLength = 0; ///< bytes on the wire
    std::span<const std::byte> data;
};

/// Since the capture was opened. On loopback the kernel counts each packet going out and coming in; only the second is
/// handed over.
struct CaptureStatistics {
    std::uint64_t received = 0; ///< passed the filter, lost ones included
    std::uint64_t dropped = 0;  ///< lost because the ring was full
};

/// One libpcap handle: immediate mode, nanoseconds, not promiscuous, so it sees what the host itself sees.
/// Opened in the calling thread's network namespace, it keeps that namespace; any one thread may serve it afterwards.
/// Closing is slow: the kernel waits for a grace period (some milliseconds each), but handles may be closed in
/// parallel.
class LiveCapture final {
public:
    /// notFound: no such interface here; notPermitted: needs CAP_NET_RAW in the namespace's user namespace;
    /// invalidInput: the filter. The interface may be down.
    [[nodiscard]] static base::Result<LiveCapture> open(const std::string &interface, const CaptureOptions &options);

    LiveCapture(LiveCapture &&) noexcept;
    LiveCapture &operator=(LiveCapture &&) noexcept;
    ~LiveCapture();

    [[nodiscard]] int fd() const; ///< readable when packets wait, or the interface has gone
    [[nodiscard]] packet::LinkType linkType() const;

    using Callback = std::function<void(const CapturedPacket &)>;
    /// Hands over the packets that wait, at most `limit`, without blocking. Returns how many there were.
    /// notFound: the interface has disappeared and everything it left has been read before. An interface that is only
    /// taken down is not an error.
    [[nodiscard]] base::Result<std::size_t> dispatch(const Callback &callback, std::size_t limit = SIZE_MAX);
    [[nodiscard]] CaptureStatistics statistics();

private:
    struct State;
    explicit LiveCapture(std::unique_ptr<State> state);
    std::unique_ptr<State> m_state;
};

} // namespace natlens::live
