#include "app/probe/capture_service.h"

#include "app/probe/capture_loop.h"
#include "capture/live/interfaces.h"

#include <algorithm>
#include <optional>
#include <sched.h>
#include <thread>
#include <vector>

namespace natlens::probe {

/// Opens capture points in the caller's namespace and hands them to the loop.
class CaptureService::Impl {
public:
    Impl(base::UniqueFd stream, std::string application) : loop(std::move(stream), std::move(application)) {}
    CaptureLoop loop;
};

CaptureService::CaptureService(base::UniqueFd stream, std::string application)
    : m_impl(std::make_unique<Impl>(std::move(stream), std::move(application))) {}

CaptureService::~CaptureService() {
    (void)stop();
}

namespace {

/// An interface that has been opened but is not served yet.
struct OpenedInterface {
    file::CapturePoint point;
    std::unique_ptr<CaptureSource> source;
};

base::Result<OpenedInterface> openInterface(const std::string &node, const std::string &interface,
                                            const live::CaptureOptions &options) {
    auto capture = live::LiveCapture::open(interface, options);
    if (!capture) return std::unexpected(capture.error());
    const auto interfaces = live::listInterfaces();
    if (!interfaces) return std::unexpected(interfaces.error());
    const auto info = std::ranges::find(*interfaces, interface, &live::InterfaceInfo::name);
    file::CapturePoint point;
    point.name = node + "/" + interface;
    point.linkType = capture->linkType();
    point.snapLength = options.snapLength;
    if (info != interfaces->end()) point.mac = info->mac;
    auto source = makeInterfaceSource(std::move(*capture), point.mac);
    return OpenedInterface{std::move(point), std::move(source)};
}

base::Result<OpenedInterface> openInterface(const CaptureService::InterfaceRequest &request,
                                            const live::CaptureOptions &options) {
    // The thread ends after this, so it need not find its way back.
    if (::setns(request.networkNamespace, CLONE_NEWNET) != 0)
        return base::failErrno("setns", request.node + "/" + request.interface);
    return openInterface(request.node, request.interface, options);
}

} // namespace

base::Status CaptureService::addInterface(const std::string &node, const std::string &interface,
                                          const live::CaptureOptions &options) {
    auto opened = openInterface(node, interface, options);
    if (!opened) return std::unexpected(opened.error());
    return m_impl->loop.add(std::move(opened->point), std::move(opened->source));
}

base::Status CaptureService::addInterfaces(std::span<const InterfaceRequest> requests,
                                           const live::CaptureOptions &options) {
    std::vector<std::optional<base::Result<OpenedInterface>>> opened(requests.size());
    {
        std::vector<std::jthread> threads;
        for (std::size_t i = 0; i < requests.size(); ++i)
            threads.emplace_back([&, i] { opened[i].emplace(openInterface(requests[i], options)); });
    }
    for (const auto &result : opened)
        if (!*result) return std::unexpected(result->error());
    for (auto &result : opened)
        if (auto status = m_impl->loop.add(std::move((*result)->point), std::move((*result)->source)); !status)
            return status;
    return {};
}

base::Status CaptureService::addConntrack(const std::string &node) {
    auto socket = netlink::EventSocket::openConntrack();
    if (!socket) return std::unexpected(socket.error());
    file::CapturePoint point;
    point.name = node + "/conntrack";
    point.linkType = packet::LinkType::netlink;
    return m_impl->loop.add(std::move(point), makeEventSource(std::move(*socket)));
}

base::Status CaptureService::addRuleTrace(const std::string &node, const netlink::InterfaceNames &names) {
    auto socket = netlink::EventSocket::openRuleTrace();
    if (!socket) return std::unexpected(socket.error());
    file::CapturePoint point;
    point.name = node + "/nftrace";
    point.description = netlink::describeInterfaceNames(names);
    point.linkType = packet::LinkType::netlink;
    return m_impl->loop.add(std::move(point), makeEventSource(std::move(*socket)));
}

base::Status CaptureService::addClusterState() {
    file::CapturePoint point;
    point.name = kClusterState;
    point.linkType = packet::LinkType::user0;
    return m_impl->loop.add(std::move(point), nullptr);
}

base::Status CaptureService::writeClusterState(const std::string &jsonText) {
    return m_impl->loop.write(kClusterState, std::as_bytes(std::span(jsonText)));
}

base::Status CaptureService::removeInterface(const std::string &node, const std::string &interface) {
    return m_impl->loop.remove(node + "/" + interface);
}

base::Status CaptureService::start() {
    return m_impl->loop.start();
}

bool CaptureService::drain(std::chrono::milliseconds quietTime, std::chrono::milliseconds atMost) {
    return m_impl->loop.drain(quietTime, atMost);
}

base::Status CaptureService::stop() {
    return m_impl->loop.stop();
}

bool CaptureService::isRunning() const {
    return m_impl->loop.isRunning();
}

CaptureTotals CaptureService::totals() const {
    return m_impl->loop.totals();
}

} // namespace natlens::probe
