// The lab waits for its links, not for ever, and says which are not up.
#include "../../proxycore/kernel/namespace_child.h"
#include "app/lab/topology.h"

#include "tests/test_program.h"

using namespace natlens;
using namespace natlens::lab;

namespace {

HostSpec hostSpec(const char *name, HostKind kind, const char *address, const char *range = nullptr) {
    HostSpec spec{name, kind, {{*packet::IpAddress::parse(address)}, {}, {}}, {}, {}};
    if (range != nullptr) spec.addresses.podRanges.push_back(*packet::IpPrefix::parse(range));
    if (kind == HostKind::pod) spec.nodeName = "node1";
    return spec;
}

/// The warning after a short wait, or what went wrong.
std::string warningOf(const base::Result<Topology::HostNames> &missing) {
    return missing ? Topology::linksWarning(*missing) : missing.error().sentence();
}

/// `scene` with the hosts "client", "node1" and its pod "web".
std::string withTopology(const std::function<std::string(Topology &)> &scene) {
    const auto result = test::inNamespace([&]() -> std::string {
        auto topology = Topology::build({hostSpec("client", HostKind::outside, "198.51.100.9"),
                                         hostSpec("node1", HostKind::node, "10.240.0.3", "10.180.1.0/24"),
                                         hostSpec("web", HostKind::pod, "10.180.1.136", "10.180.1.0/24")});
        if (!topology) return topology.error().sentence();
        if (auto warning = warningOf(topology->awaitLinks()); !warning.empty()) return "at first: " + warning;
        return scene(*topology);
    });
    return result.available ? result.text : "unavailable";
}

/// The warning that comes of a link that has been set down: the kernel takes the other end's carrier away in its time.
std::string warningInTime(const std::function<base::Result<Topology::HostNames>(std::chrono::milliseconds)> &await) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    std::string warning;
    while (warning.empty() && std::chrono::steady_clock::now() < deadline)
        warning = warningOf(await(std::chrono::milliseconds(5)));
    return warning;
}

} // namespace

class TestTopology : public QObject {
    Q_OBJECT

private Q_SLOTS:
    /// The link of a host that is down takes the other end's carrier away: that end is named.
    void linkDown_data() {
        QTest::addColumn<QString>("host");
        QTest::addColumn<QString>("named");
        QTest::newRow("outside") << "client"
                                 << "the segment";
        QTest::newRow("node") << "node1"
                              << "the segment";
        QTest::newRow("pod") << "web"
                             << "node1";
    }
    void linkDown() {
        QFETCH(QString, host);
        QFETCH(QString, named);
        const auto text = withTopology([&](Topology &topology) -> std::string {
            auto &links = topology.find(host.toStdString())->links;
            if (auto status = links.setDown("eth0"); !status) return status.error().sentence();
            const auto warning = warningInTime([&](auto patience) { return topology.awaitLinks(patience); });
            if (auto status = links.setUp("eth0"); !status) return status.error().sentence();
            if (const auto after = warningOf(topology.awaitLinks()); !after.empty()) return "up again: " + after;
            return warning;
        });
        if (text == "unavailable") QSKIP("no unprivileged user namespaces");
        const auto said = QString::fromStdString(text);
        QVERIFY2(said.startsWith("warning: ") && said.contains("the links of " + named + " in time"), qPrintable(said));
    }

    /// A pod that has been added is asked alone.
    void podAlone() {
        const auto text = withTopology([&](Topology &topology) -> std::string {
            auto &web = *topology.find("web");
            if (auto status = topology.find("client")->links.setDown("eth0"); !status) return status.error().sentence();
            if (warningInTime([&](auto patience) { return topology.awaitLinks(patience); }).empty()) return "all is up";
            if (const auto warning = warningOf(Topology::awaitLinks(web)); !warning.empty())
                return "for another's link: " + warning;
            if (auto status = topology.find("node1")->links.setDown(portName(web.addresses)); !status)
                return status.error().sentence();
            return warningInTime([&](auto patience) { return Topology::awaitLinks(web, patience); });
        });
        if (text == "unavailable") QSKIP("no unprivileged user namespaces");
        QVERIFY2(text.find("the links of web in time") != text.npos, text.c_str());
    }
};

NATLENS_TEST(TestTopology)
#include "tst_topology.moc"
