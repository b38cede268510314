// Properties of display lists that hold for every snapshot.
#ifndef Q_MOC_RUN // moc of Qt 6.4 stumbles over <concepts>
#include "layout_samples.h"
#include "tracer/diagram/diagram.h"
#endif

#include <QRectF>
#include "tests/test_program.h"

#include <set>

using namespace natlens;
using namespace natlens::testing;
using namespace natlens::diagram;

namespace {

QRectF rectOf(const Rect &r) {
    return {r.x, r.y, r.width, r.height};
}

/// A little less than what common fonts take, so that touching is not called overlapping.
QRectF rectOf(const Text &text) {
    const double width = static_cast<double>(QString::fromStdString(text.text).size()) * text.size *
                         (text.monospace ? 0.6
                          : text.bold    ? 0.62
                                         : 0.54);
    const double x = text.at.x - (text.align == Align::right ? width : text.align == Align::centre ? width / 2 : 0);
    return {x, text.at.y - text.size * 0.75, width, text.size * 0.8};
}

/// Whether a line touches a rectangle (Liang-Barsky).
bool crosses(Point a, Point b, const QRectF &r) {
    double from = 0, to = 1;
    const double p[] = {a.x - b.x, b.x - a.x, a.y - b.y, b.y - a.y};
    const double q[] = {a.x - r.left(), r.right() - a.x, a.y - r.top(), r.bottom() - a.y};
    for (int i = 0; i < 4; ++i) {
        if (p[i] == 0) {
            if (q[i] < 0) return false;
        } else if (p[i] < 0) {
            from = std::max(from, q[i] / p[i]);
        } else {
            to = std::min(to, q[i] / p[i]);
        }
    }
    return from <= to;
}

double distance(Point p, Point a, Point b) {
    const double dx = b.x - a.x, dy = b.y - a.y, length = dx * dx + dy * dy;
    const double t = length == 0 ? 0 : std::clamp(((p.x - a.x) * dx + (p.y - a.y) * dy) / length, 0.0, 1.0);
    return std::hypot(p.x - a.x - t * dx, p.y - a.y - t * dy);
}

/// The smallest distance between two polylines, 0 where they cross.
double distance(const Arrow &a, const Arrow &b) {
    double least = 1e9;
    for (std::size_t i = 1; i < a.points.size(); ++i)
        for (std::size_t k = 1; k < b.points.size(); ++k) {
            const auto p = a.points[i - 1], q = a.points[i], r = b.points[k - 1], s = b.points[k];
            const auto side = [](Point o, Point u, Point v) {
                return (u.x - o.x) * (v.y - o.y) - (u.y - o.y) * (v.x - o.x);
            };
            if (side(p, q, r) * side(p, q, s) < 0 && side(r, s, p) * side(r, s, q) < 0) return 0;
            least = std::min({least, distance(p, r, s), distance(q, r, s), distance(r, p, q), distance(s, p, q)});
        }
    return least;
}

const Box *boxOf(const DisplayList &list, const std::string &host) {
    for (const auto &box : list.boxes)
        if (box.ref.host == host) return &box;
    return nullptr;
}

const Arrow *arrowOf(const DisplayList &list, const std::string &track) {
    for (const auto &arrow : list.arrows)
        if (arrow.trackId == track) return &arrow;
    return nullptr;
}

bool hasBadge(const DisplayList &list, const std::string &text, const std::string &host) {
    const auto *box = boxOf(list, host);
    for (const auto &badge : list.badges)
        if (box && badge.text == text && rectOf(box->rect).contains(rectOf(badge.rect))) return true;
    return false;
}

} // namespace

class TestLayout : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void properties_data();
    void properties();
    void places();
    void balancerPlaces();
    void countsAndMarks();
    void selection();
    void uncertainty();
    void healthChecksCanBeLeftOut();
    void nothingYet();
};

void TestLayout::properties_data() {
    QTest::addColumn<SampleSnapshot>("sample");
    QTest::addColumn<QString>("selected");
    for (const auto &[name, sample] : layoutSamples()) {
        QTest::newRow(name) << sample << QString();
        if (!sample.snapshot.paths.empty())
            QTest::addRow("%s, first path selected", name)
                << sample << QString::fromStdString(sample.snapshot.paths.front()->id);
    }
}

