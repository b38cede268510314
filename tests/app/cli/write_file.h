// Files that the tests of this folder make.
#pragma once

#include <QByteArray>
#include <QFile>
#include <QString>

namespace natlens::test {

inline bool write(const QString &path, const QByteArray &text) {
    QFile file(path);
    return file.open(QIODevice::WriteOnly) && file.write(text) == text.size();
}

} // namespace natlens::test
