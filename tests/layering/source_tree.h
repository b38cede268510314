// The source files of natlens and what they include: the ground of the layering and style tests.
#pragma once

#include <QtCore/QDirIterator>
#include <QtCore/QFile>
#include <QtCore/QRegularExpression>
#include <QtCore/QString>
#include <QtCore/QStringList>

namespace natlens::layering {

struct Include {
    QString file; ///< from the project's root: "app/gui/window.cpp"
    int line = 0;
    QString header;      ///< as written, without quotes or brackets
    bool system = false; ///< <...>

    [[nodiscard]] QString place() const { return QStringLiteral("%1:%2").arg(file).arg(line); }
};

/// "tracer/path/path.h" -> "tracer/path"; "app/natlens_main.cpp" -> "app".
inline QString folderOf(const QString &file) {
    return file.left(std::max<qsizetype>(0, file.lastIndexOf(QLatin1Char('/'))));
}

inline QByteArray contentOf(const QString &root, const QString &file) {
    QFile opened(root + QLatin1Char('/') + file);
    return opened.open(QIODevice::ReadOnly) ? opened.readAll() : QByteArray();
}

/// Files below `folder` that match, from the project's root, sorted. Build folders and dot folders are left out.
inline QStringList filesBelow(const QString &root, const QString &folder, const QStringList &patterns) {
    QStringList files;
    QDirIterator entries(folder.isEmpty() ? root : root + QLatin1Char('/') + folder, patterns,
                         QDir::Files | QDir::Hidden | QDir::NoSymLinks, QDirIterator::Subdirectories);
    const QRegularExpression skipped(QStringLiteral("^(build[^/]*/|\\.git(/|$)|\\.cache/)"));
    while (entries.hasNext()) {
        const QString file = entries.next().mid(root.size() + 1);
        if (!skipped.match(file).hasMatch()) files.append(file);
    }
    files.sort();
    return files;
}

inline QList<Include> includesOf(const QString &file, const QByteArray &content) {
    static const QRegularExpression directive(QStringLiteral("^\\s*#\\s*include\\s*(?:\"([^\"]+)\"|<([^>]+)>)"));
    QList<Include> includes;
    const QStringList lines = QString::fromUtf8(content).split(QLatin1Char('\n'));
    for (int i = 0; i < lines.size(); ++i) {
        const auto match = directive.match(lines[i]);
        if (!match.hasMatch()) continue;
        const bool system = !match.captured(2).isEmpty();
        includes.append({file, i + 1, system ? match.captured(2) : match.captured(1), system});
    }
    return includes;
}

} // namespace natlens::layering
