#include "app/gui/details_panel.h"

#include "app/gui/details_text.h"
#include "app/gui/hop_delegate.h"
#include "app/gui/hop_model.h"
#include "app/gui/words.h"

#include <QHeaderView>
#include <QLabel>
#include <QScrollBar>
#include <QSplitter>
#include <QTableView>
#include <QTextBrowser>
#include <QVBoxLayout>

namespace natlens::gui {

namespace {
const char *const kNothingSelected = QT_TR_NOOP("Select a path in the list or in the picture to see it hop by hop.");
}

DetailsPanel::DetailsPanel(QWidget *parent)
    : QWidget(parent)
    , m_hops(new HopModel(this))
    , m_delegate(new HopDelegate(this))
    , m_headline(new QLabel(this))
    , m_table(new QTableView(this))
    , m_remarks(new QTextBrowser(this)) {
    m_headline->setText(tr(kNothingSelected));
    m_headline->setTextInteractionFlags(Qt::TextSelectableByMouse);
    m_headline->setAccessibleName(tr("Selected path"));

    m_table->setModel(m_hops);
    m_table->setItemDelegate(m_delegate);
    m_table->setAccessibleName(tr("Hops of the selected path"));
    m_table->setSelectionBehavior(QAbstractItemView::SelectRows);
    m_table->setSelectionMode(QAbstractItemView::SingleSelection);
    m_table->setShowGrid(false);
    m_table->setFrameShape(QFrame::NoFrame);
    m_table->setWordWrap(false);
    m_table->setTabKeyNavigation(false); // Tab leaves the table
    m_table->setHorizontalScrollMode(QAbstractItemView::ScrollPerPixel);
    m_table->verticalHeader()->setSectionResizeMode(QHeaderView::ResizeToContents);
    m_table->verticalHeader()->setDefaultAlignment(Qt::AlignCenter);
    m_table->horizontalHeader()->setDefaultAlignment(Qt::AlignLeft | Qt::AlignVCenter);
    m_table->horizontalHeader()->setHighlightSections(false);
    m_table->horizontalHeader()->setSectionResizeMode(QHeaderView::Interactive);
    m_table->horizontalHeader()->setStretchLastSection(true);
    m_table->horizontalHeader()->setResizeContentsPrecision(-1); // all hops, also those scrolled out of sight

    m_remarks->setFrameShape(QFrame::NoFrame);
    m_remarks->setOpenLinks(false);
    m_remarks->document()->setDocumentMargin(10);
    m_remarks->setAccessibleName(tr("Findings and comparison"));
    m_remarks->setPlaceholderText(tr("Findings, the HTTP exchange, and what the document expects appear here."));

    auto *splitter = new QSplitter(Qt::Horizontal, this);
    splitter->addWidget(m_table);
    splitter->addWidget(m_remarks);
    splitter->setStretchFactor(0, 3);
    splitter->setStretchFactor(1, 1);
    splitter->setSizes({720, 320});
    splitter->setChildrenCollapsible(false);

    auto *layout = new QVBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(0);
    m_headline->setContentsMargins(12, 7, 12, 7);
    QFont bold = m_headline->font();
    bold.setBold(true);
    m_headline->setFont(bold);
    layout->addWidget(m_headline);
    layout->addWidget(splitter, 1);
}

void DetailsPanel::setPath(std::shared_ptr<const tracer::Path> path) {
    const bool other = (m_hops->path() == nullptr) != (path == nullptr) || (path && m_hops->path()->id != path->id);
    m_headline->setText(path ? headlineText(*path) : tr(kNothingSelected));
    m_hops->setPath(std::move(path));
    if (other) {
        m_table->resizeColumnsToContents();
        m_table->scrollToTop();
    }
    m_pathHtml = pathHtml(m_hops->path(), m_theme);
    showRemarks();
}

void DetailsPanel::setLab(const session::LabStatus &lab) {
    m_comparisons = comparisonsHtml(lab, m_theme);
    showRemarks();
}

void DetailsPanel::showRemarks() {
    const QString html = m_pathHtml + m_comparisons;
    if (m_remarks->property("shown").toString() == html) return;
    const int at = m_remarks->verticalScrollBar()->value();
    m_remarks->setProperty("shown", html);
    m_remarks->setHtml(html);
    m_remarks->verticalScrollBar()->setValue(at);
}

QString DetailsPanel::remarks() const {
    return m_remarks->toPlainText();
}

void DetailsPanel::setTheme(const Theme &theme) {
    m_theme = theme;
    m_delegate->setTheme(theme);
    m_pathHtml = pathHtml(m_hops->path(), m_theme);
    showRemarks();
    m_table->viewport()->update();
}

void DetailsPanel::selectHop(int hop) {
    if (hop >= 0 && hop < m_hops->rowCount()) m_table->selectRow(hop);
}

void DetailsPanel::selectHost(const std::string &host) {
    selectHop(m_hops->rowOfHost(host));
}

} // namespace natlens::gui
