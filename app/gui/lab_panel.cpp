#include "app/gui/lab_panel.h"

#include "app/gui/words.h"

#include <QButtonGroup>
#include <QComboBox>
#include <QFormLayout>
#include <QGroupBox>
#include <QHBoxLayout>
#include <QLabel>
#include <QLineEdit>
#include <QPlainTextEdit>
#include <QPushButton>
#include <QSignalBlocker>
#include <QSpinBox>
#include <QVBoxLayout>

namespace natlens::gui {

namespace {

/// New choices only when they differ, keeping the chosen one if it is still there.
void setChoices(QComboBox *box, const std::vector<std::string> &choices) {
    QStringList wanted;
    for (const std::string &choice : choices)
        wanted << text(choice);
    QStringList present;
    for (int i = 0; i < box->count(); ++i)
        present << box->itemText(i);
    if (wanted == present) return;
    const QSignalBlocker quiet(box);
    const QString chosen = box->currentText();
    const bool typed = box->isEditable() && !chosen.isEmpty() && !present.contains(chosen);
    box->clear();
    box->addItems(wanted);
    if (const int at = box->findText(chosen); at >= 0)
        box->setCurrentIndex(at);
    else if (typed)
        box->setEditText(chosen);
    if (box->lineEdit() != nullptr) box->lineEdit()->setCursorPosition(0); // the address matters, not its end
}

QString answerText(const session::ClientAnswer &answer) {
    QString words = text(answer.from) + " → " + text(answer.to) + "\n";
    if (answer.status == 0) return words + (answer.error.empty() ? "no answer" : text(answer.error));
    words += QString::number(answer.status);
    if (!answer.clientAddress.empty()) words += ", client_address=" + text(answer.clientAddress);
    return words;
}

QComboBox *comboBox(QWidget *parent, const QString &name) {
    auto *box = new QComboBox(parent);
    box->setAccessibleName(name);
    box->setSizeAdjustPolicy(QComboBox::AdjustToMinimumContentsLengthWithIcon);
    box->setMinimumContentsLength(10);
    box->setSizePolicy(QSizePolicy::Expanding, QSizePolicy::Fixed);
    return box;
}

} // namespace

LabPanel::LabPanel(QWidget *parent)
    : QWidget(parent) {
    setAccessibleName(tr("Lab"));
    auto *layout = new QVBoxLayout(this);
    layout->setContentsMargins(10, 10, 10, 10);
    layout->setSpacing(10);
    buildRequests(layout);
    buildServices(layout);
    buildEndpoints(layout);

    m_play = new QPushButton(tr("&Play the steps again"), this);
    m_play->setToolTip(tr("Plays the scenario's own requests once more"));
    connect(m_play, &QPushButton::clicked, this, &LabPanel::playWanted);
    layout->addWidget(m_play);

    m_log = new QPlainTextEdit(this);
    m_log->setReadOnly(true);
    m_log->setAccessibleName(tr("What the lab did"));
    m_log->setPlaceholderText(tr("What the lab does is written here."));
    m_log->setMaximumBlockCount(1000);
    m_log->setFrameShape(QFrame::NoFrame);
    m_log->setFont(resized(m_log->font(), -1));
    m_log->setTabChangesFocus(true);
    layout->addWidget(m_log, 1);

    m_enter = new QLabel(this);
    m_enter->setTextInteractionFlags(Qt::TextSelectableByMouse | Qt::TextSelectableByKeyboard);
    m_enter->setWordWrap(true);
    m_enter->setFont(resized(addressFont(), -1.5));
    m_enter->setAccessibleName(tr("How to enter the lab"));
    layout->addWidget(m_enter);
}

void LabPanel::buildRequests(QVBoxLayout *layout) {
    auto *box = new QGroupBox(tr("Send a request"), this);
    auto *form = new QFormLayout(box);
    m_from = comboBox(box, tr("Client that sends the request"));
    m_to = comboBox(box, tr("Address that the request goes to"));
    m_to->setEditable(true);
    m_to->setInsertPolicy(QComboBox::NoInsert);
    form->addRow(tr("&From"), m_from);
    form->addRow(tr("&URL"), m_to);
    m_send = new QPushButton(tr("&Send"), box);
    m_send->setToolTip(tr("Ctrl+Enter"));
    connect(m_send, &QPushButton::clicked, this, &LabPanel::send);
    form->addRow(m_send);
    m_answer = new QLabel(tr("No answer yet."), box);
    m_answer->setWordWrap(true);
    m_answer->setTextInteractionFlags(Qt::TextSelectableByMouse);
    m_answer->setFont(resized(m_answer->font(), -1));
    m_answer->setAccessibleName(tr("Newest answer"));
    form->addRow(m_answer);
    layout->addWidget(box);
}

void LabPanel::buildServices(QVBoxLayout *layout) {
    m_serviceBox = new QGroupBox(tr("External traffic policy"), this);
    m_serviceLayout = new QVBoxLayout(m_serviceBox);
    m_rotation = new QLabel(m_serviceBox);
    m_rotation->setWordWrap(true);
    m_rotation->setFont(resized(m_rotation->font(), -1));
    m_rotation->hide();
    m_serviceLayout->addWidget(m_rotation);
    layout->addWidget(m_serviceBox);
}

void LabPanel::buildEndpoints(QVBoxLayout *layout) {
    m_endpointBox = new QGroupBox(tr("Endpoints"), this);
    auto *form = new QFormLayout(m_endpointBox);
    m_replicas = new QSpinBox(m_endpointBox);
    m_replicas->setRange(0, 6);
    m_replicas->setKeyboardTracking(false);
    m_replicas->setAccessibleName(tr("Number of endpoints"));
    connect(m_replicas, &QSpinBox::valueChanged, this,
            [this](int value) { Q_EMIT scaleWanted(static_cast<unsigned>(value)); });
    form->addRow(tr("&Number"), m_replicas);
    m_pod = comboBox(m_endpointBox, tr("Pod to move"));
    m_node = comboBox(m_endpointBox, tr("Node to move the pod to"));
    form->addRow(tr("P&od"), m_pod);
    form->addRow(tr("No&de"), m_node);
    m_move = new QPushButton(tr("&Move"), m_endpointBox);
    connect(m_move, &QPushButton::clicked, this,
            [this] { Q_EMIT moveWanted(m_pod->currentData().toString(), m_node->currentText()); });
    form->addRow(m_move);
    layout->addWidget(m_endpointBox);
}

void LabPanel::send() {
    if (m_send->isEnabled()) Q_EMIT requestWanted(m_from->currentText(), m_to->currentText().trimmed());
}

void LabPanel::showServices(const std::vector<session::ServiceControl> &services) {
    const auto same = [&] {
        if (services.size() != m_services.size()) return false;
        for (std::size_t i = 0; i < services.size(); ++i)
            if (text(services[i].name) != m_services[i].name) return false;
        return true;
    };
    if (!same()) {
        for (const ServiceRow &row : m_services)
            row.label->parentWidget()->deleteLater();
        m_services.clear();
        for (const session::ServiceControl &service : services) {
            ServiceRow row;
            row.name = text(service.name);
            auto *line = new QWidget(m_serviceBox);
            auto *column = new QVBoxLayout(line);
            column->setContentsMargins(0, 0, 0, 0);
            column->setSpacing(4);
            row.label = new QLabel(line);
            column->addWidget(row.label);
            auto *buttons = new QHBoxLayout;
            buttons->setSpacing(0);
            auto *group = new QButtonGroup(line);
            for (QPushButton **button : {&row.cluster, &row.local}) {
                const QString policy = button == &row.cluster ? QStringLiteral("Cluster") : QStringLiteral("Local");
                *button = new QPushButton(policy, line);
                (*button)->setCheckable(true);
                (*button)->setAccessibleName(tr("%1: external traffic policy %2").arg(row.name, policy));
                group->addButton(*button);
                buttons->addWidget(*button);
                connect(*button, &QPushButton::clicked, this,
                        [this, name = row.name, policy] { Q_EMIT policyWanted(name, policy); });
            }
            row.cluster->setToolTip(tr("Any node answers; the endpoint sees a node's address"));
            row.local->setToolTip(tr("Only nodes with an endpoint answer; the endpoint sees the client's address"));
            column->addLayout(buttons);
            m_serviceLayout->insertWidget(static_cast<int>(m_services.size()), line);
            m_services.push_back(row);
        }
    }
    for (std::size_t i = 0; i < services.size(); ++i) {
        const bool local = services[i].externalTrafficPolicy == "Local";
        const bool known = !services[i].externalTrafficPolicy.empty();
        m_services[i].cluster->setChecked(known && !local);
        m_services[i].local->setChecked(local);
        m_services[i].cluster->setText(known && !local ? "✓ Cluster" : "Cluster"); // seen in every theme
        m_services[i].local->setText(local ? "✓ Local" : "Local");
        m_services[i].cluster->setEnabled(known);
        m_services[i].local->setEnabled(known);
        m_services[i].label->setText(m_services[i].name + (known ? "" : tr(" (cluster IP: no external traffic)")));
        m_services[i].label->setWordWrap(true);
    }
    m_serviceBox->setVisible(!services.empty());
}

void LabPanel::showPods(const session::LabStatus &lab) {
    const QString chosen = m_pod->currentData().toString();
    const QSignalBlocker quiet(m_pod);
    QStringList wanted;
    for (const session::PodControl &pod : lab.pods)
        if (!pod.client) wanted << text(pod.name) + tr(" on ") + text(pod.node);
    QStringList present;
    for (int i = 0; i < m_pod->count(); ++i)
        present << m_pod->itemText(i);
    if (wanted != present) {
        m_pod->clear();
        for (const session::PodControl &pod : lab.pods)
            if (!pod.client) m_pod->addItem(text(pod.name) + tr(" on ") + text(pod.node), text(pod.name));
        if (const int at = m_pod->findData(chosen); at >= 0) m_pod->setCurrentIndex(at);
    }
    setChoices(m_node, lab.nodes);
    m_move->setEnabled(lab.running && m_pod->count() > 0 && m_node->count() > 0);

    unsigned replicas = 0;
    for (const session::PodControl &pod : lab.pods)
        replicas += pod.client ? 0U : 1U;
    if (replicas != m_shownReplicas) { // a repetition must not undo a number that was just chosen
        const QSignalBlocker silent(m_replicas);
        m_replicas->setValue(static_cast<int>(replicas));
        m_shownReplicas = replicas;
    }
}

void LabPanel::showAnswer(const session::LabStatus &lab) {
    m_answer->setText(lab.answers.empty() ? tr("No answer yet.") : answerText(lab.answers.back()));
}

void LabPanel::setStatus(const session::LabStatus &lab) {
    setChoices(m_from, lab.clients);
    setChoices(m_to, lab.targets);
    m_send->setEnabled(lab.running && m_from->count() > 0);
    m_play->setEnabled(lab.running && lab.stepsDone);
    m_endpointBox->setEnabled(lab.running);
    m_serviceBox->setEnabled(lab.running);
    showServices(lab.services);
    showPods(lab);
    showAnswer(lab);

    QStringList rotation;
    for (const std::string &node : lab.inRotation)
        rotation << text(node);
    m_rotation->setVisible(!lab.inRotation.empty());
    m_rotation->setText(tr("The load balancer uses ") + rotation.join(", ") + ".");
    m_enter->setText(text(lab.enterHint));
    m_enter->setVisible(!lab.enterHint.empty());

    if (lab.log.size() < m_logLines) { // another lab
        m_log->clear();
        m_logLines = 0;
    }
    for (; m_logLines < lab.log.size(); ++m_logLines)
        m_log->appendPlainText(text(lab.log[m_logLines]));
}

} // namespace natlens::gui
