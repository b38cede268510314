#include "capture/file/pcapng_writer.h"

#include "capture/file/pcapng_format.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fmt/format.h>
#include <limits>
#include <optional>
#include <poll.h>
#include <vector>

namespace natlens::file {

using namespace pcapng;

namespace {

/// One write(2) for this many bytes; a pipe of the usual 64 KiB takes it in a few portions without waking per packet.
constexpr std::size_t kFlushAt = 256U << 10;
constexpr std::size_t kMaxOption = 65535;

constexpr std::size_t padded(std::size_t length) {
    return (length + 3) & ~std::size_t{3};
}
constexpr std::size_t optionSize(std::size_t length) {
    return length == 0 ? 0 : 4 + padded(length);
}

} // namespace

/// Blocks are written in the machine's own byte order, which the format allows and which costs nothing.
struct PcapngWriter::State {
    base::UniqueFd fd;
    std::vector<std::byte> buffer;
    std::uint32_t points = 0;
    std::uint64_t written = 0;
    std::optional<base::Error> error;

    std::byte *grow(std::size_t bytes) {
        const std::size_t at = buffer.size();
        buffer.resize(at + bytes); // zeros: padding needs no further care
        return buffer.data() + at;
    }
    template<class T>
    void put(T value) {
        std::memcpy(grow(sizeof value), &value, sizeof value);
    }
    void putBytes(const void *bytes, std::size_t length) {
        if (length != 0) std::memcpy(grow(padded(length)), bytes, length);
    }
    void putOption(std::uint16_t code, const void *value, std::size_t length) {
        put(code);
        put(static_cast<std::uint16_t>(length));
        putBytes(value, length);
    }
    void putText(std::uint16_t code, std::string_view text) {
        if (!text.empty()) putOption(code, text.data(), text.size());
    }
    void putTime(base::Timestamp time) { // unsigned in the file: nothing before 1970
        const auto ticks = static_cast<std::uint64_t>(std::max<std::int64_t>(time.nanoseconds, 0));
        put(static_cast<std::uint32_t>(ticks >> 32));
        put(static_cast<std::uint32_t>(ticks));
    }
    /// Begins a block; endBlock() fills in both lengths.
    [[nodiscard]] std::size_t beginBlock(std::uint32_t type) {
        const std::size_t start = buffer.size();
        put(type);
        put(std::uint32_t{0});
        return start;
    }
    void endBlock(std::size_t start) {
        const auto length = static_cast<std::uint32_t>(buffer.size() + 4 - start);
        put(length);
        std::memcpy(buffer.data() + start + 4, &length, sizeof length);
    }

