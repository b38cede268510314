#include "app/gui/path_panel.h"

#include "app/gui/path_delegate.h"
#include "app/gui/words.h"

#include <QComboBox>
#include <QHBoxLayout>
#include <QItemSelectionModel>
#include <QLabel>
#include <QLineEdit>
#include <QListView>
#include <QVBoxLayout>

namespace natlens::gui {

PathPanel::PathPanel(QWidget *parent)
    : QWidget(parent)
    , m_model(new PathModel(this))
    , m_delegate(new PathDelegate(this))
    , m_filter(new QLineEdit(this))
    , m_checks(new QComboBox(this))
    , m_view(new QListView(this))
    , m_count(new QLabel(this))
    , m_empty(new QLabel(m_view)) {
    m_filter->setPlaceholderText(tr("Filter: address, node, outcome, SNAT…"));
    m_filter->setClearButtonEnabled(true);
    m_filter->setAccessibleName(tr("Filter paths"));
    m_checks->addItem(tr("Health checks: latest per node"), static_cast<int>(HealthCheckRows::latestPerNode));
    m_checks->addItem(tr("Health checks: all"), static_cast<int>(HealthCheckRows::all));
    m_checks->addItem(tr("Health checks: none"), static_cast<int>(HealthCheckRows::none));
    m_checks->setAccessibleName(tr("Health checks shown"));
    m_checks->setSizeAdjustPolicy(QComboBox::AdjustToMinimumContentsLengthWithIcon);

    m_view->setModel(m_model);
    m_view->setItemDelegate(m_delegate);
    m_view->setUniformItemSizes(true);
    m_view->setMouseTracking(true);
    m_view->setFrameShape(QFrame::NoFrame);
    m_view->setVerticalScrollMode(QAbstractItemView::ScrollPerPixel);
    m_view->setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    m_view->setAccessibleName(tr("Paths"));
    m_empty->setAlignment(Qt::AlignCenter);
    m_empty->setWordWrap(true);
    m_empty->setMargin(24);
    m_count->setContentsMargins(10, 3, 10, 3);
    m_count->setFont(resized(m_count->font(), -1));

    auto *top = new QVBoxLayout;
    top->setContentsMargins(8, 8, 8, 8);
    top->setSpacing(6);
    top->addWidget(m_filter);
    top->addWidget(m_checks);
    auto *inside = new QVBoxLayout(m_view);
    inside->addWidget(m_empty);
    auto *layout = new QVBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(0);
    layout->addLayout(top);
    layout->addWidget(m_view, 1);
    layout->addWidget(m_count);
    setFocusProxy(m_view);

    connect(m_filter, &QLineEdit::textChanged, this, [this](const QString &words) {
        m_model->setFilter(words);
        showCount();
    });
    connect(m_checks, &QComboBox::currentIndexChanged, this, [this] {
        m_model->setHealthChecks(healthChecks());
        showCount();
        Q_EMIT healthChecksChanged();
    });
    connect(m_view->selectionModel(), &QItemSelectionModel::currentChanged, this, [this](const QModelIndex &current) {
        if (!m_selecting)
            Q_EMIT pathSelected(current.isValid() ? current.data(PathModel::PathIdRole).toString() : QString());
    });
    showCount();
}

HealthCheckRows PathPanel::healthChecks() const {
    return static_cast<HealthCheckRows>(m_checks->currentData().toInt());
}

void PathPanel::setSnapshot(const std::shared_ptr<const tracer::Snapshot> &snapshot) {
    m_selecting = true; // a row that goes must not select its neighbour in the name of the person
    m_model->setSnapshot(snapshot);
    m_selecting = false;
    showCount();
}

void PathPanel::clear() {
    m_selecting = true;
    m_model->clear();
    m_selecting = false;
    m_filter->clear();
    showCount();
}

void PathPanel::setTheme(const Theme &theme) {
    m_delegate->setTheme(theme);
    QPalette p = m_empty->palette();
    p.setColor(QPalette::WindowText, theme.colour(diagram::Token::mutedText));
    m_empty->setPalette(p);
    m_view->viewport()->update();
}

void PathPanel::select(const std::string &id) {
    m_selecting = true;
    if (const std::optional<int> row = m_model->rowOf(id)) {
        m_view->setCurrentIndex(m_model->index(*row));
    } else {
        m_view->setCurrentIndex({});
        m_view->clearSelection();
    }
    m_selecting = false;
}

void PathPanel::focusFilter() {
    m_filter->setFocus(Qt::ShortcutFocusReason);
    m_filter->selectAll();
}

void PathPanel::showCount() {
    const int rows = m_model->rowCount();
    const std::size_t hidden = m_model->hidden();
    QString words = rows == 1 ? tr("1 path") : tr("%1 paths").arg(rows);
    if (hidden > 0) words += tr(", %1 not shown").arg(hidden);
    m_count->setText(words);
    m_empty->setVisible(rows == 0);
    m_empty->setText(hidden > 0 ? tr("No path fits the filter.")
                                : tr("No connection has been seen yet. Paths appear here with their first packet."));
}

} // namespace natlens::gui
