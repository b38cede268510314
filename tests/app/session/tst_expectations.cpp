#include "app/session/expectations.h"

#include "tests/test_program.h"
#include <nlohmann/json.hpp>

using namespace natlens;
using session::ClientAnswer;

namespace {

/// JSON written with single quotes: moc 6.4 loses the class in a file with such raw strings.
std::string quoted(std::string text) {
    std::replace(text.begin(), text.end(), '\'', '"');
    return text;
}

packet::SocketAddress address(const char *text) {
    return *packet::SocketAddress::parse(text);
}

/// What node2 made of the client's request.
tracer::Path delivered(const char *seen = "10.240.0.5:4021", const char *requested = "10.240.0.5:32080") {
    tracer::Path path;
    path.id = "p1";
    path.kind = tracer::PathKind::service;
    path.client = {"client", address("104.132.1.79:53210")};
    path.requested = address(requested);
    path.endpoint =
        tracer::EndpointEnd{"default/source-ip-app", "node1", "source-ip-app", address("10.180.1.136:8080")};
    path.seenByEndpoint = address(seen);
    path.sourcePreserved = false;
    path.outcome = tracer::Outcome::delivered;
    path.firstSeen = {1000};
    tracer::Hop hop;
    hop.host = "node2";
    hop.nat = {tracer::Nat::snat, tracer::Nat::dnat};
    tracer::Hop back = hop;
    back.host = "node9"; // the reply's translations say nothing about where the request was translated
    back.direction = tracer::Direction::reply;
    path.hops = {hop, back};
    return path;
}

tracer::Path dropped() {
    tracer::Path path = delivered();
    path.seenByEndpoint.reset();
    path.endpoint.reset();
    path.sourcePreserved.reset();
    path.outcome = tracer::Outcome::dropped;
    path.droppedAt = "node2";
    path.hops.clear();
    return path;
}

tracer::Path check(const char *host, int status, std::int64_t time) {
    tracer::Path path;
    path.kind = tracer::PathKind::healthCheck;
    path.endpoint = tracer::EndpointEnd{"", host, host, address("10.240.0.5:30000")};
    path.http.emplace();
    path.http->method = "GET";
    path.http->target = "/healthz";
    path.http->status = status;
    path.outcome = tracer::Outcome::delivered;
    path.firstSeen = {time};
    return path;
}

tracer::Snapshot snapshot(std::initializer_list<tracer::Path> paths) {
    tracer::Snapshot result;
    for (const tracer::Path &path : paths)
        result.paths.push_back(std::make_shared<const tracer::Path>(path));
    return result;
}

const std::vector<ClientAnswer> kAnswers{
    {"client", "http://10.240.0.5:32080/", 0, "", "timed out", ""},
    {"client", "http://10.240.0.5:32080/", 200, "10.240.0.5", "", "CLIENT VALUES:\nclient_address=10.240.0.5\n"},
    {"node1", "http://127.0.0.1:10249/proxyMode", 200, "", "", "nftables"},
    {"client", "http://10.240.0.3:32080/", 0, "", "timed out", ""},
};

std::string path(const std::string &more) {
    return quoted("[{'text':'t','path':{'client':'104.132.1.79','requested':'10.240.0.5:32080'") + more + "}}]";
}

} // namespace

