// The lab's side of docs/lab-protocol.md.
#include "app/lab/control.h"

#include "quoted_json.h"
#include "tests/test_program.h"
#include <nlohmann/json.hpp>
#include <sys/socket.h>

using namespace natlens;
using namespace natlens::lab;
using natlens::test::json;

class TestControl : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void commands_data() {
        QTest::addColumn<QByteArray>("line");
        QTest::addColumn<int>("kind"); // index in the variant
        QTest::newRow("play") << json("{'command':'play'}") << 0;
        QTest::newRow("stop") << json("{'command':'stop'}") << 1;
        QTest::newRow("request") << json("{'command':'request','from':'client','url':'http://1.2.3.4/'}") << 2;
        QTest::newRow("policy") << json("{'command':'set-policy','service':'a/b','policy':'Local'}") << 3;
        QTest::newRow("move") << json("{'command':'move-pod','pod':'p','node':'n'}") << 4;
        QTest::newRow("scale") << json("{'command':'scale','replicas':3}") << 5;
        QTest::newRow("resync") << json("{'command':'resync'}") << 7;
        QTest::newRow("scale negative") << json("{'command':'scale','replicas':-3}") << 6;
        QTest::newRow("scale huge") << json("{'command':'scale','replicas':18446744073709551615}") << 6;
        QTest::newRow("unknown") << json("{'command':'explode'}") << 6;
        QTest::newRow("no json") << QByteArray("play") << 6;
        QTest::newRow("wrong type") << json("{'command':7}") << 6;
        QTest::newRow("empty") << QByteArray("") << 6;
    }

    void commands() {
        QFETCH(QByteArray, line);
        QFETCH(int, kind);
        QCOMPARE(int(parseCommand(line.toStdString()).index()), kind);
    }

    void linesComeInPieces() {
        int ends[2];
        QCOMPARE(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
        Control control{base::UniqueFd(ends[0])};
        base::UniqueFd front(ends[1]);
        bool closed = true;
        QVERIFY(control.receive(closed).empty());
        QVERIFY(!closed);
        const std::string text = "{\"command\":\"play\"}\n{\"command\":\"st";
        QCOMPARE(::write(front.get(), text.data(), text.size()), ssize_t(text.size()));
        QCOMPARE(control.receive(closed).size(), std::size_t(1));
        const std::string rest = "op\"}\n";
        QCOMPARE(::write(front.get(), rest.data(), rest.size()), ssize_t(rest.size()));
        const auto commands = control.receive(closed);
        QCOMPARE(commands.size(), std::size_t(1));
        QVERIFY(std::holds_alternative<StopCommand>(commands[0]));
        front.reset();
        (void)control.receive(closed);
        QVERIFY(closed);
        control.log("nobody listens"); // must not kill the process
    }

    void eventsAreOneLineEach() {
        int ends[2];
        QCOMPARE(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
        Control control{base::UniqueFd(ends[0])};
        base::UniqueFd front(ends[1]);
        control.ready({"nodeport", "sum", "hint", {"client"}, {"http://x/"}, {"node1"}, json("[{'text':'t'}]").toStdString()});
        control.answer({"client", "http://x/", 200, "1.2.3.4", "", "two\nlines \xff"});
        control.stepsDone();
        char buffer[4096];
        const auto n = ::read(front.get(), buffer, sizeof buffer);
        QVERIFY(n > 0);
        const auto lines = QByteArray(buffer, int(n)).trimmed().split('\n');
        QCOMPARE(lines.size(), 3);
        const auto ready = nlohmann::json::parse(lines[0].toStdString());
        QCOMPARE(ready["event"].get<std::string>(), std::string("ready"));
        QCOMPARE(ready["expect"][0]["text"].get<std::string>(), std::string("t"));
        const auto answer = nlohmann::json::parse(lines[1].toStdString());
        QVERIFY(answer["text"].get<std::string>().starts_with("two\nlines"));
    }

    void theListNamesEveryScenario() {
        const auto lines = QByteArray::fromStdString(scenarioListJson()).trimmed().split('\n');
        QCOMPARE(std::size_t(lines.size()), builtInScenarios().size());
        for (const auto &line : lines) {
            const auto object = nlohmann::json::parse(line.toStdString());
            QVERIFY(!object["name"].get<std::string>().empty());
            QVERIFY(!object["summary"].get<std::string>().empty());
        }
    }
};

NATLENS_TEST(TestControl)
#include "tst_control.moc"
