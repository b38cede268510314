// From a finished plan to boxes, arrows, badges and texts.
#include "tracer/diagram/layout_parts.h"

#include <algorithm>
#include <limits>

namespace natlens::diagram {
namespace {

constexpr auto kNodeRow = static_cast<std::size_t>(Tier::node);

/// Removes points that lie on the straight line between their neighbours.
std::vector<Point> straightened(const std::vector<Point> &points) {
    std::vector<Point> out;
    for (std::size_t i = 0; i < points.size(); ++i) {
        if (!out.empty() && out.back() == points[i]) continue;
        if (out.size() >= 2) {
            const auto &a = out[out.size() - 2], &b = out.back(), &c = points[i];
            if ((b.x - a.x) * (c.y - a.y) == (c.x - a.x) * (b.y - a.y)) out.pop_back();
        }
        out.push_back(points[i]);
    }
    return out;
}

class Painter {
public:
    explicit Painter(const Plan &plan)
        : m_plan(plan)
        , m_scene(*plan.scene) {}

    DisplayList paint() {
        for (const auto &host : m_plan.hosts)
            paintHost(host);
        for (const auto &pair : m_plan.pairs) {
            if (pair.course == Course::down)
                paintDown(pair);
            else if (pair.course == Course::beside)
                paintBeside(pair);
            else
                paintLane(pair);
        }
        for (const auto &host : m_plan.hosts)
            if (host.check) paintCheck(host);
        // What is selected is painted last, so that nothing covers it.
        std::ranges::stable_sort(m_list.arrows, {}, &Arrow::width);
        normalise();
        legend();
        return std::move(m_list);
    }

private:
    void paintHost(const HostPlan &host) {
        const auto &what = *host.host;
        const ItemRef ref{{}, what.name, -1, -1};
        constexpr Token kFill[] = {Token::clientFill, Token::lbFill, Token::nodeFill, Token::podFill};
        m_list.boxes.push_back(
            {host.box, 8, kFill[static_cast<std::size_t>(what.tier)], Token::hostStroke, what.inferred, ref});

        const double content = 18 + (what.address.empty() ? 0 : 16) + (what.marks.empty() ? 0 : kBadgeHeight + 8);
        double y = host.box.y + (host.box.height - content) / 2;
        const auto colour = what.muted ? Token::mutedText : Token::text;
        m_list.texts.push_back(
            {{host.centre, y + 14}, what.title, kTitleSize, true, false, Align::centre, colour, ref});
        y += 18;
        if (!what.address.empty()) {
            m_list.texts.push_back(
                {{host.centre, y + 12}, what.address, kAddressSize, false, true, Align::centre, Token::mutedText, ref});
            y += 16;
        }
        double width = -6;
        for (const auto &mark : what.marks)
            width += badgeWidth(mark.text) + 6;
        double x = host.centre - width / 2;
        for (const auto &mark : what.marks) {
            m_list.badges.push_back(
                {{x, y + 6, badgeWidth(mark.text), kBadgeHeight}, mark.text, mark.fill, Token::badgeText, mark.ref});
            x += badgeWidth(mark.text) + 6;
        }
    }

    bool muted(const Stream &stream) const { return m_scene.selection && !stream.selected; }

    void addArrow(const Stream &stream, std::vector<Point> points) {
        points = straightened(points);
        auto stroke = stream.healthCheck                               ? Token::healthCheck
                      : stream.direction == tracer::Direction::request ? Token::request
                                                                       : Token::reply;
        if (stream.lost) stroke = Token::drop;
        if (muted(stream)) stroke = Token::mutedText;
        const double width = stream.selected ? 3.2 : muted(stream) ? 1.4 : stream.healthCheck ? 1.6 : 2.2;
        const auto track = stream.from + ">" + stream.to + "/" +
                           (stream.direction == tracer::Direction::request ? "request" : "reply") +
                           (stream.healthCheck ? "/health-check" : "");
        m_list.arrows.push_back({std::move(points), stroke, width, stream.weak,
                                 stream.lost ? ArrowHead::cross : ArrowHead::arrow, track, stream.packets, stream.ref});
    }

    void addLabel(const Stream &stream, double x, double top, Align align) {
        for (std::size_t i = 0; i < stream.label.size(); ++i) {
            const bool count = i >= 2;
            auto colour = stream.direction == tracer::Direction::request ? Token::request : Token::reply;
            if (count || muted(stream)) colour = Token::mutedText;
            m_list.texts.push_back({{x, top + kLineHeight * static_cast<double>(i + 1) - 3.5},
                                    stream.label[i],
                                    kLabelSize,
                                    false,
                                    !count,
                                    align,
                                    colour,
                                    stream.ref});
        }
    }

    /// `points` run from the upper or left host to the other one.
    void addStream(const PairPlan &pair, const Stream &stream, std::vector<Point> points) {
        const bool forward = stream.from == m_plan.hosts[pair.upper].host->name;
        if (!forward) std::ranges::reverse(points);
        if (stream.lost) { // the cross stands clear of the box
            auto &head = points.back();
            const auto &before = points[points.size() - 2];
            if (head.x == before.x)
                head.y += head.y > before.y ? -9 : 9;
            else
                head.x += head.x > before.x ? -9 : 9;
        }
        addArrow(stream, std::move(points));
    }

