#include "app/gui/start_page.h"

#include "app/gui/words.h"

#include <QHBoxLayout>
#include <QLabel>
#include <QListWidget>
#include <QPushButton>
#include <QVBoxLayout>

namespace natlens::gui {

namespace {

/// A column of comfortable reading width in the middle of `page`.
QVBoxLayout *middleColumn(QWidget *page, int width) {
    auto *outer = new QHBoxLayout(page);
    auto *column = new QWidget(page);
    column->setMaximumWidth(width);
    outer->addStretch(1);
    outer->addWidget(column, 8);
    outer->addStretch(1);
    auto *layout = new QVBoxLayout(column);
    layout->setContentsMargins(24, 48, 24, 48);
    layout->setSpacing(12);
    return layout;
}

QLabel *heading(const QString &words, QWidget *parent) {
    auto *label = new QLabel(words, parent);
    QFont font = resized(label->font(), 8);
    font.setBold(true);
    label->setFont(font);
    label->setWordWrap(true);
    return label;
}

} // namespace

StartPage::StartPage(const std::vector<session::ScenarioInfo> &scenarios, QWidget *parent)
    : QWidget(parent)
    , m_list(new QListWidget(this)) {
    QVBoxLayout *layout = middleColumn(this, 720);
    layout->addWidget(heading(tr("What happens to the addresses?"), this));
    auto *intro = new QLabel(tr("Choose a scenario to build a small cluster on this machine and watch its packets, or "
                                "open recorded captures. "
                                "The lab needs no root and leaves nothing behind."),
                             this);
    intro->setWordWrap(true);
    layout->addWidget(intro);
    layout->addSpacing(8);

    auto *label = new QLabel(tr("&Scenarios"), this);
    QFont bold = label->font();
    bold.setBold(true);
    label->setFont(bold);
    label->setBuddy(m_list);
    layout->addWidget(label);
    m_list->setAccessibleName(tr("Scenarios"));
    m_list->setAlternatingRowColors(true);
    m_list->setWordWrap(true);
    m_list->setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    m_list->setStyleSheet("QListWidget::item { padding: 7px; }");
    for (const session::ScenarioInfo &scenario : scenarios) {
        auto *item = new QListWidgetItem(text(scenario.name) + "\n" + text(scenario.summary), m_list);
        item->setData(Qt::UserRole, text(scenario.name));
    }
    if (m_list->count() > 0) m_list->setCurrentRow(0);
    layout->addWidget(m_list, 1);

    auto *buttons = new QHBoxLayout;
    auto *build = new QPushButton(tr("&Build this lab"), this);
    build->setDefault(true);
    build->setEnabled(m_list->count() > 0);
    auto *open = new QPushButton(tr("&Open recording…"), this);
    buttons->addWidget(build);
    buttons->addWidget(open);
    buttons->addStretch(1);
    layout->addLayout(buttons);

    connect(m_list, &QListWidget::itemActivated, this, &StartPage::chooseCurrent);
    connect(build, &QPushButton::clicked, this, &StartPage::chooseCurrent);
    connect(open, &QPushButton::clicked, this, &StartPage::openFileWanted);
    setFocusProxy(m_list);
}

void StartPage::chooseCurrent() {
    if (const QListWidgetItem *item = m_list->currentItem()) Q_EMIT scenarioChosen(item->data(Qt::UserRole).toString());
}

NoticePage::NoticePage(QWidget *parent)
    : QWidget(parent)
    , m_heading(heading({}, this))
    , m_sentence(new QLabel(this))
    , m_retry(new QPushButton(tr("&Try again"), this))
    , m_simulated(new QPushButton(tr("Use the &simulated lab"), this))
    , m_back(new QPushButton(tr("&Back to the start page"), this)) {
    QVBoxLayout *layout = middleColumn(this, 720);
    layout->addStretch(1);
    layout->addWidget(m_heading);
    m_sentence->setWordWrap(true);
    m_sentence->setTextInteractionFlags(Qt::TextSelectableByMouse | Qt::TextSelectableByKeyboard);
    layout->addWidget(m_sentence);
    auto *buttons = new QHBoxLayout;
    buttons->addWidget(m_simulated);
    buttons->addWidget(m_retry);
    buttons->addWidget(m_back);
    buttons->addStretch(1);
    layout->addLayout(buttons);
    layout->addStretch(2);
    m_simulated->setToolTip(tr("The same hosts, addresses and packets in virtual time; it needs no privileges"));
    connect(m_retry, &QPushButton::clicked, this, &NoticePage::retryWanted);
    connect(m_simulated, &QPushButton::clicked, this, &NoticePage::simulatedWanted);
    connect(m_back, &QPushButton::clicked, this, &NoticePage::backWanted);
}

void NoticePage::showBusy(const QString &words, const QString &sentence) {
    m_heading->setText(words);
    m_sentence->setText(sentence);
    m_retry->hide();
    m_simulated->hide();
    m_back->setText(tr("&Cancel"));
}

void NoticePage::showFailure(const QString &words, const QString &sentence, bool offerSimulated) {
    m_heading->setText(words);
    m_sentence->setText(sentence);
    m_retry->show();
    m_simulated->setVisible(offerSimulated);
    m_back->setText(tr("&Back to the start page"));
}

QString NoticePage::sentence() const {
    return m_sentence->text();
}

} // namespace natlens::gui
