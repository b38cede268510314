#include "tracer/diagram/diagram.h"

#include <array>
#include <utility>

namespace natlens::diagram {
namespace {

enum Theme : std::size_t { light, dark, highContrast };

Theme themeNamed(std::string_view name) {
    if (name == "dark") return dark;
    if (name == "high-contrast") return highContrast;
    return light;
}

} // namespace

std::uint32_t colour(Token token, std::string_view theme) {
    const auto column = themeNamed(theme);
    switch (token) {
#define THEME_ROW(name, ...)                                                                                           \
    case Token::name:                                                                                                  \
        return std::array<std::uint32_t, 3>{__VA_ARGS__}[column];
#include "tracer/diagram/theme_tokens.inc"
#undef THEME_ROW
    }
    std::unreachable();
}

} // namespace natlens::diagram
