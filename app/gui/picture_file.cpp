#include "app/gui/picture_file.h"

#include "app/gui/diagram_painter.h"
#include "tracer/diagram/diagram.h"

#include <QImageWriter>
#include <QSaveFile>

namespace natlens::gui {

base::Status savePicture(const diagram::DisplayList &list, const Theme &theme, const QString &file) {
    const std::string subject = file.toStdString();
    if (file.endsWith(".svg", Qt::CaseInsensitive)) {
        QSaveFile out(file);
        const std::string svg = diagram::renderSvg(list, theme.name().toStdString());
        if (!out.open(QIODevice::WriteOnly) || out.write(svg.data(), static_cast<qint64>(svg.size())) < 0 ||
            !out.commit())
            return base::fail(base::ErrorCode::io, out.errorString().toStdString(), "write", subject);
        return {};
    }
    if (file.endsWith(".png", Qt::CaseInsensitive)) {
        QImageWriter out(file, "png");
        if (!out.write(renderImage(list, theme, 2)))
            return base::fail(base::ErrorCode::io, out.errorString().toStdString(), "write", subject);
        return {};
    }
    return base::fail(base::ErrorCode::invalidInput, "the name must end in .svg or .png", "write", subject);
}

} // namespace natlens::gui
