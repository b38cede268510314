// A display list as a stand-alone SVG document: no scripts, no external references, attributes instead of CSS, so that
// every viewer shows the same.
#include "tracer/diagram/diagram.h"

#include <algorithm>
#include <cmath>
#include <fmt/core.h>
#include <iterator>

namespace natlens::diagram {
namespace {

constexpr std::string_view kSans = "Inter, 'Noto Sans', 'DejaVu Sans', sans-serif";
constexpr std::string_view kMono = "'JetBrains Mono', 'Noto Sans Mono', 'DejaVu Sans Mono', monospace";

/// XML text; what XML 1.0 cannot hold (control characters, broken UTF-8) becomes a question mark.
std::string escaped(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const auto c = static_cast<unsigned char>(text[i]);
        if (c >= 0x80) {
            const std::size_t length = c >= 0xf0 && c < 0xf5   ? 4
                                       : c >= 0xe0 && c < 0xf0 ? 3
                                       : c >= 0xc2 && c < 0xe0 ? 2
                                                               : 0;
            bool whole = length > 0 && i + length <= text.size();
            for (std::size_t k = 1; whole && k < length; ++k)
                whole = (static_cast<unsigned char>(text[i + k]) & 0xc0) == 0x80;
            // Overlong forms, surrogates and what lies above U+10FFFF are not characters; U+FFFE and U+FFFF not in XML.
            if (whole && length > 2) {
                const auto second = static_cast<unsigned char>(text[i + 1]);
                whole = !((c == 0xe0 && second < 0xa0) || (c == 0xed && second >= 0xa0) ||
                          (c == 0xf0 && second < 0x90) || (c == 0xf4 && second >= 0x90) ||
                          (c == 0xef && second == 0xbf && static_cast<unsigned char>(text[i + 2]) >= 0xbe));
            }
            out += whole ? std::string(text.substr(i, length)) : std::string("?");
            if (whole) i += length - 1;
            continue;
        }
        switch (c) {
        case '&': out += "&amp;"; break;
        case '<': out += "&lt;"; break;
        case '>': out += "&gt;"; break;
        case '"': out += "&quot;"; break;
        case '\'': out += "&#39;"; break;
        default: out += c < 0x20 || c == 0x7f ? '?' : static_cast<char>(c);
        }
    }
    return out;
}

class SvgWriter {
public:
    SvgWriter(const DisplayList &list, std::string_view theme)
        : m_list(list)
        , m_theme(theme) {}

    std::string write() {
        const auto &b = m_list.bounds;
        add("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{}\" height=\"{}\" viewBox=\"{} {} {} {}\" role=\"img\" "
            "aria-labelledby=\"title desc\">\n",
            number(b.width), number(b.height), number(b.x), number(b.y), number(b.width), number(b.height));
        add("<title id=\"title\">Packets and their addresses</title>\n<desc id=\"desc\">{}</desc>\n",
            escaped(description()));
        add("<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" fill=\"{}\"/>\n", number(b.x), number(b.y),
            number(b.width), number(b.height), hex(Token::background));
        for (const auto &box : m_list.boxes)
            write(box);
        for (const auto &arrow : m_list.arrows)
            write(arrow);
        for (const auto &badge : m_list.badges)
            write(badge);
        for (const auto &text : m_list.texts)
            write(text);
        return m_out + "</svg>\n";
    }

private:
    template<class... Arguments>
    void add(fmt::format_string<Arguments...> format, Arguments &&...arguments) {
        fmt::format_to(std::back_inserter(m_out), format, std::forward<Arguments>(arguments)...);
    }
    static std::string number(double value) { return fmt::format("{:g}", std::round(value * 100) / 100); }
    std::string hex(Token token) const { return fmt::format("#{:06x}", colour(token, m_theme)); }

