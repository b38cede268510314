// Reads pcap and pcapng from bytes as they come: whole files (memory-mapped), pipes, growing files.
#pragma once

#include "capture/base/result.h"
#include "capture/file/capture_stream.h"
#include "capture/file/point_names.h"

#include <filesystem>
#include <memory>

namespace natlens::file {

/// A push parser: bytes in any portions, blocks out to a sink as soon as they are complete.
/// pcapng: both byte orders, several sections, if_tsresol and if_tsoffset, enhanced, simple and obsolete packet blocks,
/// statistics, unknown blocks skipped. pcap: both byte orders, micro- and nanoseconds, old versions and variants.
/// Either compressed with gzip or zstd.
/// Lives on one thread. Whole input given to one feed() is not copied.
class Reader final {
public:
    struct Options {
        std::string pointName;     ///< see PointNames; of a classic pcap the name of its only capture point
        std::uint32_t firstPoint = 0;   ///< ids continue from here (several files, one source)
        std::uint64_t firstPacket = 1;  ///< packet numbers continue from here
        NameSource nameSource = NameSource::fileName;
    };

    Reader(StreamSink &sink, Options options);
    ~Reader();
    Reader(const Reader &) = delete;
    Reader &operator=(const Reader &) = delete;

    /// Consumes bytes. After an error (bad magic, a block that cannot be) nothing more is accepted; everything before
    /// the fault has been delivered. The error's subject gives the byte offset.
    [[nodiscard]] base::Status feed(std::span<const std::byte> bytes);
    /// End of input. ErrorCode::truncated if it broke off inside a block, with the offset and what was read.
    [[nodiscard]] base::Status finish();

    [[nodiscard]] std::uint64_t offset() const;      ///< bytes consumed
    [[nodiscard]] std::uint64_t packets() const;     ///< packets delivered
    [[nodiscard]] std::uint32_t nextPoint() const;   ///< first unused capture point id
    [[nodiscard]] std::uint64_t nextPacket() const;  ///< first unused packet number

private:
    class Impl;
    std::unique_ptr<Impl> m_impl;
};

/// Reads one file from beginning to end (memory-mapped where possible, "-" is standard input).
/// The point name of a classic pcap is pointNameOf() its path.
/// On truncation everything readable has been delivered before the error is returned.
[[nodiscard]] base::Status readFile(const std::filesystem::path &path, StreamSink &sink,
                                    std::uint32_t *nextPoint = nullptr, std::uint64_t *nextPacket = nullptr);

} // namespace natlens::file
