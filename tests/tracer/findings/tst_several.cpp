// Findings about several paths, and what a finding says where little is known; each on connections made by hand: with
// its evidence, and with one piece of it missing.
#ifndef Q_MOC_RUN // moc of Qt 6.4 stumbles over <concepts>
#include "tests/tracer/findings/case.h"
#endif

#include "tests/test_program.h"

using namespace natlens;
using namespace natlens::test;

namespace {

constexpr auto kBalanced = "203.0.113.1:80";

} // namespace

class TestSeveral : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void together();
    void proxied();
    void sourceReplacedByAnyRouter();
};

/// D05 and D08, about paths that several connections are one of.
void TestSeveral::proxied() {
    auto made = connection("client", kClient, "10.240.0.4:8081", "node1", "10.180.1.1:4000", kPod);
    made.state(cluster());
    Hop &proxy = made.path.hops[1];
    proxy.nat = {Nat::proxied};
    proxy.evidence = {EvidenceKind::payload};
    auto &exchange = made.path.http.emplace();
    exchange.method = "GET";
    exchange.target = "/";
    exchange.status = 200;
    exchange.headersSeen = true;
    const auto codes = [&] {
        std::string text;
        for (const auto &finding : findProxied(made.input()))
            text += (text.empty() ? "" : " ") + finding.code;
        return QString::fromStdString(text);
    };
    QCOMPARE(codes(), "D05"); // a node's
    proxy.host = "ingress";
    QCOMPARE(codes(), "D08");
    exchange.forwardedFor = "104.132.1.79";
    QCOMPARE(codes(), ""); // it says whom it speaks for
    exchange.forwardedFor.clear();
    exchange.headersSeen = false;
    QCOMPARE(codes(), ""); // perhaps it does
    exchange.proxyVersion = 2;
    QCOMPARE(codes(), ""); // and is understood
    exchange.status = 400;
    QCOMPARE(codes(), "D08");
    made.path.http.reset();
    QCOMPARE(codes(), "D08"); // the very same bytes say nothing of the client
    proxy.evidence = {EvidenceKind::proxyHeader};
    QCOMPARE(codes(), "");
    proxy.nat = {Nat::snat, Nat::dnat};
    QCOMPARE(codes(), "");
}

void TestSeveral::together() {
    const auto judged = [&](const char *code, std::vector<const Path *> first, std::vector<const Path *> second) {
        for (const auto *diagnosis : diagnoses())
            if (diagnosis->code == code) return diagnosis->judge({std::move(first), std::move(second)}).size();
        return std::size_t{99};
    };
    auto one = connection("client", kClient, kBalanced, "node1", "10.180.1.1:1", kPod);
    auto two = connection("client2", "104.132.1.80:50000", kBalanced, "node1", "10.180.1.1:2", kPod);
    for (Case *made : {&one, &two})
        made->path.hops[1] = hop("node1", "10.240.0.2:1", "10.240.0.4:32080", "10.180.1.1:1", kPod);
    QCOMPARE(judged("D11", {&one.path, &two.path}, {}), 1u);
    QCOMPARE(judged("D11", {&one.path}, {}), 0u);
    two.path.endpoint->address = address("10.180.2.136:8080");
    two.path.hops[1].out->dst = two.path.endpoint->address;
    QCOMPARE(judged("D11", {&one.path, &two.path}, {}), 0u); // it did not send them to one

    auto asked = connection("client", kClient, "10.180.1.136:53", "node1", kClient, "10.180.1.136:53");
    asked.path.outcome = Outcome::unanswered;
    auto answer = connection("endpoint", "10.180.1.200:53", kClient, "node1", "");
    answer.path.firstSeen = at(0.01);
    QCOMPARE(judged("D38", {&asked.path}, {&answer.path}), 1u);
    answer.path.client.node = "somebody";
    QCOMPARE(judged("D38", {&asked.path}, {&answer.path}), 0u); // not from where the request went
    answer.path.client.node = "endpoint";
    asked.path.requested = address("239.255.255.250:53");
    QCOMPARE(judged("D38", {&asked.path}, {&answer.path}), 0u); // members of a group answer as themselves
    asked.path.requested = address("10.180.1.136:53");
    QCOMPARE(judged("D38", {&asked.path}, {&answer.path}), 1u);
    answer.path.firstSeen = at(5);
    QCOMPARE(judged("D38", {&asked.path}, {&answer.path}), 0u);
}

/// Without cluster state and without any sign of Kubernetes no Service is spoken of as if there were one.
void TestSeveral::sourceReplacedByAnyRouter() {
    auto router = connection("client", kClient, "192.0.2.1:80", "router", "10.9.0.1:4021", "10.9.0.11:9090");
    router.path.kind = PathKind::service;
    router.path.service.emplace();
    auto node = connection("client", kClient, "10.240.0.5:32080", "node2", "10.240.0.5:4021");
    node.path.kind = PathKind::service;
    node.path.service.emplace().via = Via::nodePort;
    for (const auto &[made, certain] : {std::pair(&router, false), std::pair(&node, true)}) {
        const auto found = findAll(made->input());
        QCOMPARE(found.size(), 1u);
        QVERIFY(found[0].code == "D01");
        QCOMPARE(found[0].text.find("Very likely") != std::string::npos, certain);
        QCOMPARE(found[0].field.empty(), !certain);
        QVERIFY(found[0].severity == (certain ? Severity::warning : Severity::info));
        QVERIFY(found[0].fix.find(certain ? "Set spec" : "rules of router") != std::string::npos);
    }
}

NATLENS_TEST(TestSeveral)
#include "tst_several.moc"
