#include "tracer/diagram/unicode_column.h"

#include "tracer/diagram/route.h"
#include "tracer/diagram/scene.h"
#include "tracer/diagram/text_grid.h"

#include <algorithm>
#include <fmt/core.h>

namespace natlens::diagram {
namespace {

using tracer::Direction;
using tracer::Path;
using tracer::Segment;

constexpr int kBoxLeft = 1, kRequest = 6; ///< columns of the boxes' left edge and of the request's line

/// The segment of the reply that passes between hosts `gap` and `gap + 1`, with the places of its ends.
struct ReplySpan {
    const Segment *segment = nullptr;
    std::size_t top = 0, bottom = 0;
};

class Column {
public:
    Column(const Path &path, const std::vector<std::string> &hosts, int width)
        : m_path(path)
        , m_hosts(hosts)
        , m_width(width) {
        for (const auto &segment : m_path.segments) {
            if (segment.direction != Direction::reply) continue;
            const auto from = std::ranges::find(m_hosts, segment.from), to = std::ranges::find(m_hosts, segment.to);
            if (from == m_hosts.end() || to == m_hosts.end() || to >= from) {
                m_elsewhere.push_back(&segment);
                continue;
            }
            m_replies.push_back({&segment, static_cast<std::size_t>(to - m_hosts.begin()),
                                 static_cast<std::size_t>(from - m_hosts.begin())});
        }
    }

    std::string draw() {
        for (std::size_t i = 0; i < m_hosts.size(); ++i) {
            host(i);
            if (i + 1 < m_hosts.size()) gap(i);
        }
        auto text = m_grid.text();
        TextGrid lines;
        int row = 0;
        for (const auto *segment : m_elsewhere) {
            const auto words = fmt::format("reply also: {} → {}, {} → {}", orUnseen(segment->from),
                                           orUnseen(segment->to), inWords(segment->src), inWords(segment->dst));
            for (const std::string &line : wrap(words, m_width - 4))
                lines.put(row++, 2, line);
        }
        return text + lines.text(2);
    }

private:
    void host(std::size_t index) {
        const bool passed =
            std::ranges::any_of(m_replies, [&](const ReplySpan &r) { return r.top < index && index < r.bottom; });
        const int right = passed ? narrowRight() : boxRight();
        const int first = m_row;
        const auto line = [&](std::string_view text, int column) {
            int indent = 0;
            for (const std::string &part : wrap(text, right - column - 3)) {
                m_grid.put(m_row++, column + indent, part);
                indent = 2;
            }
        };
        std::string bar;
        for (int i = kBoxLeft + 1; i < right; ++i)
            bar += "─";
        m_grid.put(m_row++, kBoxLeft, "┌" + bar + "┐");
        line(nameOf(index), kBoxLeft + 2);
        for (const auto &hop : m_path.hops) {
            if (hop.host != m_hosts[index] || hop.direction != Direction::request) continue;
            if (hop.in && hop.out) {
                if (hop.in->src != hop.out->src)
                    line(fmt::format("SNAT  {} ⇒ {}", inWords(hop.in->src), inWords(hop.out->src)), kBoxLeft + 4);
                if (hop.in->dst != hop.out->dst)
                    line(fmt::format("DNAT  {} ⇒ {}", inWords(hop.in->dst), inWords(hop.out->dst)), kBoxLeft + 4);
            }
            if (!hop.rule.empty()) line("rule  " + hop.rule, kBoxLeft + 4);
        }
        if (!m_path.droppedAt.empty() && m_path.droppedAt == m_hosts[index])
            line(m_path.isRequestDropped() ? "✗ dropped here" : "✗ answer dropped here", kBoxLeft + 4);
        for (int row = first + 1; row < m_row; ++row) {
            m_grid.put(row, kBoxLeft, "│");
            m_grid.put(row, right, "│");
        }
        m_grid.put(m_row++, kBoxLeft, "└" + bar + "┘");
        if (passed)
            for (int row = first; row < m_row; ++row)
                m_grid.put(row, replyColumn(), "│");
    }

    std::string nameOf(std::size_t index) const {
        const auto &name = m_hosts[index];
        const bool endpoint = m_path.endpoint && m_path.endpoint->host == name;
        const auto address = index == 0 ? m_path.client.address.ip.toString()
                             : endpoint ? m_path.endpoint->address.ip.toString()
                                        : "";
        auto text = !name.empty() ? name : index == 0 ? std::string("client") : std::string("endpoint");
        if (name.empty() || isUncaptured(name)) text += " (not captured)";
        if (!address.empty() && address != name) text += "  " + address;
        if (index > 0 && endpoint && !m_path.endpoint->pod.empty() && !m_path.endpoint->node.empty())
            text += fmt::format("  pod {} on {}", m_path.endpoint->pod, m_path.endpoint->node);
        return text;
    }

    static std::string orUnseen(const std::string &name) { return name.empty() ? "(not captured)" : name; }

    void gap(std::size_t index) {
        const auto *request = findSegment(m_path, Direction::request, m_hosts[index], m_hosts[index + 1]);
        if (request) {
            const auto line = request->confidence < kCertain ? "┊" : "│";
            m_grid.put(m_row, kRequest, line);
            m_grid.put(m_row + 1, kRequest, request->lost ? "✗" : "▼");
            addresses(kRequest + 2, *request);
        }
        for (const auto &reply : m_replies) {
            if (index < reply.top || index >= reply.bottom) continue;
            const auto line = reply.segment->confidence < kCertain ? "┊" : "│";
            m_grid.put(m_row, replyColumn(), index != reply.top ? line : reply.segment->lost ? "✗" : "▲");
            m_grid.put(m_row + 1, replyColumn(), line);
            if (index + 1 == reply.bottom) addresses(replyColumn() + 2, *reply.segment);
        }
        m_row += 2;
    }

    void addresses(int column, const Segment &segment) {
        m_grid.put(m_row, column, elide(inWords(segment.src), m_width / 2 - 8));
        m_grid.put(m_row + 1, column, elide("→ " + inWords(segment.dst), m_width / 2 - 8));
    }

    [[nodiscard]] int boxRight() const { return m_width - 3; }
    [[nodiscard]] int narrowRight() const { return m_width / 2 - 2; } ///< a reply passes beside the host
    [[nodiscard]] int replyColumn() const { return m_width / 2 + 2; } ///< column of the reply's line

    const Path &m_path;
    const std::vector<std::string> &m_hosts;
    int m_width;
    std::vector<ReplySpan> m_replies;
    std::vector<const Segment *> m_elsewhere;
    TextGrid m_grid;
    int m_row = 0;
};

} // namespace

std::string drawColumn(const Path &path, const std::vector<std::string> &hosts, int width) {
    return Column(path, hosts, width).draw();
}

} // namespace natlens::diagram
