// Packets written down as hexadecimal digits.
#pragma once

#include <QByteArray>
#include <cstddef>
#include <span>
#include <vector>

namespace natlens::test {

inline std::vector<std::byte> fromHex(const QByteArray &hex) {
    const QByteArray raw = QByteArray::fromHex(hex);
    const auto bytes = std::as_bytes(std::span(raw.constData(), static_cast<std::size_t>(raw.size())));
    return {bytes.begin(), bytes.end()};
}

} // namespace natlens::test
