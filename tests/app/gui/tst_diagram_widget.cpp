#include "app/gui/diagram_accessible.h"
#include "app/gui/diagram_widget.h"
#include "hand_made.h"

#include <QAccessible>
#include <QSignalSpy>
#include "tests/test_program.h"

#include <map>

using namespace natlens;
using namespace gui;
using namespace gui::handmade;

namespace {

std::shared_ptr<const tracer::Snapshot> twoPaths() {
    return snapshot(shared(crossNodePath("p1"), droppedPath("p2")));
}

/// Pixels of `image` with exactly this colour.
int count(const QImage &image, const QColor &colour) {
    int n = 0;
    for (int y = 0; y < image.height(); ++y)
        for (int x = 0; x < image.width(); ++x)
            if (image.pixelColor(x, y) == colour) ++n;
    return n;
}

} // namespace

class TestDiagramWidget : public QObject {
    Q_OBJECT
    PacketMotion::Time m_time{0};

    void show(DiagramWidget &widget) {
        m_time = PacketMotion::Time(0);
        widget.setClock([this] { return m_time; });
        widget.resize(600, 400);
        widget.show();
        QVERIFY(QTest::qWaitForWindowExposed(&widget));
    }

private Q_SLOTS:
    void initTestCase() { installDiagramAccessibility(); }

    void layerIsPaintedOnlyWhenItMust() {
        DiagramWidget widget;
        show(widget);
        widget.setScene(twoPaths(), twoHosts(0));
        static_cast<void>(widget.grab());
        const int first = widget.staticLayerPaints();
        QVERIFY(first >= 1);

        static_cast<void>(widget.grab());
        widget.setScene(twoPaths(), twoHosts(7)); // only packet counts differ
        static_cast<void>(widget.grab());
        widget.setSelectedPath("p1"); // drawn over the layer
        static_cast<void>(widget.grab());
        QCOMPARE(widget.staticLayerPaints(), first);

        diagram::DisplayList moved = twoHosts(7);
        moved.boxes[0].rect.y += 1;
        widget.setScene(twoPaths(), moved);
        static_cast<void>(widget.grab());
        QCOMPARE(widget.staticLayerPaints(), first + 1);
        widget.zoomIn();
        static_cast<void>(widget.grab());
        QCOMPARE(widget.staticLayerPaints(), first + 2);
        widget.setTheme(Theme("dark"));
        static_cast<void>(widget.grab());
        QCOMPARE(widget.staticLayerPaints(), first + 3);
        widget.resize(640, 400);
        static_cast<void>(widget.grab());
        QCOMPARE(widget.staticLayerPaints(), first + 4);
    }

    void clockRunsOnlyWhileSomethingMoves() {
        DiagramWidget widget;
        show(widget);
        widget.setScene(twoPaths(), twoHosts(0));
        QVERIFY(!widget.animating());
        widget.setScene(twoPaths(), twoHosts(1));
        QVERIFY(widget.animating());
        widget.hide();
        QVERIFY(!widget.animating());
        widget.show();
        QVERIFY(widget.animating());
        m_time = widget.motion().end();
        QTRY_VERIFY(!widget.animating());
    }

    void frozenPacketsStayWhereTheyAre() {
        DiagramWidget widget;
        show(widget);
        widget.setScene(twoPaths(), twoHosts(1));
        m_time = PacketMotion::Time(200);
        widget.setFrozen(true);
        QVERIFY(!widget.animating());
        const QImage then = widget.grab().toImage();
        m_time = PacketMotion::Time(500);
        QCOMPARE(widget.grab().toImage(), then);
        widget.setFrozen(false); // goes on where it stood
        QVERIFY(widget.animating());
        QCOMPARE(widget.grab().toImage(), then);
    }

    void stepRunsUntilIdleThenStandsStill() {
        DiagramWidget widget;
        show(widget);
        widget.setScene(twoPaths(), twoHosts(0));
        widget.setFrozen(true);
        widget.setScene(twoPaths(), twoHosts(1));
        QVERIFY(!widget.animating());
        widget.runUntilIdle();
        QVERIFY(widget.animating());
        m_time = PacketMotion::Time(1e6);
        QTRY_VERIFY(!widget.animating());
        widget.setScene(twoPaths(), twoHosts(2));
        QVERIFY(!widget.animating()); // frozen again
    }

    void packetsAreDrawn() {
        DiagramWidget widget;
        show(widget);
        widget.setScene(twoPaths(), twoHosts(0));
        const QImage still = widget.grab().toImage();
        widget.setScene(twoPaths(), twoHosts(1));
        m_time = PacketMotion::kTravel / 4;
        const QImage moving = widget.grab().toImage();
        const QPoint place = widget.transform().map(QPointF(140, 40)).toPoint() * widget.devicePixelRatioF();
        QVERIFY(still != moving);
        const Theme theme;
        QCOMPARE(moving.pixelColor(place), theme.colour(diagram::Token::request));
    }

    void coloursOfTheList_data() {
        QTest::addColumn<QString>("theme");
        for (const char *name : {"light", "dark", "high-contrast"})
            QTest::newRow(name) << name;
    }
    void coloursOfTheList() {
        QFETCH(QString, theme);
        const Theme colours(theme);
        const QImage image = renderImage(twoHosts(), colours, 2);
        QCOMPARE(image.size(), QSize(800, 400));
        using diagram::Token;
        QVERIFY(count(image, colours.colour(Token::background)) > image.width() * image.height() / 4);
        for (const Token token : {Token::hostFill, Token::request, Token::reply, Token::snat, Token::drop})
            QVERIFY2(count(image, colours.colour(token)) > 20, qPrintable(QString::number(static_cast<int>(token))));
    }