void TestLayout::properties() {
    QFETCH(SampleSnapshot, sample);
    QFETCH(QString, selected);
    const SceneOptions options{selected.toStdString(), false, true};
    const auto list = layout(sample.snapshot, options);
    QVERIFY(list == layout(sample.snapshot, options)); // deterministic

    const auto bounds = rectOf(list.bounds);
    std::vector<QRectF> labels; // texts that are not inside a box
    for (const auto &text : list.texts) {
        QVERIFY2(bounds.contains(rectOf(text)), text.text.c_str());
        if (!boxOf(list, text.ref.host) || text.text == "health check")
            labels.push_back(rectOf(text));
        else
            QVERIFY2(rectOf(boxOf(list, text.ref.host)->rect).contains(rectOf(text)), text.text.c_str());
    }
    for (std::size_t i = 0; i < list.boxes.size(); ++i) {
        const auto box = rectOf(list.boxes[i].rect);
        QVERIFY(bounds.contains(box));
        for (std::size_t k = 0; k < i; ++k)
            QVERIFY(!box.intersects(rectOf(list.boxes[k].rect)));
        for (const auto &label : labels)
            QVERIFY(!box.intersects(label));
    }
    for (std::size_t i = 0; i < labels.size(); ++i)
        for (std::size_t k = 0; k < i; ++k)
            QVERIFY2(!labels[i].intersects(labels[k]), qPrintable(QString("%1 %2").arg(i).arg(k)));
    for (const auto &badge : list.badges) {
        QVERIFY(bounds.contains(rectOf(badge.rect)));
        for (const auto &text : list.texts)
            QVERIFY2(!rectOf(badge.rect).intersects(rectOf(text)), text.text.c_str());
        for (const auto &other : list.badges)
            QVERIFY(&other == &badge || !rectOf(badge.rect).intersects(rectOf(other.rect)));
    }
    std::set<std::string> tracks;
    for (const auto &arrow : list.arrows) {
        QVERIFY(arrow.points.size() >= 2);
        QVERIFY2(tracks.insert(arrow.trackId).second, arrow.trackId.c_str());
        for (const auto &point : arrow.points)
            QVERIFY(bounds.contains(QPointF(point.x, point.y)));
        for (std::size_t i = 1; i < arrow.points.size(); ++i) {
            const auto a = arrow.points[i - 1], b = arrow.points[i];
            for (const auto &box : list.boxes)
                QVERIFY2(!crosses(a, b, rectOf(box.rect)), arrow.trackId.c_str());
            for (const auto &label : labels)
                QVERIFY2(!crosses(a, b, label), arrow.trackId.c_str());
            for (const auto &badge : list.badges)
                QVERIFY2(!crosses(a, b, rectOf(badge.rect)), arrow.trackId.c_str());
        }
        // Request and reply between the same two hosts stay apart all the way.
        const auto sign = arrow.trackId.find('>'), slash = arrow.trackId.find("/request");
        if (slash == std::string::npos) continue;
        const auto back = arrow.trackId.substr(sign + 1, slash - sign - 1) + ">" + arrow.trackId.substr(0, sign) +
                          "/reply" + arrow.trackId.substr(slash + 8);
        if (const auto *reply = arrowOf(list, back)) QVERIFY2(distance(arrow, *reply) >= 8, arrow.trackId.c_str());
    }
}

void TestLayout::places() {
    const auto list = layout(nodePortScenario().snapshot);
    const auto at = [&](const char *host) { return rectOf(boxOf(list, host)->rect); };
    QVERIFY(at("client").bottom() < at("node1").top());
    QVERIFY(at("node1").bottom() < at("source-ip-app").top());
    QCOMPARE(at("node1").center().x(), at("source-ip-app").center().x());
    QVERIFY(at("node1").right() < at("node2").left());
    QVERIFY(at("node2").right() < at("node3").left());
    QCOMPARE(at("node1").top(), at("node3").top());
    QCOMPARE(at("client").center().x(), (at("node1").center().x() + at("node3").center().x()) / 2);
}

