// Findings about several paths, each on connections made by hand: with its evidence, and with one piece of it missing.
#ifndef Q_MOC_RUN // moc of Qt 6.4 stumbles over <concepts>
#include "tests/tracer/findings/case.h"
#endif

#include "tests/test_program.h"

using namespace natlens;
using namespace natlens::test;

namespace {

constexpr auto kVip = "203.0.113.1:80";

} // namespace

class TestSeveral : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void together();
};

void TestSeveral::together() {
    ClusterContext history;
    history.apply(at(-60), cluster());
    const auto judged = [&](const char *code, std::vector<const Path *> first, std::vector<const Path *> second) {
        for (const auto *diagnosis : diagnoses())
            if (diagnosis->code == code)
                return diagnosis->judge({std::move(first), std::move(second), &history}).size();
        return std::size_t{99};
    };
    const auto http = [](Case &made, const char *forwardedFor = "") {
        auto &exchange = made.path.http.emplace();
        exchange.method = "GET";
        exchange.target = "/";
        exchange.status = 200;
        exchange.forwardedFor = forwardedFor;
        exchange.headersSeen = true;
    };
    // A request that ends at a host, and the host's own request with the same words.
    auto before = connection("client", kClient, "10.240.0.4:8081", "node1", "");
    auto after = connection("node1", "10.180.1.1:4000", kPod, "node1", "");
    before.path.endpoint =
        EndpointEnd{.pod = "", .node = "node1", .host = "node1", .address = address("10.240.0.4:8081")};
    after.path.firstSeen = at(0.1);
    http(before);
    http(after);
    QCOMPARE(judged("D05", {&before.path}, {&after.path}), 1u);
    QCOMPARE(judged("D08", {&before.path}, {&after.path}), 0u); // a node's proxy is D05
    after.path.firstSeen = at(3);
    QCOMPARE(judged("D05", {&before.path}, {&after.path}), 0u); // the client waited no longer
    after.path.firstSeen = at(0.1);
    before.path.endpoint->host = after.path.client.node = "ingress";
    QCOMPARE(judged("D08", {&before.path}, {&after.path}), 1u);
    http(after, "104.132.1.79");
    QCOMPARE(judged("D08", {&before.path}, {&after.path}), 0u); // it says whom it speaks for
    after.path.http->proxyVersion = 2;
    QCOMPARE(judged("D08", {&before.path}, {&after.path}), 0u); // and is understood
    after.path.http->status = 400;
    QCOMPARE(judged("D08", {&before.path}, {&after.path}), 1u);

    auto one = connection("client", kClient, kVip, "node1", "10.180.1.1:1", kPod);
    auto two = connection("client2", "104.132.1.80:50000", kVip, "node1", "10.180.1.1:2", kPod);
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
    answer.path.firstSeen = at(5);
    QCOMPARE(judged("D38", {&asked.path}, {&answer.path}), 0u);
}

NATLENS_TEST(TestSeveral)
#include "tst_several.moc"
