// Findings about several paths, each on connections made by hand: with its evidence, and with one piece of it missing.
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

NATLENS_TEST(TestSeveral)
#include "tst_several.moc"
