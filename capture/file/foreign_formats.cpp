#include "capture/file/foreign_formats.h"

#include "capture/base/byte_order.h"

#include <fmt/format.h>
#include <string_view>

namespace natlens::file::detail {

namespace {

struct Format {
    std::uint32_t begin, mask;
    std::string_view name, remedy;
};

constexpr std::string_view kConvert = "convert it with `editcap -F pcapng`";
constexpr Format kFormats[] = {
    {0xfd377a58, 0xffffffff, "xz-compressed", "unpack it with `xz -d`"},
    {0x425a6800, 0xffffff00, "bzip2-compressed", "unpack it with `bzip2 -d`"},
    {0x1f9d0000, 0xffff0000, "compressed with compress", "unpack it with `gzip -d`"},
    {0x504b0304, 0xffffffff, "a zip archive", "unpack it with `unzip`"},
    {0x736e6f6f, 0xffffffff, "a snoop capture", kConvert},
    {0x474d4255, 0xffffffff, "a Network Monitor capture", kConvert},
    {0x52545353, 0xffffffff, "a Network Monitor capture", kConvert},
    {0x5452534e, 0xffffffff, "a Sniffer capture", kConvert},
    {0x58435000, 0xffffffff, "a Sniffer capture", kConvert},
    {0x62747360, 0xfffffff0, "a Bluetooth HCI log (btsnoop)", "there are no IP packets in it to follow"},
    {0x7b000000, 0xff000000, "JSON", "cluster state is given with --cluster"},
};

} // namespace

std::string foreignFormat(std::span<const std::byte> begin) {
    if (begin.size() < 4) return {};
    const std::uint32_t value = base::loadBig32(begin.data());
    for (const Format &format : kFormats)
        if ((value & format.mask) == format.begin) return fmt::format("this is {}; {}", format.name, format.remedy);
    return {};
}

} // namespace natlens::file::detail
