// Private to capture/file: gzip, zstd and lz4, unpacked as the bytes come.
#pragma once

#include "capture/base/result.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string_view>

namespace natlens::file::detail {

/// Any number of gzip members, zstd or lz4 frames one after another, as `cat a.gz b.gz` makes them. Memory use is
/// bounded whatever the data claims: zstd's window at 128 MiB, its own default limit.
class Decompressor {
public:
    virtual ~Decompressor() = default;
    /// The right one for a file that begins with these bytes (four are enough); null if it is not compressed.
    [[nodiscard]] static std::unique_ptr<Decompressor> forMagic(std::span<const std::byte> begin);

    /// What unpacked bytes are given to; an error it returns ends the unpacking and is passed on.
    using Take = std::function<base::Status(std::span<const std::byte>)>;
    /// Unpacks; everything that can be made of the bytes so far has been handed on when it returns. A fault in the data
    /// is an invalidInput that names the byte of the compressed input.
    [[nodiscard]] virtual base::Status feed(std::span<const std::byte> bytes, const Take &take) = 0;
    /// At the end of the input: false if it breaks off inside a member or frame.
    [[nodiscard]] virtual bool complete() const = 0;
    [[nodiscard]] virtual std::string_view name() const = 0; ///< "gzip", "zstd", "lz4"
};

} // namespace natlens::file::detail