    void hits_data() {
        QTest::addColumn<double>("x");
        QTest::addColumn<double>("y");
        QTest::addColumn<QString>("what");
        QTest::newRow("host") << 20.0 << 30.0 << "client";
        QTest::newRow("arrow") << 120.0 << 42.0 << "p1";
        QTest::newRow("drop arrow") << 200.0 << 115.0 << "p2";
        QTest::newRow("badge") << 200.0 << 34.0 << "p1 hop 1";
        QTest::newRow("nothing") << 200.0 << 190.0 << "";
    }
    void hits() {
        QFETCH(double, x);
        QFETCH(double, y);
        QFETCH(QString, what);
        const auto ref = hitTest(twoHosts(), {x, y}, 5);
        QString found;
        if (ref) found = QString::fromStdString(ref->pathId.empty() ? ref->host : ref->pathId);
        if (ref && ref->hop >= 0) found += " hop " + QString::number(ref->hop);
        QCOMPARE(found, what);
    }

    void clicksSelect() {
        DiagramWidget widget;
        show(widget);
        widget.setScene(twoPaths(), twoHosts());
        QSignalSpy path(&widget, &DiagramWidget::pathActivated);
        QSignalSpy hop(&widget, &DiagramWidget::hopActivated);
        QSignalSpy host(&widget, &DiagramWidget::hostActivated);
        QSignalSpy cleared(&widget, &DiagramWidget::selectionCleared);
        const auto click = [&](double x, double y) {
            QTest::mouseClick(&widget, Qt::LeftButton, {}, widget.transform().map(QPointF(x, y)).toPoint());
        };
        click(200, 39);
        QCOMPARE(path.count(), 1);
        QCOMPARE(hop.value(0).value(1).toInt(), 1);
        click(340, 140);
        QCOMPARE(host.value(0).value(0).toString(), "node3");
        click(200, 195);
        QCOMPARE(cleared.count(), 1);
    }

    void keyboard() {
        DiagramWidget widget;
        show(widget);
        widget.setScene(twoPaths(), twoHosts());
        QStringList order;
        for (const DiagramItem &item : widget.items())
            order << QString::fromStdString(item.id);
        QCOMPARE(order, (QStringList{"client", "node2", "node3", "p1", "p2"}));
        QSignalSpy path(&widget, &DiagramWidget::pathActivated);
        QTest::keyClick(&widget, Qt::Key_Right);
        QCOMPARE(widget.focusedItem(), 0);
        QTest::keyClick(&widget, Qt::Key_Left);
        QCOMPARE(widget.focusedItem(), 4);
        QTest::keyClick(&widget, Qt::Key_Home);
        for (int i = 0; i < 3; ++i)
            QTest::keyClick(&widget, Qt::Key_Down);
        QTest::keyClick(&widget, Qt::Key_Return);
        QCOMPARE(path.value(0).value(0).toString(), "p1");
        QSignalSpy cleared(&widget, &DiagramWidget::selectionCleared);
        QTest::keyClick(&widget, Qt::Key_Escape);
        QCOMPARE(cleared.count(), 1);
    }

    void zoomKeepsThePointUnderThePointer() {
        DiagramWidget widget;
        show(widget);
        widget.setScene(twoPaths(), twoHosts());
        const QPointF pointer(150, 120);
        const QPointF before = widget.transform().inverted().map(pointer);
        QWheelEvent wheel(pointer, widget.mapToGlobal(pointer), {}, {0, 240}, Qt::NoButton, Qt::ControlModifier,
                          Qt::NoScrollPhase, false);
        QCoreApplication::sendEvent(&widget, &wheel);
        QVERIFY(widget.zoom() > 1);
        const QPointF after = widget.transform().inverted().map(pointer);
        QVERIFY(QLineF(before, after).length() < 1e-6);
        widget.fit();
        QCOMPARE(widget.zoom(), 1.0);
    }

    void accessibleChildren() {
        DiagramWidget widget;
        show(widget);
        widget.setScene(twoPaths(), twoHosts());
        QAccessibleInterface *whole = QAccessible::queryAccessibleInterface(&widget);
        QVERIFY(whole != nullptr);
        QCOMPARE(whole->childCount(), 5);
        QAccessibleInterface *host = whole->child(0);
        QVERIFY(host != nullptr);
        QVERIFY(host->text(QAccessible::Name).startsWith("client"));
        QVERIFY(host->text(QAccessible::Name).contains("104.132.1.79"));
        QAccessibleInterface *path = whole->child(3);
        QCOMPARE(path->role(), QAccessible::ListItem);
        diagram::ItemRef ref;
        ref.pathId = "p1";
        QCOMPARE(path->text(QAccessible::Description), describeItem(*widget.snapshot(), ref));
        QVERIFY(!path->text(QAccessible::Name).isEmpty());
        QCOMPARE(whole->indexOfChild(path), 3);
        QCOMPARE(path->parent(), whole);
        QVERIFY(widget.rect().translated(widget.mapToGlobal(QPoint())).contains(path->rect()));

        QSignalSpy activated(&widget, &DiagramWidget::pathActivated);
        path->actionInterface()->doAction(QAccessibleActionInterface::pressAction());
        QCOMPARE(activated.value(0).value(0).toString(), "p1");

        widget.clearScene("nothing");
        QCOMPARE(whole->childCount(), 0);
        QVERIFY(!path->isValid());
    }
};

NATLENS_TEST(TestDiagramWidget)
#include "tst_diagram_widget.moc"
