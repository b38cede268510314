// Runs the natlens program as a user would, for tests that need the real lab.
#pragma once

#include <QByteArray>
#include <QFile>
#include <QProcess>
#include <QProcessEnvironment>
#include <QString>
#include <QStringList>
#include <QtTest>
#include <nlohmann/json.hpp>

namespace natlens::test {

struct Run {
    int status = -1;         ///< exit status, -1 when it crashed or hung
    QByteArray out, err;

    [[nodiscard]] std::vector<nlohmann::json> paths() const {
        std::vector<nlohmann::json> result;
        for (const auto &line : out.split('\n'))
            if (!line.trimmed().isEmpty()) result.push_back(nlohmann::json::parse(line.toStdString()));
        return result;
    }
    [[nodiscard]] std::vector<nlohmann::json> pathsOfKind(const std::string &kind) const {
        std::vector<nlohmann::json> result;
        for (auto &path : paths())
            if (path["kind"] == kind) result.push_back(path);
        return result;
    }
    /// For QVERIFY2 messages.
    [[nodiscard]] QByteArray said() const { return "status " + QByteArray::number(status) + "\n" + err + out; }
};

inline QString program(const char *name = "natlens") { return QString(NATLENS_PROGRAM_DIR "/") + name; }

inline Run run(const QStringList &arguments, const QString &what = program(), int timeoutMs = 60'000) {
    QProcess process;
    process.start(what, arguments);
    process.closeWriteChannel();
    Run result;
    if (!process.waitForFinished(timeoutMs)) {
        process.kill();
        process.waitForFinished();
        result.err = "did not end in time; ";
    } else if (process.exitStatus() == QProcess::NormalExit) {
        result.status = process.exitCode();
    }
    result.out = process.readAllStandardOutput();
    result.err += process.readAllStandardError();
    return result;
}

/// Whether this machine can run the lab; with NATLENS_REQUIRE_LAB=1 a machine that cannot is a failure.
inline bool labIsAvailable() {
    static const Run probe = run({"lab", "run", "nodeport", "--quiet"});
    return probe.status != 3 || qEnvironmentVariableIntValue("NATLENS_REQUIRE_LAB") == 1;
}

/// What the document prints, as carried in tests/data.
inline QByteArray documentPicture(const char *name) {
    QFile file(QString(NATLENS_TEST_DATA "/diagrams/") + name);
    return file.open(QIODevice::ReadOnly) ? file.readAll() : QByteArray("(no such picture)");
}

} // namespace natlens::test

#define NATLENS_NEEDS_LAB()                                                                                            \
    if (!natlens::test::labIsAvailable()) QSKIP("no namespaces for ordinary users here (NATLENS_REQUIRE_LAB=1 makes this a failure)")
