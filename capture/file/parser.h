// Private to capture/file: what Reader asks of a file format.
#pragma once

#include "capture/base/result.h"
#include "capture/file/by_interface.h"
#include "capture/file/capture_stream.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

namespace natlens::file::detail {

/// Where parsed things go, and how they are numbered.
struct Delivery {
    StreamSink &sink;
    std::uint32_t nextPoint = 0;
    std::uint64_t nextPacket = 1;
    std::uint64_t packets = 0;
    ByInterface byInterface = {};

    base::CapturePointId addPoint(const CapturePoint &point) {
        const base::CapturePointId id = announce(point);
        if (point.linkType == packet::LinkType::linuxSll2) byInterface.add(id, point);
        return id;
    }
    base::CapturePointId announce(const CapturePoint &point) {
        const base::CapturePointId id{nextPoint++};
        sink.onCapturePoint(id, point);
        return id;
    }
    void packet(PacketView &view) {
        if (!byInterface.empty()) [[unlikely]]
            byInterface.place(view, [this](const CapturePoint &point) { return announce(point); });
        view.number = base::PacketNumber{nextPacket++};
        ++packets;
        sink.onPacket(view);
    }
};

/// What became of the bytes at hand: a unit of `consumed` bytes was taken, or (0) `needed` bytes are wanted in all.
struct Step {
    std::size_t consumed = 0;
    std::size_t needed = 0;

    static Step take(std::size_t bytes) { return {bytes, 0}; }
    static Step want(std::size_t bytes) { return {0, bytes}; }
    static Step failed() { return {}; }
};

/// One file format. Units are a pcapng block, a pcap file header or a pcap record.
class Parser {
public:
    virtual ~Parser() = default;

    /// Takes the unit at the beginning of `bytes`, which stand at `offset` in the stream. If `needed` of the answer is
    /// more than bytes.size(), call again with exactly that many (or more). On a fault `failure()` is set.
    virtual Step next(std::span<const std::byte> bytes, std::uint64_t offset) = 0;
    /// What the unit at the beginning of `bytes` is, for "breaks off inside ...": "a packet block".
    [[nodiscard]] virtual std::string unitName(std::span<const std::byte> bytes) const = 0;
    /// Nothing follows the bytes that the next call of next() is given: what was wanted only to be sure is not coming.
    virtual void endOfInput() {}

    [[nodiscard]] const std::optional<base::Error> &failure() const { return m_failure; }

protected:
    Step fail(std::uint64_t offset, std::string message);

private:
    std::optional<base::Error> m_failure;
};

/// An error at a byte of the input.
[[nodiscard]] base::Error errorAt(base::ErrorCode code, std::uint64_t offset, std::string message);

} // namespace natlens::file::detail
