// Private to capture/file: formats that we know by sight and do not read.
#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace natlens::file::detail {

/// What a file that begins with these bytes (four are enough) is and how to make a capture of it that natlens reads;
/// "" if we do not know it.
[[nodiscard]] std::string foreignFormat(std::span<const std::byte> begin);

} // namespace natlens::file::detail