    base::Status ready() const {
        if (error) return std::unexpected(*error);
        return {};
    }
    base::Status flushIfFull() { return buffer.size() >= kFlushAt ? flush() : base::Status{}; }
    base::Status flush();
    base::Status knownPoint(base::CapturePointId point) const {
        if (point.value < points) return {};
        return base::fail(base::ErrorCode::invalidInput,
                          fmt::format("capture point {} was not added; there are {}", point.value, points),
                          "write capture");
    }
};

base::Status PcapngWriter::State::flush() {
    if (error) return std::unexpected(*error);
    std::size_t done = 0;
    while (done < buffer.size()) {
        const ssize_t count = ::write(fd.get(), buffer.data() + done, buffer.size() - done);
        if (count >= 0) {
            done += static_cast<std::size_t>(count);
            written += static_cast<std::uint64_t>(count);
            continue;
        }
        if (errno == EINTR) continue;
        if (errno == EAGAIN) { // a descriptor somebody made non-blocking: wait, packets are not thrown away here
            pollfd waiting{fd.get(), POLLOUT, 0};
            ::poll(&waiting, 1, -1);
            continue;
        }
        error = base::failErrno("write", "capture").error();
        buffer.clear();
        return std::unexpected(*error);
    }
    buffer.clear();
    return {};
}

PcapngWriter::PcapngWriter(base::UniqueFd fd, std::string application)
    : m_state(std::make_unique<State>()) {
    m_state->fd = std::move(fd);
    m_state->buffer.reserve(kFlushAt * 2);
    const std::size_t block = m_state->beginBlock(kSectionHeader);
    m_state->put(kByteOrderMagic);
    m_state->put(std::uint16_t{1});
    m_state->put(std::uint16_t{0});
    m_state->put(std::numeric_limits<std::uint64_t>::max()); // section length not known
    m_state->putText(kSectionApplication, std::string_view(application).substr(0, kMaxOption));
    m_state->put(std::uint32_t{kEndOfOptions});
    m_state->endBlock(block);
}

PcapngWriter::~PcapngWriter() {
    if (m_state) (void)m_state->flush();
}
PcapngWriter::PcapngWriter(PcapngWriter &&) noexcept = default;
PcapngWriter &PcapngWriter::operator=(PcapngWriter &&other) noexcept {
    if (this != &other) {
        if (m_state) (void)m_state->flush();
        m_state = std::move(other.m_state);
    }
    return *this;
}

base::Result<base::CapturePointId> PcapngWriter::addPoint(const CapturePoint &point) {
    State &state = *m_state;
    if (auto status = state.ready(); !status) return std::unexpected(status.error());
    if (point.name.size() > kMaxOption || point.description.size() > kMaxOption)
        return base::fail(base::ErrorCode::invalidInput, "a capture point's name is longer than 65535 bytes",
                          "write capture");

    constexpr std::uint8_t kNanoseconds = 9;
    const std::size_t block = state.beginBlock(kInterface);
    state.put(static_cast<std::uint16_t>(point.linkType));
    state.put(std::uint16_t{0});
    state.put(point.snapLength);
    state.putText(kInterfaceName, point.name);
    state.putText(kInterfaceDescription, point.description);
    if (point.mac) state.putOption(kInterfaceMac, point.mac->data(), point.mac->size());
    state.putOption(kInterfaceResolution, &kNanoseconds, 1);
    state.put(std::uint32_t{kEndOfOptions});
    state.endBlock(block);

    const base::CapturePointId id{state.points++};
    if (auto status = state.flushIfFull(); !status) return std::unexpected(status.error());
    return id;
}

base::Status PcapngWriter::writePacket(const PacketView &packet, std::string_view annotation) {
    State &state = *m_state;
    if (auto status = state.ready(); !status) return status;
    if (auto status = state.knownPoint(packet.point); !status) return status;
    std::size_t comments = optionSize(annotation.size());
    bool tooLong = annotation.size() > kMaxOption;
    eachComment(packet.comment, [&](std::string_view text) {
        comments += optionSize(text.size());
        tooLong = tooLong || text.size() > kMaxOption;
    });
    if (tooLong)
        return base::fail(base::ErrorCode::invalidInput, "a packet comment is longer than 65535 bytes",
                          "write capture");
    const bool hasFlags = packet.direction != PacketDirection::unknown;
    const std::size_t options = comments + (hasFlags ? 8 : 0);
    const std::size_t total = 32 + padded(packet.data.size()) + (options != 0 ? options + 4 : 0);
    if (total > kMaxBlock)
        return base::fail(base::ErrorCode::invalidInput, "a packet is longer than 64 MiB", "write capture");

    state.buffer.reserve(state.buffer.size() + total);
    const std::size_t block = state.beginBlock(kEnhancedPacket);
    const auto captured = static_cast<std::uint32_t>(packet.data.size());
    state.put(packet.point.value);
    state.putTime(packet.time);
    state.put(captured);
    state.put(std::max(packet.originalLength, captured));
    state.putBytes(packet.data.data(), packet.data.size());
    eachComment(packet.comment, [&](std::string_view text) { state.putText(kComment, text); });
    state.putText(kComment, annotation);
    if (hasFlags) {
        const auto flags = static_cast<std::uint32_t>(packet.direction);
        state.putOption(kPacketFlags, &flags, sizeof flags);
    }
    if (options != 0) state.put(std::uint32_t{kEndOfOptions});
    state.endBlock(block);
    return state.flushIfFull();
}

base::Status PcapngWriter::writeStatistics(const PointStatistics &statistics) {
    State &state = *m_state;
    if (auto status = state.ready(); !status) return status;
    if (auto status = state.knownPoint(statistics.point); !status) return status;
    const std::size_t block = state.beginBlock(kInterfaceStatistics);
    state.put(statistics.point.value);
    state.putTime(statistics.time);
    state.putOption(kStatisticsReceived, &statistics.received, sizeof statistics.received);
    state.putOption(kStatisticsDropped, &statistics.dropped, sizeof statistics.dropped);
    state.put(std::uint32_t{kEndOfOptions});
    state.endBlock(block);
    return state.flushIfFull();
}

base::Status PcapngWriter::flush() {
    return m_state->flush();
}

std::uint64_t PcapngWriter::bytesWritten() const {
    return m_state->written + m_state->buffer.size();
}

} // namespace natlens::file