void TestLayout::balancerPlaces() {
    const auto list = layout(balancerLocalScenario().snapshot);
    const auto at = [&](const char *host) { return rectOf(boxOf(list, host)->rect); };
    QVERIFY(at("client").bottom() < at("lb").top());
    QVERIFY(at("lb").bottom() < at("node1").top());
    QStringList codes;
    for (const auto &badge : list.badges)
        if (badge.text != "DNAT")
            codes << QString::fromStdString(badge.text) + (badge.fill == Token::probeFail ? " fails" : " passes");
    QCOMPARE(codes, QStringList({"200 passes", "500 fails", "500 fails"}));
    QVERIFY(arrowOf(list, "lb>node2/request/health-check"));
    QVERIFY(arrowOf(list, "node1>client/reply")); // straight to the client, not through the load balancer
    QVERIFY(!arrowOf(list, "node1>lb/reply"));
}

void TestLayout::countsAndMarks() {
    const auto list = layout(nodePortScenario().snapshot);
    for (const char *node : {"node1", "node2", "node3"})
        for (const char *nat : {"SNAT", "DNAT"})
            QVERIFY(hasBadge(list, nat, node));
    QVERIFY(!hasBadge(list, "X", "node2"));
    QCOMPARE(arrowOf(list, "node1>source-ip-app/request")->packets, std::uint64_t{15});
    QCOMPARE(arrowOf(list, "client>node2/request")->packets, std::uint64_t{5});
    QCOMPARE(std::ranges::count(list.texts, std::string("3 connections"), &Text::text), 2);

    const auto dropped = layout(nodePortLocalScenario().snapshot);
    QVERIFY(hasBadge(dropped, "X", "node2"));
    QVERIFY(!hasBadge(dropped, "SNAT", "node1"));
    QCOMPARE(static_cast<int>(arrowOf(dropped, "client>node2/request")->head), static_cast<int>(ArrowHead::cross));
    QVERIFY(!arrowOf(dropped, "node2>client/reply"));
}

void TestLayout::selection() {
    const auto snapshot = nodePortScenario().snapshot;
    const auto list = layout(snapshot, {"p2", false, true});
    QCOMPARE(static_cast<int>(arrowOf(list, "client>node2/request")->stroke), static_cast<int>(Token::request));
    QCOMPARE(static_cast<int>(arrowOf(list, "client>node3/request")->stroke), static_cast<int>(Token::mutedText));
    QVERIFY(arrowOf(list, "client>node2/request")->width > arrowOf(list, "client>node3/request")->width);
    const auto *shared = arrowOf(list, "node1>source-ip-app/request"); // shows the selected path, not the newest
    QCOMPARE(shared->ref.pathId, std::string("p2"));
    QCOMPARE(snapshot.paths[1]->segments[static_cast<std::size_t>(shared->ref.segment)].to,
             std::string("source-ip-app"));
    const auto only = layout(snapshot, {"p2", true, true});
    QVERIFY(!arrowOf(only, "client>node3/request"));
    QVERIFY(arrowOf(only, "client>node2/request"));
}

void TestLayout::uncertainty() {
    auto sample = nodePortScenario();
    const_cast<Path &>(*sample.snapshot.paths[1]).segments[0].confidence = 0.8;
    std::erase_if(sample.snapshot.hosts, [](const Host &host) { return host.name == "node3"; });
    const auto list = layout(sample.snapshot);
    QVERIFY(arrowOf(list, "client>node2/request")->dashed);
    QVERIFY(!arrowOf(list, "client>node1/request")->dashed);
    QVERIFY(boxOf(list, "node3")->dashed);
    QVERIFY(!boxOf(list, "node1")->dashed);
}

void TestLayout::healthChecksCanBeLeftOut() {
    const auto list = layout(balancerLocalScenario().snapshot, {"", false, false});
    for (const auto &arrow : list.arrows)
        QVERIFY(!QByteArray::fromStdString(arrow.trackId).endsWith("health-check"));
    QVERIFY(arrowOf(list, "client>lb/request"));
}

void TestLayout::nothingYet() {
    const auto list = layout({});
    QVERIFY(list.boxes.empty());
    QVERIFY(!list.texts.empty());
    QVERIFY(list.bounds.width > 0 && list.bounds.height > 0);
}

NATLENS_TEST(TestLayout)
#include "tst_layout.moc"
