// Capture files written field by field in a chosen byte order, right or deliberately wrong.
#pragma once

#include <QByteArray>
#include <cstddef>
#include <cstdint>
#include <span>

namespace natlens::test {

enum class Order { little, big };

/// Appends numbers in one byte order.
class FileMaker {
public:
    explicit FileMaker(Order order)
        : m_order(order) {}

    QByteArray bytes;

    FileMaker &u8(unsigned value) {
        bytes.append(static_cast<char>(value));
        return *this;
    }
    FileMaker &u16(std::uint16_t value) { return number(value, 2); }
    FileMaker &u32(std::uint32_t value) { return number(value, 4); }
    FileMaker &u64(std::uint64_t value) { return number(value, 8); }
    FileMaker &raw(const QByteArray &data) {
        bytes.append(data);
        return *this;
    }
    FileMaker &pad() {
        while (bytes.size() % 4 != 0)
            bytes.append('\0');
        return *this;
    }

    /// A pcapng block around `body`, padded.
    FileMaker &block(std::uint32_t type, const FileMaker &body) {
        FileMaker padded = body;
        padded.pad();
        const auto length = static_cast<std::uint32_t>(padded.bytes.size() + 12);
        return u32(type).u32(length).raw(padded.bytes).u32(length);
    }
    FileMaker &option(std::uint16_t code, const QByteArray &value) {
        return u16(code).u16(static_cast<std::uint16_t>(value.size())).raw(value).pad();
    }
    [[nodiscard]] FileMaker body() const { return FileMaker(m_order); }

    FileMaker &section() { return block(0x0a0d0d0a, body().u32(0x1a2b3c4d).u16(1).u16(0).u64(~std::uint64_t{0})); }
    FileMaker &interface(const QByteArray &name, int resolution = -1, std::uint32_t snapLength = 0) {
        FileMaker idb = body();
        idb.u16(1).u16(0).u32(snapLength).option(2, name);
        if (resolution >= 0) idb.option(9, QByteArray(1, static_cast<char>(resolution)));
        return block(1, idb.u32(0));
    }
    FileMaker &packet(std::uint32_t interfaceId, std::uint64_t ticks, const QByteArray &data) {
        const auto length = static_cast<std::uint32_t>(data.size());
        FileMaker epb = body();
        epb.u32(interfaceId).u32(static_cast<std::uint32_t>(ticks >> 32)).u32(static_cast<std::uint32_t>(ticks));
        return block(6, epb.u32(length).u32(length).raw(data));
    }

    [[nodiscard]] std::span<const std::byte> span() const {
        return std::as_bytes(std::span(bytes.constData(), static_cast<std::size_t>(bytes.size())));
    }

private:
    FileMaker &number(std::uint64_t value, int size) {
        for (int i = 0; i < size; ++i) {
            const int shift = 8 * (m_order == Order::little ? i : size - 1 - i);
            bytes.append(static_cast<char>(value >> shift & 0xff));
        }
        return *this;
    }
    Order m_order;
};

} // namespace natlens::test