    /// What is there, and who sends to whom, for those who cannot see it.
    std::string description() const {
        std::string hosts, arrows;
        for (const auto &box : m_list.boxes)
            for (const auto &text : m_list.texts)
                if (text.bold && !text.ref.host.empty() && text.ref.host == box.ref.host)
                    hosts += (hosts.empty() ? "" : ", ") + text.text;
        for (const auto &arrow : m_list.arrows) {
            const auto slash = arrow.trackId.find('/'), sign = arrow.trackId.find('>');
            if (slash == std::string::npos || sign == std::string::npos || sign > slash) continue;
            arrows += fmt::format(" {} from {} to {}{}: {} {}.", arrow.trackId.substr(slash + 1),
                                  arrow.trackId.substr(0, sign), arrow.trackId.substr(sign + 1, slash - sign - 1),
                                  arrow.head == ArrowHead::cross ? " (dropped)" : "", arrow.packets,
                                  arrow.packets == 1 ? "packet" : "packets");
        }
        return "Hosts: " + (hosts.empty() ? "none" : hosts) + "." + arrows;
    }

    void write(const Box &box) {
        add("<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" rx=\"{}\" fill=\"{}\" stroke=\"{}\" "
            "stroke-width=\"1.3\"{}/>\n",
            number(box.rect.x), number(box.rect.y), number(box.rect.width), number(box.rect.height), number(box.radius),
            hex(box.fill), hex(box.stroke), box.dashed ? " stroke-dasharray=\"5 4\"" : "");
    }

    void write(const Arrow &arrow) {
        if (arrow.points.size() < 2) return;
        const auto stroke = hex(arrow.stroke);
        const auto &head = arrow.points.back();
        const auto &before = arrow.points[arrow.points.size() - 2];
        const double length = std::max(0.001, std::hypot(head.x - before.x, head.y - before.y));
        const double ux = (head.x - before.x) / length, uy = (head.y - before.y) / length;
        const double size = 5 + 1.6 * arrow.width;

        auto points = arrow.points;
        if (arrow.head == ArrowHead::arrow) points.back() = {head.x - ux * size * 0.8, head.y - uy * size * 0.8};
        add("<polyline fill=\"none\" stroke=\"{}\" stroke-width=\"{}\" stroke-linejoin=\"round\"{} points=\"", stroke,
            number(arrow.width), arrow.dashed ? " stroke-dasharray=\"7 4\"" : "");
        for (std::size_t i = 0; i < points.size(); ++i)
            add("{}{},{}", i == 0 ? "" : " ", number(points[i].x), number(points[i].y));
        add("\"/>\n");

        const auto at = [&](double along, double across) {
            return number(head.x + ux * along - uy * across) + "," + number(head.y + uy * along + ux * across);
        };
        if (arrow.head == ArrowHead::arrow)
            add("<polygon fill=\"{}\" points=\"{} {} {} {}\"/>\n", stroke, at(0, 0), at(-size, size * 0.5),
                at(-size * 0.72, 0), at(-size, -size * 0.5));
        else if (arrow.head == ArrowHead::cross)
            add("<path d=\"M{} L{} M{} L{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"{}\" "
                "stroke-linecap=\"round\"/>\n",
                at(-6, -6), at(6, 6), at(-6, 6), at(6, -6), stroke, number(arrow.width + 0.8));
    }

    void write(const Badge &badge) {
        add("<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" rx=\"{}\" fill=\"{}\"/>\n", number(badge.rect.x),
            number(badge.rect.y), number(badge.rect.width), number(badge.rect.height), number(badge.rect.height / 2),
            hex(badge.fill));
        add("<text x=\"{}\" y=\"{}\" font-family=\"{}\" font-size=\"11\" font-weight=\"bold\" text-anchor=\"middle\" "
            "fill=\"{}\">{}</text>\n",
            number(badge.rect.x + badge.rect.width / 2), number(badge.rect.y + badge.rect.height / 2 + 4), kSans,
            hex(badge.colour), escaped(badge.text));
    }

    void write(const Text &text) {
        const auto anchor = text.align == Align::left ? "start" : text.align == Align::centre ? "middle" : "end";
        add("<text x=\"{}\" y=\"{}\" font-family=\"{}\" font-size=\"{}\"{} text-anchor=\"{}\" fill=\"{}\">{}</text>\n",
            number(text.at.x), number(text.at.y), text.monospace ? kMono : kSans, number(text.size),
            text.bold ? " font-weight=\"bold\"" : "", anchor, hex(text.colour), escaped(text.text));
    }

    const DisplayList &m_list;
    std::string_view m_theme;
    std::string m_out;
};

} // namespace

std::string renderSvg(const DisplayList &list, std::string_view theme) {
    return SvgWriter(list, theme).write();
}

} // namespace natlens::diagram
