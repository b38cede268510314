// Each finding on connections made by hand: where its evidence is there, and where one piece of it is missing.
#ifndef Q_MOC_RUN // moc of Qt 6.4 stumbles over <concepts>
#include "tests/tracer/findings/case.h"
#endif

#include "tests/test_program.h"

#include <functional>

using namespace natlens;
using namespace natlens::test;

namespace {

using In = Sight::Facing;
constexpr auto kNode2 = "10.240.0.5:32080", kVip = "203.0.113.1:80", kClusterIp = "10.0.1.2:80";

constexpr auto kGone = R"({"type":"DELETED","object":{"kind":"EndpointSlice","addressType":"IPv4",
    "metadata":{"namespace":"default","name":"app-1","labels":{"kubernetes.io/service-name":"app"}}}})";

Case viaNode2(const char *seen) {
    return connection("client", kClient, kNode2, "node2", seen);
}
Case podAsks(const char *seen, const char *end = kPod) {
    return connection("busybox", "10.180.3.8:4000", kClusterIp, "node3", seen, end);
}

/// node2 drops what the client sent.
Case droppedAtNode2(const char *to = kNode2) {
    auto made = connection("client", kClient, to, "node2", "");
    made.outcome(Outcome::dropped, "node2");
    return made;
}

std::string policy(const std::string &peer, const std::string &selector = R"("matchLabels":{"app":"source-ip-app"})") {
    return R"({"type":"ADDED","object":{"kind":"NetworkPolicy","metadata":{"namespace":"default","name":"p"},"spec":{"podSelector":{)" +
           selector + R"(},"policyTypes":["Ingress"],"ingress":[{"from":[)" + peer + "]}]}}}";
}

/// The reply reaches the client with the endpoint's address.
Case stray(Case made, const char *source, unsigned leg, bool synAck) {
    auto &sight = made.sight(made.path.client.node, Direction::reply, leg, In::in, source,
                             made.path.client.address.toString().c_str(), 0.1);
    sight.syn = synAck;
    return made;
}

constexpr auto kFactsQuiet =
    R"({"conntrack":{"count":5,"insertFailed":0,"drop":0},"sysctls":{"net.netfilter.nf_conntrack_max":100}})";
constexpr auto kFactsFailed =
    R"({"conntrack":{"count":6,"insertFailed":2,"drop":2},"sysctls":{"net.netfilter.nf_conntrack_max":100}})";
constexpr auto kFactsFull = R"({"conntrack":{"count":99,"drop":4},"sysctls":{"net.netfilter.nf_conntrack_max":100}})";

Case datagrams(double last) {
    auto made = connection("client", kClient, "10.240.0.5:32053", "node2", "10.240.0.5:4021", "10.180.1.136:5353");
    made.path.protocol = Protocol::udp;
    made.path.lastSeen = at(last);
    made.evidence.seen[0].last = at(last);
    return made;
}

} // namespace

class TestCases : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void single_data();
    void single();
    void predictionWaitsForTheRules();
};

