// A lab that stays up while a test asks it.
#pragma once

#include "lab/natlens_run.h"

#include <QTemporaryDir>

namespace natlens::test {

/// The arguments of natlens that run a command inside `host` of the lab that a process began, whatever other labs there
/// are.
inline QStringList insideLab(const QProcess &lab, const QString &host, const QStringList &command) {
    return QStringList{"lab", "exec", "--lab", QString::number(lab.processId()), host, "--"} + command;
}

/// `natlens lab up` for as long as this lives.
class RunningLab final {
public:
    explicit RunningLab(const QStringList &options, int patienceMs = 20'000, const QString &scenario = "nodeport") {
        const QString ready = m_folder.filePath("ready");
        m_lab.setProcessChannelMode(QProcess::MergedChannels);
        m_lab.start(program(), QStringList{"lab", "up", scenario, "--quiet", "--ready-file", ready} + options);
        m_ready = QTest::qWaitFor([&] { return QFile::exists(ready) || m_lab.state() == QProcess::NotRunning; },
                                  patienceMs) &&
                  QFile::exists(ready);
    }
    ~RunningLab() {
        m_lab.terminate();
        if (!m_lab.waitForFinished(20'000)) m_lab.kill();
    }
    [[nodiscard]] bool ready() const { return m_ready; }
    [[nodiscard]] QByteArray said() { return m_lab.readAll(); }
    [[nodiscard]] QStringList inside(const QString &host, const QStringList &command) const {
        return insideLab(m_lab, host, command);
    }
    /// What a shell inside `host` prints.
    [[nodiscard]] QByteArray shell(const QString &host, const QString &script) const {
        return run(inside(host, {"bash", "-c", script})).out;
    }

private:
    QTemporaryDir m_folder;
    QProcess m_lab;
    bool m_ready = false;
};

/// A shell's words for one HTTP request, that print the address that the server sees.
inline QString http(const QString &ip, int port) {
    return QString("exec 3<>/dev/tcp/%1/%2 && printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&3 && timeout 2 grep -m1 "
                   "client_address <&3")
        .arg(ip)
        .arg(port);
}

} // namespace natlens::test
