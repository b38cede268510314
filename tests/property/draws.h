// Choices made from a list of numbers: rapidcheck shortens the list and makes its numbers smaller, and so what was chosen.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace natlens::test {

/// Takes one number for each choice. Where the list has ended every choice is the first one, so that the empty list means
/// the simplest thing there is.
class Draws final {
public:
    explicit Draws(std::span<const std::uint32_t> numbers) : m_numbers(numbers) {}

    /// 0 .. bound-1
    [[nodiscard]] unsigned below(unsigned bound) { return next() % bound; }
    /// Yes once in `n`; no is the simple answer.
    [[nodiscard]] bool oneIn(unsigned n) { return next() % n == n - 1; }

private:
    [[nodiscard]] std::uint32_t next() {
        if (m_numbers.empty()) return 0;
        const auto number = m_numbers.front();
        m_numbers = m_numbers.subspan(1);
        return number;
    }
    std::span<const std::uint32_t> m_numbers;
};

} // namespace natlens::test
