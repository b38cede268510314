// JSON in the tests of this folder.
#pragma once

#include <QByteArray>

namespace natlens::test {

/// JSON with ' for ": moc 6.4 cannot read past raw strings.
inline QByteArray json(const char *text) {
    return QByteArray(text).replace('\'', '"');
}

} // namespace natlens::test
