// --cluster given several times, files of all kinds mixed, good and bad.
#include "write_file.h"
#include "tests/test_program.h"

#include "lab/natlens_run.h"

using namespace natlens::test;

namespace {

/// One Service of a node in iptables mode.
const QByteArray kRules = R"(*nat
:KUBE-SERVICES - [0:0]
-A KUBE-SEP-1 -p tcp -m comment --comment "t/web" -m tcp -j DNAT --to-destination 10.1.1.5:8080
-A KUBE-SERVICES -d 172.30.9.9/32 -p tcp -m comment --comment "t/web cluster IP" -m tcp --dport 80 -j KUBE-SVC-A
-A KUBE-SVC-A -m comment --comment "t/web -> 10.1.1.5:8080" -j KUBE-SEP-1
COMMIT
)";

} // namespace

class TestClusterFiles : public QObject {
    Q_OBJECT

    QTemporaryDir m_place;
    [[nodiscard]] QString at(const QString &name) const { return m_place.filePath(name); }

private Q_SLOTS:
    /// explain answers by the rules, and says what the objects would say.
    void explained() {
        const QString data = NATLENS_TEST_DATA;
        QTemporaryDir place;
        QFile file(data + "/rules/nftables-n1-v4.json");
        QVERIFY(file.open(QIODevice::ReadOnly));
        QVERIFY(write(place.filePath("n1.nft.json"), file.readAll().replace("10.1.2.5\",8080", "10.1.2.99\",8080")));
        const QStringList question{"explain", "--node", "n1", "--from", "10.1.1.5", "--to", "172.30.1.2:80", "--json"};
        const Run alone = run(question + QStringList{"--cluster", place.filePath("n1.nft.json")});
        QVERIFY2(alone.status == 0, alone.said());
        QVERIFY2(alone.out.contains("10.1.2.99") && alone.out.contains("\"np-cluster\""), alone.said());
        const Run both = run(question + QStringList{"--cluster", data + "/cluster/cluster.json", "--cluster",
                                                    place.filePath("n1.nft.json"), "--mode", "nftables"});
        QVERIFY2(both.status == 0 && both.out.contains("10.1.2.99"), both.said());
        QVERIFY2(both.err.contains("n1 is answered by its rules in"), both.said());
        QVERIFY2(
            both.err.contains("by the Kubernetes objects it would be: forwarded to 10.1.1.5:8080 or 10.1.2.5:8080"),
            both.said());
        // The other node has no rules here: by objects.
        const Run other =
            run({"explain", "--node", "n2", "--from", "10.1.1.5", "--to", "172.30.1.2:80", "--json", "--cluster",
                 data + "/cluster/cluster.json", "--cluster", place.filePath("n1.nft.json")});
        QVERIFY2(other.status == 0 && other.out.contains("10.1.2.5") && !other.out.contains("10.1.2.99"), other.said());
    }