    /// Where a line runs: its port at the upper host, its stub at the lower one, and how it passes load balancers.
    struct Way {
        double port, stub, bypass;
        int rank, bypassRank;
    };

    std::vector<Point> downPoints(const PairPlan &pair, const Way &way) const {
        const auto from = static_cast<std::size_t>(m_plan.hosts[pair.upper].host->tier);
        const auto to = static_cast<std::size_t>(m_plan.hosts[pair.lower].host->tier);
        std::vector<Point> points{{way.port, m_plan.top[from] + m_plan.height[from] + kTouch}};
        std::size_t above = from;
        for (std::size_t row = from + 1; row <= to; ++row) {
            if (m_plan.rows[row].empty()) continue;
            const bool passed = row < to && row == static_cast<std::size_t>(Tier::balancer) && pair.bypass;
            const double x = passed ? way.bypass : way.stub;
            const double down = kRank * (passed ? way.bypassRank : way.rank);
            const double bend = m_plan.stubTop[row] - kRank * std::max(0, m_plan.ranks[row] - 1) + down;
            points.push_back({points.back().x, m_plan.laneBottom[above] + down});
            points.push_back({x, bend});
            above = row;
        }
        points.push_back({way.stub, m_plan.top[to] - kTouch});
        return points;
    }

    void paintDown(const PairPlan &pair) {
        const auto row = static_cast<std::size_t>(m_plan.hosts[pair.lower].host->tier);
        const double room = m_plan.top[row] - m_plan.stubTop[row];
        const auto label = [&](const Stream &stream, double x, bool atLeft) {
            if (!pair.labelled) return;
            const double gap = kLabelGap + (stream.lost ? kLostGap : 0);
            const double top =
                m_plan.stubTop[row] + (room - static_cast<double>(stream.label.size()) * kLineHeight) / 2;
            addLabel(stream, atLeft ? x - gap : x + gap, top, atLeft ? Align::right : Align::left);
        };
        if (const auto &request = pair.pair->request) {
            addStream(pair, *request,
                      downPoints(pair, {pair.upperRequestX, pair.requestX, pair.bypassX, pair.requestRank,
                                        pair.requestBypassRank}));
            label(*request, pair.requestX, !pair.replyAtLeft);
        }
        if (const auto &reply = pair.pair->reply) {
            const double bypass = pair.pair->request ? pair.bypassX + kParallel : pair.bypassX;
            addStream(pair, *reply,
                      downPoints(pair, {pair.upperReplyX, pair.replyX, bypass, pair.replyRank, pair.replyBypassRank}));
            label(*reply, pair.replyX, pair.replyAtLeft);
        }
    }

    void paintBeside(const PairPlan &pair) {
        const auto &left = m_plan.hosts[pair.upper].box, &right = m_plan.hosts[pair.lower].box;
        const double from = left.x + left.width + kTouch, to = right.x - kTouch, middle = (from + to) / 2;
        const double y = m_plan.top[kNodeRow] + m_plan.besideY;
        if (const auto &request = pair.pair->request) {
            addStream(pair, *request, {{from, y}, {to, y}});
            if (pair.labelled) addLabel(*request, middle, y - 6 - labelHeight(request), Align::centre);
        }
        if (const auto &reply = pair.pair->reply) {
            addStream(pair, *reply, {{from, y + kParallel}, {to, y + kParallel}});
            if (pair.labelled) addLabel(*reply, middle, y + kParallel + 5, Align::centre);
        }
    }

    void paintLane(const PairPlan &pair) {
        const auto row = static_cast<std::size_t>(m_plan.hosts[pair.upper].host->tier);
        int levels = 1;
        for (const auto &other : m_plan.pairs)
            if (other.course == Course::lane &&
                m_plan.hosts[other.upper].host->tier == m_plan.hosts[pair.upper].host->tier)
                levels = std::max(levels, other.lane + 1);
        const double level = (m_plan.laneBottom[row] - m_plan.laneTop[row]) / levels;
        const double above = pair.labelled ? labelHeight(pair.pair->request) : 0;
        const double y = m_plan.laneTop[row] + level * pair.lane + 14 + above;
        const double bottom = m_plan.top[row] + m_plan.height[row] + kTouch;
        const auto &left = m_plan.hosts[pair.upper].box;
        const double labelX = left.x + left.width + 12;
        if (const auto &request = pair.pair->request) {
            addStream(pair, *request,
                      {{pair.upperRequestX, bottom},
                       {pair.upperRequestX, y},
                       {pair.lowerRequestX, y},
                       {pair.lowerRequestX, bottom}});
            if (pair.labelled) addLabel(*request, labelX, y - 5 - labelHeight(request), Align::left);
        }
        if (const auto &reply = pair.pair->reply) {
            const double lower = y + kParallel;
            addStream(pair, *reply,
                      {{pair.upperReplyX, bottom},
                       {pair.upperReplyX, lower},
                       {pair.lowerReplyX, lower},
                       {pair.lowerReplyX, bottom}});
            if (pair.labelled) addLabel(*reply, labelX, lower + 4, Align::left);
        }
    }

