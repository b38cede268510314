// What stands behind a Session: one thread that reads a source, and the place where it publishes views.
#pragma once

#include "app/session/session.h"

#include <condition_variable>
#include <mutex>

namespace natlens::session {

/// Where the newest view lies. publish() is called by the runner's thread, the rest by any thread; nobody waits for
/// anybody longer than a pointer takes to be swapped.
class Publisher final {
public:
    Publisher();

    /// Stores a copy of `view` under the next version number.
    void publish(View view);
    [[nodiscard]] std::shared_ptr<const View> view() const;
    [[nodiscard]] std::shared_ptr<const View> waitForChange(std::uint64_t version,
                                                            std::chrono::milliseconds atMost) const;

private:
    mutable std::mutex m_mutex;
    mutable std::condition_variable m_changed;
    std::shared_ptr<const View> m_view;
};

/// A source being read. All functions may be called from any thread and return at once.
class Runner {
public:
    virtual ~Runner() = default; ///< ends the source and waits for its thread

    /// One line of the lab protocol, without newline. Sources that are no lab ignore it.
    virtual void command(std::string line) = 0;
    virtual void stop() = 0;
    [[nodiscard]] virtual base::Status saveRecording(const std::filesystem::path &path) const = 0;
};

/// Starts reading. The publisher must outlive the runner.
[[nodiscard]] base::Result<std::unique_ptr<Runner>> startLab(const LabSource &source, const Options &options,
                                                             Publisher &publisher);
[[nodiscard]] base::Result<std::unique_ptr<Runner>> startFiles(const FileSource &source, const Options &options,
                                                               Publisher &publisher);

/// At most this often a running source publishes a view.
inline constexpr std::chrono::milliseconds kPublishInterval{10};

} // namespace natlens::session
