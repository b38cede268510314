#include "app/session/session.h"

#include "app/session/lab_messages.h"
#include "app/session/runner.h"

namespace natlens::session {

class Session::Impl {
public:
    Publisher publisher;
    std::unique_ptr<Runner> runner; // declared after the publisher: dies first
};

Session::Session(std::unique_ptr<Impl> impl)
    : m_impl(std::move(impl)) {}
Session::~Session() = default;

base::Result<std::unique_ptr<Session>> Session::open(const LabSource &source, const Options &options) {
    auto impl = std::make_unique<Impl>();
    auto runner = startLab(source, options, impl->publisher);
    if (!runner) return std::unexpected(runner.error());
    impl->runner = std::move(*runner);
    return std::unique_ptr<Session>(new Session(std::move(impl)));
}

base::Result<std::unique_ptr<Session>> Session::open(const FileSource &source, const Options &options) {
    auto impl = std::make_unique<Impl>();
    auto runner = startFiles(source, options, impl->publisher);
    if (!runner) return std::unexpected(runner.error());
    impl->runner = std::move(*runner);
    return std::unique_ptr<Session>(new Session(std::move(impl)));
}

std::shared_ptr<const View> Session::view() const {
    return m_impl->publisher.view();
}

std::shared_ptr<const View> Session::waitForChange(std::uint64_t version, std::chrono::milliseconds atMost) const {
    return m_impl->publisher.waitForChange(version, atMost);
}

void Session::sendRequest(const std::string &fromHost, const std::string &url) {
    m_impl->runner->command(requestCommand(fromHost, url));
}
void Session::setExternalTrafficPolicy(const std::string &service, const std::string &policy) {
    m_impl->runner->command(setPolicyCommand(service, policy));
}
void Session::movePod(const std::string &pod, const std::string &node) {
    m_impl->runner->command(movePodCommand(pod, node));
}
void Session::scale(unsigned replicas) {
    m_impl->runner->command(scaleCommand(replicas));
}
void Session::playSteps() {
    m_impl->runner->command(playCommand());
}
void Session::stop() {
    m_impl->runner->stop();
}

base::Status Session::saveRecording(const std::filesystem::path &path) const {
    return m_impl->runner->saveRecording(path);
}

} // namespace natlens::session