void TestCases::single_data() {
    QTest::addColumn<std::function<Case()>>("made");
    QTest::addColumn<QString>("codes");
    const auto row = [](const char *name, const char *codes, std::function<Case()> made) {
        QTest::newRow(name) << std::move(made) << QString(codes);
    };
    row("D01", "D01", [] {
        auto c = viaNode2("10.240.0.5:4021");
        c.state(cluster());
        return c;
    });
    row("D01: a node port, no cluster state", "D01", [] {
        auto c = viaNode2("10.240.0.5:4021");
        c.path.kind = PathKind::service;
        c.path.service.emplace().via = Via::nodePort;
        return c;
    });
    row("D01: a pod asks", "", [] {
        auto c = connection("busybox", "10.180.3.8:4000", kNode2, "node2", "10.240.0.5:4021");
        c.state(cluster());
        return c;
    });
    row("D01: the load balancer replaced it", "", [] {
        auto c = viaNode2("10.240.0.2:4021");
        c.path.hops[1].host = "lb";
        c.state(cluster());
        return c;
    });
    row("D02", "D02", [] {
        auto c = connection("client", kClient, "198.51.100.7:80", "node1", "10.180.1.1:4021");
        c.state(cluster(kLocal + R"("externalIPs":["198.51.100.7"],)"));
        return c;
    });
    row("D02: kept", "", [] {
        auto c = connection("client", kClient, "198.51.100.7:80", "node1", kClient);
        c.state(cluster(kLocal + R"("externalIPs":["198.51.100.7"],)"));
        return c;
    });
    row("D03", "D03", [] {
        auto c = connection("client", kClient, "10.240.0.4:32080", "node1", "10.180.1.1:4021");
        c.state(cluster(kLocal));
        return c;
    });
    row("D03: a node asks", "", [] {
        auto c = connection("node3", "10.240.0.3:4000", "10.240.0.4:32080", "node1", "10.180.1.1:4021");
        c.path.hops[0].host = c.path.client.node = "elsewhere";
        c.evidence.seen.clear(); // its beginning was not captured: nothing is predicted
        c.state(cluster(kLocal));
        return c;
    });
    row("D07", "D07", [] {
        auto c = podAsks("10.240.0.3:4021");
        c.state(cluster());
        return c;
    });
    row("D07: the pod reaches itself", "", [] {
        auto c = podAsks("10.180.3.1:4021", "10.180.3.8:8080");
        c.evidence.seen.clear();
        c.state(cluster());
        return c;
    });
    row("D07: past another node", "D07", [] {
        auto c = stray(connection("busybox", "10.180.3.8:4000", kNode2, "node2", "10.180.3.8:4000"), kPod, 1, true);
        c.state(cluster(kLocal));
        return c;
    });
    row("D09: blocked", "D09", [] {
        auto c = viaNode2("10.240.0.5:4021");
        c.path.hops.back() = hop("node1", "10.240.0.5:4021", kPod, "", "");
        c.outcome(Outcome::dropped, "node1")
            .state(cluster())
            .state(policy(R"({"ipBlock":{"cidr":"104.132.1.0/24"}})"), -50);
        return c;
    });
    row("D09: let in", "D01 D09", [] {
        auto c = viaNode2("10.240.0.5:4021");
        c.state(cluster()).state(policy(R"({"ipBlock":{"cidr":"10.0.0.0/8"}})"), -50);
        return c;
    });
    row("D09: both admitted", "D01", [] {
        auto c = viaNode2("10.240.0.5:4021");
        c.state(cluster()).state(policy(R"({"ipBlock":{"cidr":"0.0.0.0/0"}})"), -50);
        return c;
    });
    row("D09: another pod's policy", "D01", [] {
        auto c = viaNode2("10.240.0.5:4021");
        c.state(cluster()).state(policy(R"({"ipBlock":{"cidr":"10.0.0.0/8"}})", R"("matchLabels":{"app":"other"})"),
                                 -50);
        return c;
    });
    row("D10", "D01 D10", [] {
        auto c = viaNode2("10.240.0.5:4021");
        c.state(cluster(R"("loadBalancerSourceRanges":["192.0.2.0/24"],)"));
        return c;
    });
    row("D10: in the ranges", "D01", [] {
        auto c = viaNode2("10.240.0.5:4021");
        c.state(cluster(R"("loadBalancerSourceRanges":["104.132.0.0/16"],)"));
        return c;
    });
    row("D13", "D13", [] {
        auto c = droppedAtNode2();
        c.state(cluster(kLocal));
        return c;
    });
    row("D13: policy Cluster", "P01", [] {
        auto c = droppedAtNode2();
        c.state(cluster());
        return c;
    });
    row("D15", "D15", [] {
        auto c = droppedAtNode2();
        c.state(cluster(kLocal, "node2")).state(cluster(kLocal, "node1"), -0.5);
        return c;
    });
    row("D15: long ago", "D13", [] {
        auto c = droppedAtNode2();
        c.state(cluster(kLocal, "node2"), -300).state(cluster(kLocal, "node1"), -200);
        return c;
    });
    const std::string internal = R"("internalTrafficPolicy":"Local",)";
    row("D16", "D16", [=] {
        auto c = connection("busybox", "10.180.3.8:4000", kClusterIp, "node3", "");
        c.outcome(Outcome::dropped, "node3").state(cluster(internal));
        return c;
    });
    row("D16: no endpoint anywhere", "", [=] {
        auto c = connection("busybox", "10.180.3.8:4000", kClusterIp, "node3", "");
        c.outcome(Outcome::dropped, "node3").state(cluster(internal, ""));
        return c;
    });
    const auto check = [](const char *to, int status) {
        auto c = connection("lb", "10.240.0.2:4000", to, "node2", "");
        c.path.kind = PathKind::healthCheck;
        c.path.endpoint = EndpointEnd{.pod = "", .node = "node2", .host = "node2", .address = address(to)};
        c.path.http = HttpExchange{.method = "GET", .target = "/healthz", .status = status};
        return c;
    };
    row("D17: the wrong port", "D17", [=] {
        auto c = check("10.240.0.5:10256", 200);
        c.state(cluster(kLocal));
        return c;
    });
    row("D17: it is for policy Cluster", "", [=] {
        auto c = check("10.240.0.5:10256", 200);
        c.state(cluster());
        return c;
    });
    row("D17: no endpoint and 503", "", [=] {
        auto c = check("10.240.0.5:32122", 503);
        c.state(cluster(kLocal));
        return c;
    });
    row("D17: an endpoint and 503", "D17", [=] {
        auto c = check("10.240.0.5:32122", 503);
        c.state(cluster(kLocal, "node2"));
        return c;
    });
    row("D17: it has just moved", "", [=] {
        auto c = check("10.240.0.5:32122", 503);
        c.state(cluster(kLocal)).state(cluster(kLocal, "node2"), -0.4);
        return c;
    });
    const auto hairpin = [](bool masqueraded) {
        auto c = connection("source-ip-app", "10.180.1.136:4000", kClusterIp, "node1",
                            masqueraded ? "10.180.1.1:4021" : "10.180.1.136:4000");
        c.outcome(Outcome::unanswered).state(cluster());
        return c;
    };
    row("D18: not masqueraded", "D18", [=] {
        auto c = hairpin(false);
        c.sight("source-ip-app", Direction::request, 1, In::in, "10.180.1.136:4000", kPod);
        return c;
    });
    row("D18: it never came back", "D18", [=] {
        auto c = hairpin(true);
        c.sight("node1", Direction::request, 1, In::out, "10.180.1.1:4021", kPod);
        return c;
    });
    row("D18: it came back masqueraded", "", [=] {
        auto c = hairpin(true);
        c.sight("source-ip-app", Direction::request, 1, In::in, "10.180.1.1:4021", kPod);
        return c;
    });
    const auto sameNode = [] { return connection("other", "10.180.1.8:4000", kClusterIp, "node1", "10.180.1.8:4000"); };
    row("D19", "D19", [=] {
        auto c = stray(sameNode(), kPod, 1, true);
        c.told("node1", -10, R"({"kubeProxy":{"kind":"KubeProxyConfiguration","clusterCIDR":"10.180.0.0/16"}})")
            .state(cluster());
        return c;
    });
    // Without cluster state: the node whose translation was missed saw the answer, and did not route it.
    const auto passing = [=](std::uint8_t ttl) {
        auto c = stray(sameNode(), kPod, 1, true);
        c.known = false;
        auto seen = hop("node1", kPod, "10.180.1.8:4000", kPod, "10.180.1.8:4000");
        seen.direction = Direction::reply;
        seen.in->ttl = 64;
        seen.out->ttl = ttl;
        c.path.hops.push_back(seen);
        return c;
    };
    row("D19: without cluster state", "D19", [=] { return passing(64); });
    row("D19: without cluster state, routed", "D21", [=] { return passing(63); });
    row("D19: without cluster state, elsewhere", "D21", [=] {
        auto c = stray(sameNode(), kPod, 1, true);
        c.known = false;
        return c;
    });
    row("D19: translated back", "", [=] {
        auto c = stray(sameNode(), kClusterIp, 0, true);
        c.state(cluster());
        return c;
    });
    const auto own = [] {
        auto c = connection("node1", "10.240.0.4:4000", "203.0.113.9:80", "lb", "10.240.0.4:4000", "10.240.0.4:32080");
        c.outcome(Outcome::unanswered).state(cluster());
        c.evidence.hosts.push_back(Host{.name = "node1", .addresses = {address("10.240.0.4:1").ip}});
        c.sight("node1", Direction::request, 0, In::out, "10.240.0.4:4000", "203.0.113.9:80");
        return c;
    };
    row("D20", "D20", [=] {
        auto c = own();
        c.sight("node1", Direction::request, 1, In::in, "10.240.0.4:4000", "10.240.0.4:32080");
        return c;
    });
    row("D20: it did not come back", "", [=] { return own(); });
    row("D21", "D21", [] {
        auto c =
            stray(connection("client", kClient, kVip, "lb", kClient, "10.240.0.4:32080"), "10.240.0.4:32080", 1, true);
        c.state(cluster(kLocal));
        return c;
    });
    row("D21: only a reset", "", [] {
        auto c =
            stray(connection("client", kClient, kVip, "lb", kClient, "10.240.0.4:32080"), "10.240.0.4:32080", 1, false);
        c.evidence.seen.back().tcpFlags = TcpFlags::rst;
        c.state(cluster(kLocal));
        return c;
    });
    row("D23", "D23", [] {
        auto c = connection("busybox", "10.180.3.8:4000", kVip, "node3", "10.240.0.3:4021");
        c.state(cluster());
        return c;
    });
    row("D23: from outside", "D01", [] {
        auto c = connection("client", kClient, kVip, "node2", "10.240.0.5:4021");
        c.state(cluster());
        return c;
    });
    row("D25", "D01 D25", [] {
        auto c = datagrams(5);
        c.state(cluster()).state(kGone, 2);
        return c;
    });
    row("D25: answered all the same", "D01", [] {
        auto c = datagrams(5);
        c.sight("client", Direction::reply, 0, In::in, "10.240.0.5:32053", kClient, 4.9);
        c.state(cluster()).state(kGone, 2);
        return c;
    });
    row("D25: nothing was asked since", "D01", [] {
        auto c = datagrams(1);
        c.path.lastSeen = at(5);
        c.state(cluster()).state(kGone, 2);
        return c;
    });
    const auto early = [](double serviceAt) {
        auto c = droppedAtNode2("198.51.100.7:80");
        c.path.attempts = 2;
        c.path.lastSeen = at(1);
        c.evidence.seen[0].openings = {{at(0), 1}, {at(1), 2}};
        const packet::Tuple tuple{Protocol::tcp, address(kClient), address("198.51.100.7:80")};
        c.evidence.entries.push_back(
            {.host = "node2", .original = tuple, .translated = tuple, .time = at(0), .packet = {9}});
        c.state(cluster()).state(cluster(R"("externalIPs":["198.51.100.7"],)"), serviceAt);
        return c;
    };
    row("D26", "D26", [=] { return early(0.5); });
    row("D26: no SYN since", "", [=] { return early(1.5); });
    row("D26: translated", "", [=] {
        auto c = early(0.5);
        c.evidence.entries[0].translated.dst = address(kPod);
        return c;
    });
    const auto race = [](bool secondPasses, const char *after) {
        auto c = viaNode2("10.240.0.5:4021");
        c.path.attempts = 2;
        c.evidence.seen[0].openings = {{at(0), 1}, {at(1), 2}};
        auto &out = c.sight("node2", Direction::request, 1, In::out, "10.240.0.5:4021", kPod, 1);
        out.openings = {{at(secondPasses ? 1 : 0), static_cast<std::uint16_t>(secondPasses ? 2 : 1)}};
        c.state(cluster()).told("node2", -1, kFactsQuiet).told("node2", 2, after);
        return c;
    };
    row("D28", "D01 D28", [=] { return race(true, kFactsFailed); });
    row("D28: nothing failed", "D01", [=] { return race(true, kFactsQuiet); });
    row("D28: the first one passed", "D01", [=] { return race(false, kFactsFailed); });
    const auto invalid = [](bool reset) {
        auto c = stray(podAsks("10.180.3.8:4000"), kPod, 1, false);
        c.evidence.seen.back().first = at(0.5);
        c.sight("busybox", Direction::reply, 0, In::in, kClusterIp, "10.180.3.8:4000", 0.1);
        auto &request = c.sight("busybox", Direction::request, 1, In::out, "10.180.3.8:4000", kPod, 0.6);
        if (reset) request.reset = at(0.6);
        c.state(cluster()).told("node3", -10,
                                R"({"kubeProxy":{"kind":"KubeProxyConfiguration","clusterCIDR":"10.180.0.0/16"}})");
        return c;
    };
    row("D29", "D29", [=] { return invalid(true); });
    row("D29: no reset", "", [=] { return invalid(false); });
    const auto silent = [](const char *after) {
        auto c = droppedAtNode2();
        c.state(cluster()).told("node2", -1, kFactsQuiet).told("node2", 2, after);
        return c;
    };
    row("D31", "D31", [=] { return silent(kFactsFull); });
    row("D32", "D32", [=] { return silent(kFactsFailed); });
    row("D31, D32: no counter rose", "P01", [=] { return silent(kFactsQuiet); });
    row("D31: no reading after it", "P01", [] {
        auto c = droppedAtNode2();
        c.state(cluster()).told("node2", -1, kFactsFull);
        return c;
    });
    const auto challenge = [](double synAck, double reset) {
        auto c = viaNode2(kClient);
        c.known = false;
        auto &request = c.sight("endpoint", Direction::request, 1, In::in, kClient, kPod, 0);
        request.syn = true;
        request.openings = {{at(0), 1}};
        request.reset = at(reset);
        request.resetPacket.value = 7;
        auto &reply = c.sight("endpoint", Direction::reply, 1, In::out, kPod, kClient, 0.01);
        reply.syn = synAck > 0;
        if (reply.syn) reply.openings = {{at(synAck), 2}};
        return c;
    };
    row("D34", "D34", [=] { return challenge(1, 0.02); });
    row("D34: a connection that was reset later", "", [=] { return challenge(0.01, 0.5); });
    row("D36", "D36", [] {
        auto c = viaNode2(kClient);
        c.known = false;
        auto &twice = c.sight("endpoint", Direction::request, 1, In::in, kClient, kPod, 0.1);
        twice.duplicates = 2;
        twice.duplicatePacket.value = 8;
        return c;
    });
    row("D36: a capture of all interfaces", "", [] {
        auto c = viaNode2(kClient);
        c.known = false;
        auto &twice = c.sight("endpoint", Direction::request, 1, In::in, kClient, kPod, 0.1);
        twice.duplicates = 2;
        twice.cooked = true;
        return c;
    });
    row("D36: double everywhere", "", [] {
        auto c = viaNode2(kClient);
        c.known = false;
        c.evidence.seen[0].duplicates = 2;
        c.sight("endpoint", Direction::request, 1, In::in, kClient, kPod, 0.1).duplicates = 2;
        return c;
    });
    row("P01: another endpoint", "D01 P01", [] {
        auto c = connection("client", kClient, kNode2, "node2", "10.240.0.5:4021", "10.180.1.8:8080");
        c.state(cluster());
        return c;
    });
    row("P01: kept where it should be replaced", "P01", [] {
        auto c = viaNode2(kClient);
        c.state(cluster());
        return c;
    });
    row("P01: it began before the capture", "", [] {
        auto c = viaNode2(kClient);
        c.evidence.seen.clear();
        c.state(cluster());
        return c;
    });
    row("P01: rejections may look like drops", "", [] {
        auto c = droppedAtNode2();
        c.state(cluster("", ""));
        return c;
    });
}

void TestCases::single() {
    QFETCH(std::function<Case()>, made);
    QFETCH(QString, codes);
    Case one = made();
    const auto found = findAll(one.input());
    QString text;
    for (const auto &finding : found) {
        text += (text.isEmpty() ? "" : " ") + QString::fromStdString(finding.code);
        QVERIFY2(!finding.packets.empty(), finding.text.c_str());
        QVERIFY(std::ranges::is_sorted(finding.packets, {}, &base::PacketNumber::value));
        QVERIFY(!finding.reference.empty() && !finding.fix.empty());
    }
    QVERIFY2(text == codes,
             qPrintable(text + (found.empty() ? QString() : QString::fromStdString(": " + found.back().text))));
}

/// Rules lag behind the cluster state: what the state of a moment ago explains is no finding.
void TestCases::predictionWaitsForTheRules() {
    for (const auto &[changed, code] : {std::pair(-1.0, ""), {-10.0, "P01"}}) {
        auto made = viaNode2(kClient);
        made.state(cluster(kLocal, "node2"), -60).state(cluster(), changed);
        QCOMPARE(made.codes(), std::string(code));
    }
}

NATLENS_TEST(TestCases)
#include "tst_cases.moc"