    void files_data() {
        QTest::addColumn<QStringList>("clusters");
        QTest::addColumn<int>("status");
        QTest::addColumn<QByteArrayList>("out");
        QTest::addColumn<QByteArrayList>("err");
        const auto file = [&](const QString &name, const QByteArray &text) {
            if (!write(at(name), text)) qFatal("cannot write");
            return at(name);
        };
        const QString objects = QStringLiteral(NATLENS_TEST_DATA "/cluster/cluster.json");
        const auto rules = file("rules.txt", kRules);
        const auto service = [&](const QString &name, const char *port) {
            return file(name, QByteArray(R"({"kind":"List","items":[{"kind":"Node","metadata":{"name":"n1"}},
{"kind":"Service","metadata":{"namespace":"t","name":"web"},"spec":{"clusterIP":"172.30.9.9","ports":[{"port":)") +
                                  port + R"(}]}}]})");
        };
        const auto row = [](const char *name, const QStringList &clusters, int status, const QByteArrayList &out,
                            const QByteArrayList &err) { QTest::newRow(name) << clusters << status << out << err; };
        row("rules of the node, said", {"n1=" + rules}, 0, {"forwarded", "10.1.1.5:8080", "t/web"},
            {"n1 is answered by its rules in", "rules.txt"});
        row("rules, of whom nobody says", {rules}, 0, {"forwarded", "10.1.1.5:8080"}, {"answered by its rules"});
        row("rules, the file's name says it", {file("n1.iptables-save", kRules)}, 0, {"forwarded"},
            {"n1.iptables-save"});
        row("rules of another node", {"n2=" + rules}, 2, {}, {"no such Node; there are: n2"});
        row("rules of another node, and objects", {objects, "n2=" + rules}, 0, {"forwarded"},
            {"only the rules of other nodes tell of Service t/web: for n1 this is a guess"});
        row("a file whose name has an equals sign", {file("n1=x", kRules)}, 0, {"forwarded"}, {"n1=x"});
        row("objects twice", {objects, objects, rules}, 0, {"forwarded"}, {});
        row("objects that differ", {service("a.json", "80"), service("b.json", "81"), "n1=" + rules}, 0, {"forwarded"},
            {"b.json: Service t/web is another one than in the files before; this one is used",
             "Service t/web: rules of a node say port 80, the object does not"});
        row("rules of a node that is none", {objects, "nowhere=" + rules}, 0, {},
            {"rules.txt: rules of node nowhere, but the objects have no such Node"});
        row("a listing that breaks off", {"n1=" + file("half.txt", kRules.left(kRules.size() - 20))}, 0, {},
            {"half.txt: table nat: line 5: the listing breaks off here"});
        row("neither objects nor rules", {file("prose.txt", "hello\n")}, 2, {}, {"prose.txt", "line 1"});
        row("one of two is missing", {objects, at("missing.json")}, 2, {}, {"missing.json"});
        row("standard input twice", {"-", "-"}, 2, {}, {"standard input can be read only once"});
    }
    void files() {
        QFETCH(QStringList, clusters);
        QFETCH(int, status);
        QFETCH(QByteArrayList, out);
        QFETCH(QByteArrayList, err);
        QStringList arguments{"explain", "--node", "n1", "--from", "10.1.1.7", "--to", "172.30.9.9:80"};
        for (const auto &cluster : clusters)
            arguments << "--cluster" << cluster;
        const Run ran = run(arguments);
        QVERIFY2(ran.status == status, ran.said());
        for (const auto &word : out)
            QVERIFY2(ran.out.contains(word), (word + "\n" + ran.said()).constData());
        for (const auto &word : err)
            QVERIFY2(ran.err.contains(word), (word + "\n" + ran.said()).constData());
        if (status != 0) QCOMPARE(ran.err.trimmed().count('\n'), 0);
    }

    /// What cannot be understood is said, with its place, and the rest is used.
    void replayUsesTheRest_data() {
        QTest::addColumn<QByteArray>("text");
        QTest::addColumn<QByteArray>("err");
        const auto json = [](QByteArray text) { return text.replace('\'', '"'); };
        const auto service = [&](const QByteArray &name, const QByteArray &port) {
            return json("{'kind':'Service','metadata':{'namespace':'t','name':'" + name +
                        "'},'spec':{'clusterIP':'172.30.9.9','ports':[{'port':" + port + "}]}}");
        };
        const QByteArray node = json("{'kind':'Node','metadata':{'name':'n1'}}"), good = service("web", "80");
        const auto list = [](const QByteArrayList &items) {
            return "{\"kind\":\"List\",\"items\":[" + items.join(",\n") + "]}";
        };
        QTest::newRow("an object without a kind")
            << list({node, json("{'metadata':{'name':'x'}}"), good}) << QByteArray("/items/1/kind");
        QTest::newRow("a number") << list({"7", good}) << QByteArray("/items/0: expected a Kubernetes object");
        QTest::newRow("a field") << list({good, service("y", "'abc'")}) << QByteArray("/items/1/spec/ports/0/port");
        QTest::newRow("broken off") << list({node, good, node}).chopped(20) << QByteArray("line 3, column 23: ");
    }
    void replayUsesTheRest() {
        QFETCH(QByteArray, text);
        QFETCH(QByteArray, err);
        QVERIFY(write(at("some.json"), text));
        const Run recorded = run({"lab", "run", "clusterip", "--simulated", "--quiet", "--record", at("lab.pcapng")});
        QVERIFY2(recorded.status == 0, recorded.said());
        const Run ran = run({"replay", at("lab.pcapng"), "--cluster", at("some.json"), "--json"});
        QVERIFY2(ran.status == 0, ran.said());
        QVERIFY2(ran.err.contains("some.json: ") && ran.err.contains(err), ran.said());
        QVERIFY2(ran.out.contains("natlens.path/1"), ran.said());
    }

    void nestedTooDeeply() {
        const QByteArray deep = QByteArray("[").repeated(1'000'000) + QByteArray("]").repeated(1'000'000);
        QVERIFY(write(at("deep.json"), R"({"kind":"List","items":[7,{"kind":"Pod","a":)" + deep + "}]}"));
        const Run recorded = run({"lab", "run", "clusterip", "--simulated", "--quiet", "--record", at("deep.pcapng")});
        QVERIFY2(recorded.status == 0, recorded.said());
        const Run ran = run({"replay", at("deep.pcapng"), "--cluster", at("deep.json")});
        QVERIFY2(ran.status == 2 && ran.err.contains("deep.json: is nested too deeply"), ran.said());
    }

    /// A lab is built of objects.
    void lab() {
        QVERIFY(write(at("lab.txt"), kRules));
        const Run ran = run({"lab", "run", "nodeport", "--simulated", "--cluster", at("lab.txt")});
        QVERIFY2(ran.status == 2 && ran.err.contains("rules of a node"), ran.said());
        QCOMPARE(ran.err.trimmed().count('\n'), 0);
    }

    /// What rules say, in words, and as rules again.
    void printed() {
        QVERIFY(write(at("print.txt"), kRules));
        const Run plan = run({"rules", "--cluster", "n1=" + at("print.txt"), "--node", "n1", "--format", "plan"});
        QVERIFY2(plan.status == 0 && plan.out.contains("t/web") && plan.out.contains("10.1.1.5:8080"), plan.said());
        const Run nft = run({"rules", "--cluster", "n1=" + at("print.txt"), "--node", "n1", "--format", "nftables"});
        QVERIFY2(nft.status == 0 && nft.out.contains("172.30.9.9 . tcp . 80 : goto service-"), nft.said());
    }
};

NATLENS_TEST(TestClusterFiles)
#include "tst_cluster_files.moc"
