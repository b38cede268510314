#include "app/gui/session_source.h"

#include "app/gui/words.h"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace natlens::gui {

namespace {

using session::Session;

base::Result<std::unique_ptr<Session>> open(const SourceRequest &request) {
    return std::visit([&](const auto &what) { return Session::open(what, request.options); }, request.what);
}

QString titleOf(const SourceRequest &request) {
    if (const auto *lab = std::get_if<session::LabSource>(&request.what)) return "lab: " + text(lab->scenario);
    const auto &files = std::get<session::FileSource>(request.what).files;
    if (files.empty()) return QStringLiteral("recording");
    QString name = "recording: " + text(files.front().filename().string());
    if (files.size() > 1) name += QString(" and %1 more").arg(files.size() - 1);
    return name;
}

/// Shared by the source (GUI thread) and its worker. `session` is written by the worker only.
struct Shared {
    std::mutex mutex;
    std::condition_variable wake;
    std::deque<std::function<void(Session &)>> tasks;
    std::shared_ptr<Session> session;
    std::optional<base::Error> failure;
    bool quit = false;
};

void work(const std::shared_ptr<Shared> &shared, const SourceRequest &request) {
    auto opened = open(request);
    std::unique_lock lock(shared->mutex);
    if (!opened) {
        shared->failure = opened.error();
        return;
    }
    std::shared_ptr<Session> session = std::move(*opened);
    if (!shared->quit) shared->session = session;
    while (!shared->quit) {
        shared->wake.wait(lock, [&] { return shared->quit || !shared->tasks.empty(); });
        while (!shared->quit && !shared->tasks.empty()) {
            const auto task = std::move(shared->tasks.front());
            shared->tasks.pop_front();
            lock.unlock();
            task(*session);
            lock.lock();
        }
    }
    shared->session.reset();
    lock.unlock();
    session.reset(); // ends the lab; may take a moment, therefore here
}

// Workers of destroyed sources, until main() joins them.
std::mutex endedMutex;
std::vector<std::jthread> ended;

class SessionSource final : public ViewSource {
public:
    explicit SessionSource(const SourceRequest &request)
        : m_title(titleOf(request))
        , m_lab(std::holds_alternative<session::LabSource>(request.what))
        , m_worker([shared = m_shared, request] { work(shared, request); }) {}
    ~SessionSource() override {
        {
            const std::lock_guard lock(m_shared->mutex);
            m_shared->quit = true;
        }
        m_shared->wake.notify_all();
        const std::lock_guard lock(endedMutex);
        ended.push_back(std::move(m_worker));
    }
    SessionSource(const SessionSource &) = delete;
    SessionSource &operator=(const SessionSource &) = delete;

    QString title() const override { return m_title; }
    bool isLab() const override { return m_lab; }
    std::shared_ptr<const session::View> view() const override {
        std::shared_ptr<Session> session;
        {
            const std::lock_guard lock(m_shared->mutex);
            session = m_shared->session;
        }
        return session ? session->view() : nullptr;
    }
    std::optional<base::Error> failure() const override {
        const std::lock_guard lock(m_shared->mutex);
        return m_shared->failure;
    }

    void sendRequest(const std::string &from, const std::string &url) override {
        post([=](Session &s) { s.sendRequest(from, url); });
    }
    void setExternalTrafficPolicy(const std::string &service, const std::string &policy) override {
        post([=](Session &s) { s.setExternalTrafficPolicy(service, policy); });
    }
    void movePod(const std::string &pod, const std::string &node) override {
        post([=](Session &s) { s.movePod(pod, node); });
    }
    void scale(unsigned replicas) override {
        post([=](Session &s) { s.scale(replicas); });
    }
    void playSteps() override {
        post([](Session &s) { s.playSteps(); });
    }
    void saveRecording(const std::filesystem::path &path, std::function<void(base::Status)> done) override {
        post([path, done = std::move(done)](Session &s) { done(s.saveRecording(path)); });
    }

private:
    void post(std::function<void(Session &)> task) {
        {
            const std::lock_guard lock(m_shared->mutex);
            m_shared->tasks.push_back(std::move(task));
        }
        m_shared->wake.notify_all();
    }

    std::shared_ptr<Shared> m_shared = std::make_shared<Shared>();
    QString m_title;
    bool m_lab;
    std::jthread m_worker;
};

} // namespace

std::unique_ptr<ViewSource> openSession(const SourceRequest &request) {
    return std::make_unique<SessionSource>(request);
}

void waitForEndedSessions() {
    std::vector<std::jthread> waiting;
    {
        const std::lock_guard lock(endedMutex);
        waiting.swap(ended);
    }
    waiting.clear(); // joins
}

} // namespace natlens::gui
