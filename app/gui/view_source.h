// What the window needs of a source: views out, commands in. Real: SessionSource. Tests: a hand-made one.
#pragma once

#include "app/session/session.h"

#include <QString>

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>

namespace natlens::gui {

/// A source that may still be on its way. Every function returns at once: nothing here ever waits for a session.
class ViewSource {
public:
    virtual ~ViewSource() = default;

    /// "lab: nodeport", "recording: node1.pcapng".
    [[nodiscard]] virtual QString title() const = 0;
    [[nodiscard]] virtual bool isLab() const = 0;
    /// The newest state; null while the source is being opened and after it failed to open.
    [[nodiscard]] virtual std::shared_ptr<const session::View> view() const = 0;
    /// Why the source could not be opened.
    [[nodiscard]] virtual std::optional<base::Error> failure() const = 0;

    virtual void sendRequest(const std::string &fromHost, const std::string &url) = 0;
    virtual void setExternalTrafficPolicy(const std::string &service, const std::string &policy) = 0;
    virtual void movePod(const std::string &pod, const std::string &node) = 0;
    virtual void scale(unsigned replicas) = 0;
    virtual void playSteps() = 0;
    /// `done` is called on any thread when the file is there or could not be written.
    virtual void saveRecording(const std::filesystem::path &path, std::function<void(base::Status)> done) = 0;
};

/// What to open.
struct SourceRequest {
    std::variant<session::LabSource, session::FileSource> what;
    session::Options options;
};

/// Starts to open a source and returns at once.
using OpenSource = std::function<std::unique_ptr<ViewSource>(const SourceRequest &)>;

} // namespace natlens::gui
