#include "app/probe/capture_service.h"

#include "app/probe/capture_loop.h"
#include "capture/live/interfaces.h"

#include <algorithm>
#include <future>
#include <sched.h>
#include <vector>

namespace natlens::probe {

/// Opens capture points in the caller's namespace and hands them to the loop.
class CaptureService::Impl {
public:
    Impl(base::UniqueFd stream, std::string application)
        : loop(std::move(stream), std::move(application)) {}
    CaptureLoop loop;
};

CaptureService::CaptureService(base::UniqueFd stream, std::string application)
    : m_impl(std::make_unique<Impl>(std::move(stream), std::move(application))) {}

CaptureService::~CaptureService() {
    (void)stop();
}

namespace {

base::Result<OpenedPoint> openInterface(const std::string &node, const std::string &interface,
                                        const live::CaptureOptions &options) {
    auto capture = live::LiveCapture::open(interface, options);
    if (!capture) return std::unexpected(capture.error());
    const auto interfaces = live::listInterfaces();
    if (!interfaces) return std::unexpected(interfaces.error());
    const auto info = std::ranges::find(*interfaces, interface, &live::InterfaceInfo::name);
    OpenedPoint opened;
    opened.description.name = node + "/" + interface;
    opened.description.linkType = capture->linkType();
    opened.description.snapLength = options.snapLength;
    if (info != interfaces->end()) opened.description.mac = info->mac;
    opened.source = makeInterfaceSource(std::move(*capture), opened.description.mac);
    return opened;
}

base::Result<OpenedPoint> openInterface(const CaptureService::InterfaceRequest &request,
                                        const live::CaptureOptions &options) {
    // The thread ends after this, so it need not find its way back.
    if (request.networkNamespace >= 0 && ::setns(request.networkNamespace, CLONE_NEWNET) != 0) {
        return base::failErrno("setns", request.node + "/" + request.interface);
    }
    return openInterface(request.node, request.interface, options);
}

OpenedPoint netlinkPoint(std::string name, std::string description, netlink::EventSocket socket) {
    OpenedPoint opened;
    opened.description.name = std::move(name);
    opened.description.description = std::move(description);
    opened.description.linkType = packet::LinkType::netlink;
    opened.source = makeEventSource(std::move(socket));
    return opened;
}

} // namespace

base::Status CaptureService::addInterface(const std::string &node, const std::string &interface,
                                          const live::CaptureOptions &options) {
    auto opened = openInterface(node, interface, options);
    if (!opened) return std::unexpected(opened.error());
    return m_impl->loop.add(std::move(*opened));
}

base::Status CaptureService::addInterfaces(std::span<const InterfaceRequest> requests,
                                           const live::CaptureOptions &options) {
    std::vector<std::future<base::Result<OpenedPoint>>> opening;
    for (const InterfaceRequest &request : requests) {
        opening.push_back(
            std::async(std::launch::async, [&request, &options] { return openInterface(request, options); }));
    }
    std::vector<OpenedPoint> opened;
    for (auto &future : opening) {
        auto point = future.get(); // after an error the others are waited for by their futures' destructors
        if (!point) return std::unexpected(point.error());
        opened.push_back(std::move(*point));
    }
    for (OpenedPoint &point : opened) {
        if (auto status = m_impl->loop.add(std::move(point)); !status) return status;
    }
    return {};
}

base::Status CaptureService::addConntrack(const std::string &node) {
    auto socket = netlink::EventSocket::openConntrack();
    if (!socket) return std::unexpected(socket.error());
    return m_impl->loop.add(netlinkPoint(node + "/conntrack", "", std::move(*socket)));
}

base::Status CaptureService::addWrittenConntrack(const std::string &node) {
    OpenedPoint opened;
    opened.description.name = node + "/conntrack";
    opened.description.description = "connection tracking events of the engine";
    opened.description.linkType = packet::LinkType::netlink;
    return m_impl->loop.add(std::move(opened));
}

base::Status CaptureService::writeConntrack(const std::string &node, std::span<const std::byte> packet) {
    return m_impl->loop.write(node + "/conntrack", packet);
}

base::Status CaptureService::addRuleTrace(const std::string &node, const netlink::InterfaceNames &names) {
    auto socket = netlink::EventSocket::openRuleTrace();
    if (!socket) return std::unexpected(socket.error());
    return m_impl->loop.add(
        netlinkPoint(node + "/nftrace", netlink::describeInterfaceNames(names), std::move(*socket)));
}

base::Status CaptureService::addClusterState() {
    OpenedPoint opened;
    opened.description.name = kClusterState;
    opened.description.linkType = packet::LinkType::user0;
    return m_impl->loop.add(std::move(opened));
}

base::Status CaptureService::addFacts(const std::string &node) {
    OpenedPoint opened;
    opened.description.name = node + "/facts";
    opened.description.linkType = packet::LinkType::user0;
    return m_impl->loop.add(std::move(opened));
}

base::Status CaptureService::writeFacts(const std::string &node, const std::string &jsonText) {
    return m_impl->loop.write(node + "/facts", std::as_bytes(std::span(jsonText)));
}

base::Status CaptureService::writeClusterState(const std::string &jsonText, base::Timestamp time) {
    return m_impl->loop.write(kClusterState, std::as_bytes(std::span(jsonText)), time);
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
