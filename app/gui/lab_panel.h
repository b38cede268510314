// What one may do to a running lab: send a request, flip a policy, move and scale the endpoint, play the steps again.
#pragma once

#include "app/session/session.h"

#include <QWidget>

#include <vector>

class QButtonGroup;
class QComboBox;
class QGroupBox;
class QLabel;
class QPlainTextEdit;
class QPushButton;
class QSpinBox;
class QVBoxLayout;

namespace natlens::gui {

/// Shows a LabStatus and emits what a person asks for; it changes nothing by itself, the next status tells what became
/// of it. A choice that a person is making is not disturbed by a status. Lives on the GUI thread.
class LabPanel final : public QWidget {
    Q_OBJECT
public:
    explicit LabPanel(QWidget *parent = nullptr);
    void setStatus(const session::LabStatus &lab);
    /// Sends what is chosen, as the button does.
    void send();

Q_SIGNALS:
    void requestWanted(const QString &from, const QString &url);
    void policyWanted(const QString &service, const QString &policy);
    void moveWanted(const QString &pod, const QString &node);
    void scaleWanted(unsigned replicas);
    void playWanted();

private:
    struct ServiceRow {
        QString name;
        QLabel *label = nullptr;
        QPushButton *cluster = nullptr, *local = nullptr;
    };
    void buildRequests(QVBoxLayout *layout);
    void buildServices(QVBoxLayout *layout);
    void buildEndpoints(QVBoxLayout *layout);
    void showServices(const std::vector<session::ServiceControl> &services);
    void showPods(const session::LabStatus &lab);
    void showAnswer(const session::LabStatus &lab);

    QComboBox *m_from, *m_to;
    QPushButton *m_send, *m_play, *m_move;
    QLabel *m_answer, *m_rotation, *m_enter;
    QGroupBox *m_serviceBox, *m_endpointBox;
    QVBoxLayout *m_serviceLayout;
    std::vector<ServiceRow> m_services;
    QComboBox *m_pod, *m_node;
    QSpinBox *m_replicas;
    QPlainTextEdit *m_log;
    std::size_t m_logLines = 0;
    unsigned m_shownReplicas = 0;
};

} // namespace natlens::gui