    void paintCheck(const HostPlan &host) {
        const auto &check = *host.check;
        constexpr double kArrow = 44;
        const double side = host.checkAtLeft ? -1 : 1;
        const double edge = host.checkAtLeft ? host.box.x - kTouch : host.box.x + host.box.width + kTouch;
        const double outer = edge + side * kArrow, y = host.box.y + 20, lower = y + kParallel;
        const auto align = host.checkAtLeft ? Align::right : Align::left;
        if (const auto &request = check.streams.request) {
            addArrow(*request, {{outer, y}, {edge, y}});
            const ItemRef ref{request->ref.pathId, check.streams.near, request->ref.segment, -1};
            m_list.texts.push_back({{outer + side * 7, y + 4},
                                    "health check",
                                    11.5,
                                    false,
                                    false,
                                    align,
                                    muted(*request) ? Token::mutedText : Token::healthCheck,
                                    ref});
        }
        if (const auto &reply = check.streams.reply) addArrow(*reply, {{edge, lower}, {outer, lower}});
        if (check.status != 0) {
            const auto text = std::to_string(check.status);
            const double width = badgeWidth(text), x = host.checkAtLeft ? outer - 7 - width : outer + 7;
            const bool passes = check.status >= 200 && check.status < 400;
            const auto &stream = check.streams.reply ? check.streams.reply : check.streams.request;
            m_list.badges.push_back({{x, lower - kBadgeHeight / 2 + 2, width, kBadgeHeight},
                                     text,
                                     passes ? Token::healthCheck : Token::probeFail,
                                     Token::badgeText,
                                     stream ? stream->ref : ItemRef{}});
        }
    }

    /// Moves everything so that the bounds begin at (0, 0) with a margin around what is drawn.
    void normalise() {
        double left = std::numeric_limits<double>::max(), top = left, right = -left, bottom = -left;
        const auto extend = [&](double x, double y) {
            left = std::min(left, x);
            right = std::max(right, x);
            top = std::min(top, y);
            bottom = std::max(bottom, y);
        };
        const auto extendRect = [&](const Rect &r) {
            extend(r.x, r.y);
            extend(r.x + r.width, r.y + r.height);
        };
        for (const auto &box : m_list.boxes)
            extendRect(box.rect);
        for (const auto &badge : m_list.badges)
            extendRect(badge.rect);
        for (const auto &arrow : m_list.arrows)
            for (const auto &point : arrow.points)
                extend(point.x, point.y);
        for (const auto &text : m_list.texts) {
            const double width = textWidth(text.text, text.size, text.bold, text.monospace);
            const double x = text.at.x - (text.align == Align::right    ? width
                                          : text.align == Align::centre ? width / 2
                                                                        : 0);
            extend(x, text.at.y - text.size);
            extend(x + width, text.at.y + text.size / 3);
        }
        const double dx = kMargin - left, dy = kMargin - top;
        for (auto &box : m_list.boxes)
            box.rect.x += dx, box.rect.y += dy;
        for (auto &badge : m_list.badges)
            badge.rect.x += dx, badge.rect.y += dy;
        for (auto &arrow : m_list.arrows)
            for (auto &point : arrow.points)
                point.x += dx, point.y += dy;
        for (auto &text : m_list.texts)
            text.at.x += dx, text.at.y += dy;
        m_list.bounds = {0, 0, right - left + 2 * kMargin, bottom - top + 2 * kMargin};
    }

    /// One line below the picture says what the colours mean; only what is there.
    void legend() {
        const auto any = [&](Token stroke) {
            return std::ranges::any_of(m_list.arrows, [&](const Arrow &a) { return a.stroke == stroke; });
        };
        double x = kMargin;
        const double y = m_list.bounds.height;
        const auto entry = [&](const char *text, Token colour) {
            if (!any(colour)) return;
            m_list.texts.push_back({{x, y}, text, 11, false, false, Align::left, colour, {}});
            x += textWidth(text, 11, false, false) + 18;
        };
        entry("→ request", Token::request);
        entry("← reply", Token::reply);
        entry("✕ dropped", Token::drop);
        entry("⇄ health check", Token::healthCheck);
        if (std::ranges::any_of(m_list.arrows, &Arrow::dashed)) {
            m_list.texts.push_back(
                {{x, y}, "dashed: less certain", 11, false, false, Align::left, Token::mutedText, {}});
            x += textWidth("dashed: less certain", 11, false, false);
        }
        if (x > kMargin) {
            m_list.bounds.height += kMargin - 8;
            m_list.bounds.width = std::max(m_list.bounds.width, x + kMargin);
        }
    }

    const Plan &m_plan;
    const Scene &m_scene;
    DisplayList m_list;
};

} // namespace

DisplayList paint(const Plan &plan) {
    return Painter(plan).paint();
}

} // namespace natlens::diagram