class TestExpectations : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void compare_data() {
        QTest::addColumn<QString>("expect");
        QTest::addColumn<int>("world"); // 0 delivered, 1 dropped, 2 nothing, 3 delivered then dropped, 4 health checks
        QTest::addColumn<bool>("met");
        const auto row = [](const char *name, const std::string &expect, int world, bool met) {
            QTest::newRow(name) << QString::fromStdString(expect) << world << met;
        };
        row("delivered", path(quoted(",'outcome':'delivered'")), 0, true);
        row("delivered, wanted dropped", path(quoted(",'outcome':'dropped'")), 0, false);
        row("dropped", path(quoted(",'outcome':'dropped','droppedAt':'node2'")), 1, true);
        row("dropped elsewhere", path(quoted(",'outcome':'dropped','droppedAt':'node3'")), 1, false);
        row("no path at all", path(""), 2, false);
        row("one of two contradicts", path(quoted(",'outcome':'delivered'")), 3, false);
        row("other port", quoted("[{'text':'t','path':{'client':'104.132.1.79','requested':'10.240.0.5:80'}}]"), 0,
            false);
        row("other client", quoted("[{'text':'t','path':{'client':'1.2.3.4','requested':'10.240.0.5:32080'}}]"), 0,
            false);
        row("seen", path(quoted(",'seenByEndpoint':'10.240.0.5'")), 0, true);
        row("seen one of", path(quoted(",'seenByEndpoint':['10.240.0.3','10.240.0.5']")), 0, true);
        row("seen none of", path(quoted(",'seenByEndpoint':['10.240.0.3','10.180.1.1']")), 0, false);
        row("seen, but dropped", path(quoted(",'seenByEndpoint':'10.240.0.5'")), 1, false);
        row("replaced", path(quoted(",'sourcePreserved':false")), 0, true);
        row("preserved", path(quoted(",'sourcePreserved':true")), 0, false);
        row("unknown is not false", path(quoted(",'sourcePreserved':false")), 1, false);
        row("snat and dnat", path(quoted(",'snatAt':'node2','dnatAt':'node2'")), 0, true);
        row("snat elsewhere", path(quoted(",'snatAt':'node1'")), 0, false);
        row("dnat only in the reply", path(quoted(",'dnatAt':'node9'")), 0, false);
        row("newest answer",
            quoted("[{'text':'t','answer':{'from':'client','to':'http://10.240.0.5:32080/"
                   "','status':200,'clientAddress':['10.240.0.3','10.240.0.5']}}]"),
            0, true);
        row("answer's text",
            quoted("[{'text':'t','answer':{'from':'node1','to':'http://127.0.0.1:10249/"
                   "proxyMode','status':200,'text':'nftables'}}]"),
            0, true);
        row("other text",
            quoted(
                "[{'text':'t','answer':{'from':'node1','to':'http://127.0.0.1:10249/proxyMode','text':'iptables'}}]"),
            0, false);
        row("no answer wanted and none came",
            quoted("[{'text':'t','answer':{'from':'client','to':'http://10.240.0.3:32080/','status':0}}]"), 0, true);
        row("never asked",
            quoted("[{'text':'t','answer':{'from':'client','to':'http://10.240.0.4:32080/','status':0}}]"), 0, false);
        row("newest check", quoted("[{'text':'t','healthCheck':{'node':'node2','status':500}}]"), 4, true);
        row("older check", quoted("[{'text':'t','healthCheck':{'node':'node2','status':200}}]"), 4, false);
        row("another node's check", quoted("[{'text':'t','healthCheck':{'node':'node1','status':200}}]"), 4, true);
        row("no check", quoted("[{'text':'t','healthCheck':{'node':'node3','status':200}}]"), 4, false);
    }
    void compare() {
        QFETCH(QString, expect);
        QFETCH(int, world);
        QFETCH(bool, met);
        const tracer::Snapshot worlds[] = {
            snapshot({delivered()}), snapshot({dropped()}), snapshot({}), snapshot({delivered(), dropped()}),
            snapshot({check("node2", 200, 10), check("node2", 500, 20), check("node1", 200, 30)})};
        const auto expectations = session::parseExpectations(nlohmann::json::parse(expect.toStdString()));
        QVERIFY2(expectations, expectations ? "" : expectations.error().sentence().c_str());
        const auto comparisons = session::compare(*expectations, worlds[world], kAnswers);
        QCOMPARE(comparisons.size(), std::size_t(1));
        QCOMPARE(comparisons[0].expected, std::string("t"));
        QVERIFY(!comparisons[0].observed.empty());
        QVERIFY2(comparisons[0].met == met, comparisons[0].observed.c_str());
    }

    /// The steps played a second time are judged by what happened since.
    /// Every code that must be there is, and none that neither must nor may.
    void findings() {
        tracer::Snapshot snapshot;
        tracer::Path path = delivered();
        for (const char *code : {"D01", "D10"}) {
            tracer::Finding finding;
            finding.code = code;
            path.findings.push_back(finding);
        }
        snapshot.paths.push_back(std::make_shared<const tracer::Path>(path));
        const auto met = [&](const char *wanted, base::Timestamp since = {}) {
            const auto parsed = session::parseExpectations(
                nlohmann::json::parse(quoted("[{'text':'t','findings':" + std::string(wanted) + "}]")));
            return parsed && session::compare(*parsed, snapshot, {}, since).at(0).met;
        };
        QVERIFY(met("{'present':['D10'],'allowed':['D01']}"));
        QVERIFY(met("{'present':['D01','D10']}"));
        QVERIFY(!met("{'present':['D10']}"));                             // D01 is not allowed
        QVERIFY(!met("{'present':['D10','D13'],'allowed':['D01']}"));     // D13 is missing
        QVERIFY(!met("{'present':[]}"));
        QVERIFY(met("{'present':[]}", base::Timestamp{path.firstSeen.nanoseconds + 1})); // of an earlier run
    }

    void earlierRunsAreLeftOut() {
        const auto expectations =
            session::parseExpectations(nlohmann::json::parse(path(quoted(",'outcome':'delivered'"))));
        tracer::Path old = dropped(), fresh = delivered();
        fresh.firstSeen = {2000};
        QVERIFY(!session::compare(*expectations, snapshot({old, fresh}), {})[0].met);
        QVERIFY(session::compare(*expectations, snapshot({old, fresh}), {}, {1500})[0].met);
    }

    void faults_data() {
        QTest::addColumn<QString>("expect");
        QTest::addColumn<QString>("place");
        QTest::newRow("no array") << "{}"
                                  << "/expect";
        QTest::newRow("no text") << QString::fromStdString(quoted("[{'healthCheck':{'node':'a','status':1}}]"))
                                 << "/expect/0";
        QTest::newRow("nothing wanted") << QString::fromStdString(quoted("[{'text':'t'}]")) << "/expect/0";
        QTest::newRow("two things wanted")
            << QString::fromStdString(
                   quoted("[{'text':'t','healthCheck':{'node':'a','status':1},'answer':{'from':'a','to':'b'}}]"))
            << "/expect/0";
        QTest::newRow("misspelt") << QString::fromStdString(quoted(
                                         "[{'text':'t','path':{'client':'a','requested':'b','sourcePreserve':true}}]"))
                                  << "sourcePreserve";
        QTest::newRow("second") << QString::fromStdString(
                                       quoted("[{'text':'t','answer':{'from':'a','to':'b'}},{'text':'t','path':{}}]"))
                                << "/expect/1";
        QTest::newRow("wrong type") << QString::fromStdString(
                                           quoted("[{'text':'t','healthCheck':{'node':'a','status':'200'}}]"))
                                    << "/expect/0";
    }
    void faults() {
        QFETCH(QString, expect);
        QFETCH(QString, place);
        const auto result = session::parseExpectations(nlohmann::json::parse(expect.toStdString()));
        QVERIFY(!result);
        QVERIFY2(QString::fromStdString(result.error().sentence()).contains(place), result.error().sentence().c_str());
    }
};

NATLENS_TEST(TestExpectations)
#include "tst_expectations.moc"
