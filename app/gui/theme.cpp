#include "app/gui/theme.h"

#include "tracer/diagram/diagram.h"

#include <QApplication>
#include <QStyle>
#include <QStyleFactory>

#include <algorithm>
#include <cmath>

namespace natlens::gui {

using diagram::Token;

namespace {

QColor mix(const QColor &over, const QColor &under, double share) {
    const auto part = [share](int a, int b) { return static_cast<int>(std::lround(a * share + b * (1 - share))); };
    return {part(over.red(), under.red()), part(over.green(), under.green()), part(over.blue(), under.blue())};
}

double luminance(const QColor &colour) {
    const auto linear = [](double c) { return c <= 0.03928 ? c / 12.92 : std::pow((c + 0.055) / 1.055, 2.4); };
    return 0.2126 * linear(colour.redF()) + 0.7152 * linear(colour.greenF()) + 0.0722 * linear(colour.blueF());
}

} // namespace

std::optional<ThemeChoice> parseThemeChoice(const QString &word) {
    if (word == "system") return ThemeChoice::system;
    if (word == "light") return ThemeChoice::light;
    if (word == "dark") return ThemeChoice::dark;
    if (word == "high-contrast") return ThemeChoice::highContrast;
    return std::nullopt;
}

bool isDark(const QPalette &palette) {
    return luminance(palette.color(QPalette::WindowText)) > luminance(palette.color(QPalette::Window));
}

double contrast(const QColor &a, const QColor &b) {
    const double x = luminance(a);
    const double y = luminance(b);
    return (std::max(x, y) + 0.05) / (std::min(x, y) + 0.05);
}

QColor readableOn(const QColor &fill) {
    return contrast(fill, Qt::white) >= contrast(fill, Qt::black) ? QColor(Qt::white) : QColor(Qt::black);
}

Theme::Theme(QString name)
    : m_name(std::move(name)) {
    const std::string key = m_name.toStdString();
    for (std::size_t i = 0; i < kTokens; ++i)
        m_colours[i] = QColor::fromRgb(static_cast<QRgb>(diagram::colour(static_cast<Token>(i), key)));
}

Theme Theme::choose(ThemeChoice choice, const QPalette &system) {
    switch (choice) {
    case ThemeChoice::light: return Theme("light");
    case ThemeChoice::dark: return Theme("dark");
    case ThemeChoice::highContrast: return Theme("high-contrast");
    case ThemeChoice::system: break;
    }
    return Theme(isDark(system) ? "dark" : "light");
}

QColor Theme::tint(Token token, double share) const {
    return mix(colour(token), colour(Token::background), share);
}

QPalette Theme::palette() const {
    const QColor base = colour(Token::background);
    const QColor text = colour(Token::text);
    const QColor muted = colour(Token::mutedText);
    const QColor selection = colour(Token::selection);
    const bool strong = m_name == "high-contrast";

    QPalette p;
    p.setColor(QPalette::Window, strong ? base : mix(text, base, m_name == "dark" ? 0.09 : 0.035));
    p.setColor(QPalette::WindowText, text);
    p.setColor(QPalette::Base, base);
    p.setColor(QPalette::AlternateBase, mix(text, base, 0.03));
    p.setColor(QPalette::Text, text);
    p.setColor(QPalette::PlaceholderText, muted);
    p.setColor(QPalette::Button, mix(text, base, strong ? 0.22 : m_name == "dark" ? 0.15 : 0.06));
    p.setColor(QPalette::ButtonText, text);
    p.setColor(QPalette::BrightText, colour(Token::drop));
    p.setColor(QPalette::Highlight, selection);
    p.setColor(QPalette::HighlightedText, readableOn(selection));
    p.setColor(QPalette::Link, selection);
    p.setColor(QPalette::LinkVisited, selection);
    p.setColor(QPalette::ToolTipBase, mix(text, base, 0.06));
    p.setColor(QPalette::ToolTipText, text);
    p.setColor(QPalette::Light, mix(text, base, 0.02));
    p.setColor(QPalette::Midlight, mix(text, base, 0.08));
    p.setColor(QPalette::Mid, mix(text, base, strong ? 1.0 : 0.2));
    p.setColor(QPalette::Dark, mix(text, base, strong ? 1.0 : 0.3));
    p.setColor(QPalette::Shadow, mix(text, base, 0.5));
    const QColor faint = mix(text, base, 0.45);
    for (const auto role : {QPalette::WindowText, QPalette::Text, QPalette::ButtonText, QPalette::HighlightedText})
        p.setColor(QPalette::Disabled, role, faint);
    p.setColor(QPalette::Disabled, QPalette::Highlight, mix(text, base, 0.12));
    return p;
}

void applyTheme(QApplication &application, const Theme &theme) {
    // One style everywhere: spacing and focus marks are then what was looked at and tested.
    if (application.style()->name() != "fusion") QApplication::setStyle(QStyleFactory::create("Fusion"));
    application.setPalette(theme.palette());
    // Fusion draws outlines darker than the window: nothing is darker than black.
    application.setStyleSheet(
        theme.name() == "high-contrast"
            ? QString("QLineEdit, QPlainTextEdit, QGroupBox, QPushButton { border: 1px solid %1; padding: 3px; } "
                      "QGroupBox { margin-top: 18px; } QGroupBox::title { subcontrol-origin: margin; } "
                      "QPushButton:checked, QPushButton:focus, QLineEdit:focus { border: 2px solid %2; }")
                  .arg(theme.colour(Token::text).name(), theme.colour(Token::selection).name())
            : QString());
}

} // namespace natlens::gui
