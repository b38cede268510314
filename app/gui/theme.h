// Light, dark and high contrast: the only place that decides colours and whether the desktop is dark.
#pragma once

#include "tracer/diagram/display_list.h"

#include <QColor>
#include <QPalette>
#include <QString>

#include <array>
#include <cstddef>
#include <optional>

class QApplication;

namespace natlens::gui {

/// What a person may ask for; `system` follows the palette of the desktop.
enum class ThemeChoice { system, light, dark, highContrast };

/// "light", "dark", "high-contrast", "system"; nothing for other words.
[[nodiscard]] std::optional<ThemeChoice> parseThemeChoice(const QString &word);

/// A desktop is dark when its text is lighter than its windows (Qt 6.4 has no QStyleHints::colorScheme).
[[nodiscard]] bool isDark(const QPalette &palette);

/// Colours of one theme. All of them come from the diagram's tokens, so window and picture agree. Value type, any
/// thread.
class Theme final {
public:
    Theme()
        : Theme("light") {}
    /// `name`: "light", "dark" or "high-contrast" (what diagram::colour() knows).
    explicit Theme(QString name);
    [[nodiscard]] static Theme choose(ThemeChoice choice, const QPalette &system);

    [[nodiscard]] const QString &name() const { return m_name; }
    [[nodiscard]] QColor colour(diagram::Token token) const { return m_colours[static_cast<std::size_t>(token)]; }
    /// `share` of the token (0..1) over the background: tints of rows, bars and halos.
    [[nodiscard]] QColor tint(diagram::Token token, double share) const;
    [[nodiscard]] QPalette palette() const;

    bool operator==(const Theme &other) const { return m_name == other.m_name; }

private:
    static constexpr std::size_t kTokens = static_cast<std::size_t>(diagram::Token::badgeText) + 1;
    QString m_name;
    std::array<QColor, kTokens> m_colours;
};

/// WCAG 2 contrast ratio, 1..21.
[[nodiscard]] double contrast(const QColor &a, const QColor &b);
/// Black or white, whichever reads better on `fill`.
[[nodiscard]] QColor readableOn(const QColor &fill);

/// Fusion style and the theme's palette for the whole program.
void applyTheme(QApplication &application, const Theme &theme);

} // namespace natlens::gui
