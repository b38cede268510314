// NFQUEUE: packets of one network namespace, handed to this program and given back changed or not at all.
#pragma once

#include "capture/base/result.h"

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace natlens::lab {

/// One queue (nfnetlink_queue, by libnl). Belongs to the network namespace of the thread that opens it; serve() works
/// from any thread, one at a time. The kernel completes checksums and splits super-packets before it hands them over.
/// Packets beyond the queue's length are dropped by the kernel.
class PacketQueue final {
public:
    enum class Verdict { accept, drop };
    /// The packet from its IP header on, to be changed in place; `inputInterface` is 0 for packets of the node itself.
    using Handler = std::function<Verdict(std::span<std::byte> packet, unsigned inputInterface)>;

    /// unsupported when the kernel has no nfnetlink_queue.
    [[nodiscard]] static base::Result<std::unique_ptr<PacketQueue>> open(unsigned number, Handler handler);
    ~PacketQueue();
    PacketQueue(const PacketQueue &) = delete;
    PacketQueue &operator=(const PacketQueue &) = delete;

    [[nodiscard]] int fd() const;
    /// Handles everything that waits, without blocking.
    void serve();

private:
    class Impl;
    explicit PacketQueue(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> m_impl;
};

} // namespace natlens::lab
