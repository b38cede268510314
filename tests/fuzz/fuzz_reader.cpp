// Any bytes as a capture file, compressed or not: whole and in portions (their size chosen by the first byte) give the
// same stream and the same outcome, and what is delivered keeps the promises of capture_stream.h.
#include "capture/base/hash.h"
#include "capture/file/reader.h"
#include "require.h"

#include <algorithm>
#include <vector>

using namespace natlens;

namespace {

class CheckingSink final : public file::StreamSink {
public:
    std::uint64_t digest = 0;
    std::vector<std::uint64_t> digests; ///< after each packet
    std::uint32_t points = 0;
    std::uint64_t packets = 0;

    void onCapturePoint(base::CapturePointId id, const file::CapturePoint &point) override {
        REQUIRE(id.value == points++);
        digest = base::hashBytes(std::as_bytes(std::span(point.name)), digest + point.snapLength);
    }
    void onPacket(const file::PacketView &packet) override {
        REQUIRE(packet.number.value == ++packets);
        REQUIRE(packet.point.value < points);
        REQUIRE(packet.originalLength >= packet.data.size());
        digest = base::hashBytes(packet.data, digest + static_cast<std::uint64_t>(packet.time.nanoseconds));
        digest = base::hashBytes(std::as_bytes(std::span(packet.comment)), digest);
        digests.push_back(digest);
    }
    void onStatistics(const file::PointStatistics &statistics) override {
        REQUIRE(statistics.point.value < points);
        digest = base::mix(digest, statistics.received ^ statistics.dropped);
    }
};

base::Status readIn(std::size_t portion, std::span<const std::byte> bytes, CheckingSink &sink) {
    file::Reader reader(sink, {"fuzz", 0, 1});
    while (!bytes.empty()) {
        const auto part = bytes.first(std::min(portion, bytes.size()));
        if (auto status = reader.feed(part); !status) return status;
        bytes = bytes.subspan(part.size());
    }
    return reader.finish();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
    if (size == 0) return 0;
    const auto bytes = std::as_bytes(std::span(data + 1, size - 1));
    CheckingSink whole, portions;
    const base::Status first = readIn(bytes.size() + 1, bytes, whole);
    const base::Status second = readIn(1U + data[0] % 64U, bytes, portions);
    REQUIRE(first.has_value() == second.has_value());
    // Where compressed data is damaged is where its library noticed, which depends on how much it was given at a time:
    // then one has read what the other has, and perhaps more.
    const auto start =
        bytes.empty() ? 0U : std::to_integer<unsigned>(bytes[0]); // of gzip, Zstandard, LZ4, skipped frames
    const bool compressed = start == 0x1f || start == 0x28 || start == 0x04 || (start & 0xf0U) == 0x50;
    if (!first && compressed) {
        const auto common = std::min(whole.digests.size(), portions.digests.size());
        REQUIRE(std::equal(whole.digests.begin(), whole.digests.begin() + static_cast<std::ptrdiff_t>(common),
                           portions.digests.begin()));
        return 0;
    }
    REQUIRE(whole.digest == portions.digest);
    REQUIRE(whole.packets == portions.packets);
    if (!first) REQUIRE(first.error().sentence() == second.error().sentence());
    return 0;
}
