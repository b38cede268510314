#include "app/session/keyed_hash.h"

#include <bit>
#include <cstring>
#include <random>

namespace natlens::session {
namespace {

struct State {
    std::uint64_t a, b, c, d;

    void round() {
        a += b;
        b = std::rotl(b, 13) ^ a;
        a = std::rotl(a, 32);
        c += d;
        d = std::rotl(d, 16) ^ c;
        a += d;
        d = std::rotl(d, 21) ^ a;
        c += b;
        b = std::rotl(b, 17) ^ c;
        c = std::rotl(c, 32);
    }
    void word(std::uint64_t value) {
        d ^= value;
        round();
        round();
        a ^= value;
    }
};

std::uint64_t littleEndian(const std::byte *from, std::size_t count) {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < count; ++i)
        value |= std::uint64_t{std::to_integer<std::uint8_t>(from[i])} << (8 * i);
    return value;
}

} // namespace

std::uint64_t KeyedHash::operator()(std::span<const std::byte> bytes) const {
    // The constants are the function's own ("somepseudorandomlygeneratedbytes").
    State state{m_key[0] ^ 0x736f6d6570736575, m_key[1] ^ 0x646f72616e646f6d, m_key[0] ^ 0x6c7967656e657261,
                m_key[1] ^ 0x7465646279746573};
    const std::uint64_t length = std::uint64_t{bytes.size() & 0xff} << 56;
    for (; bytes.size() >= 8; bytes = bytes.subspan(8))
        state.word(littleEndian(bytes.data(), 8));
    state.word(length | littleEndian(bytes.data(), bytes.size()));
    state.c ^= 0xff;
    for (int i = 0; i < 4; ++i)
        state.round();
    return state.a ^ state.b ^ state.c ^ state.d;
}

KeyedHash::Key KeyedHash::randomKey() {
    std::random_device device("/dev/urandom"); // 32 bits a call
    const auto word = [&] { return std::uint64_t{device()} << 32 | device(); };
    return {word(), word()};
}

KeyedHash::Key KeyedHash::keyOf(std::string_view text) {
    const auto bytes = std::as_bytes(std::span(text));
    const std::uint64_t one = KeyedHash({0, 1})(bytes);
    return {one, KeyedHash({one, 2})(bytes)};
}

} // namespace natlens::session
