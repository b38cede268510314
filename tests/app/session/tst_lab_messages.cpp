#include "app/session/lab_messages.h"

#include "tests/test_program.h"
#include <nlohmann/json.hpp>

using namespace natlens::session;

namespace {

/// JSON written with single quotes: moc 6.4 loses the class in a file with such raw strings.
std::string jsonOf(std::string text) {
    std::replace(text.begin(), text.end(), '\'', '"');
    return text;
}

const std::string kReady =
    jsonOf("{'event':'ready','scenario':'nodeport','summary':'s','enterHint':'natlens lab exec node2 -- bash',") +
    jsonOf("'clients':['client'],'targets':['http://10.240.0.5:32080/'],'nodes':['node1','node2'],'expect':[]}\n");
const std::string kState =
    jsonOf("{'event':'state','services':[{'name':'default/nodeport','externalTrafficPolicy':'Local','endpoints':1}],") +
    jsonOf("'pods':[{'name':'default/"
           "source-ip-app','node':'node1','ip':'10.180.1.136','client':false}],'inRotation':['node1']}\n");

} // namespace

class TestLabMessages : public QObject {
    Q_OBJECT
private Q_SLOTS:
    /// A stream socket may cut a line anywhere: every cut gives the same state.
    void linesMayBeCutAnywhere() {
        const std::string text =
            kReady + kState + jsonOf("{'event':'log','text':'built'}\n") +
            jsonOf("{'event':'answer','from':'client','to':'u','status':200,'clientAddress':null,'text':'x'}\n") +
            jsonOf("{'event':'steps-done'}\n");
        for (std::size_t cut = 0; cut <= text.size(); ++cut) {
            LabConversation lab;
            lab.feed(std::string_view(text).substr(0, cut));
            lab.feed(std::string_view(text).substr(cut));
            QVERIFY(lab.ready && lab.status.running);
            QCOMPARE(lab.status.scenario, std::string("nodeport"));
            QCOMPARE(lab.status.nodes.size(), std::size_t(2));
            QCOMPARE(lab.status.services.at(0).externalTrafficPolicy, std::string("Local"));
            QCOMPARE(lab.status.pods.at(0).ip, std::string("10.180.1.136"));
            QCOMPARE(lab.status.log, std::vector<std::string>{"built"});
            QCOMPARE(lab.status.answers.at(0).status, 200);
            QCOMPARE(lab.stepsDone, 1u);
        }
    }

    void errors() {
        LabConversation lab;
        lab.feed(jsonOf("{'event':'error','message':'no such pod','exitStatus':2,'fatal':false}\n"));
        QVERIFY(lab.fatal.empty());
        QCOMPARE(lab.status.log, std::vector<std::string>{"error: no such pod"});
        QCOMPARE(lab.status.faults, std::vector<std::string>{"no such pod"});
        lab.feed(jsonOf("{'event':'error','message':'user namespaces are off','exitStatus':3,'fatal':true}\n"));
        QCOMPARE(lab.fatal, std::string("user namespaces are off"));
        QCOMPARE(lab.fatalStatus, 3);
    }

    /// What cannot be read is said, and the conversation goes on; what is not known is left alone.
    void strangeLines_data() {
        QTest::addColumn<QByteArray>("line");
        QTest::addColumn<bool>("complains");
        QTest::newRow("no JSON") << QByteArray("hello\n") << true;
        QTest::newRow("no event") << QByteArray("{}\n") << true;
        QTest::newRow("array") << QByteArray("[1]\n") << true;
        QTest::newRow("wrong type") << QByteArray::fromStdString(jsonOf("{'event':'log','text':7}\n")) << true;
        QTest::newRow("bytes that are no text") << QByteArray("\xff\xfe\n") << true;
        QTest::newRow("unknown event") << QByteArray::fromStdString(jsonOf("{'event':'weather'}\n")) << false;
        QTest::newRow("empty") << QByteArray("\n") << false;
    }
    void strangeLines() {
        QFETCH(QByteArray, line);
        QFETCH(bool, complains);
        LabConversation lab;
        lab.feed({line.constData(), static_cast<std::size_t>(line.size())});
        QCOMPARE(lab.status.log.size(), std::size_t(complains ? 1 : 0));
        lab.feed(kReady);
        QVERIFY(lab.ready);
    }

    void brokenExpectationsAreFatal() {
        LabConversation lab;
        lab.feed(jsonOf("{'event':'ready','scenario':'x','expect':[{'text':'t'}]}\n"));
        QVERIFY(lab.fatal.find("/expect/0") != std::string::npos);
        QCOMPARE(lab.fatalStatus, 2);
    }

    void listsAreBounded() {
        LabConversation lab;
        for (std::size_t i = 0; i < LabConversation::kMaxLines + 5; ++i)
            lab.feed(jsonOf("{'event':'log','text':'") + std::to_string(i) + "\"}\n");
        QCOMPARE(lab.status.log.size(), LabConversation::kMaxLines);
        QCOMPARE(lab.status.log.front(), std::string("5"));
        lab.feed(std::string(LabConversation::kMaxLineBytes + 1, 'x'));
        QVERIFY(!lab.fatal.empty());
    }

    /// Commands are one line of valid JSON whatever is put into them.
    void commands() {
        using Json = nlohmann::json;
        QCOMPARE(Json::parse(playCommand()), (Json{{"command", "play"}}));
        QCOMPARE(Json::parse(stopCommand()), (Json{{"command", "stop"}}));
        QCOMPARE(Json::parse(scaleCommand(3)), (Json{{"command", "scale"}, {"replicas", 3}}));
        QCOMPARE(Json::parse(setPolicyCommand("default/nodeport", "Local")),
                 (Json{{"command", "set-policy"}, {"service", "default/nodeport"}, {"policy", "Local"}}));
        QCOMPARE(Json::parse(movePodCommand("p", "node2")),
                 (Json{{"command", "move-pod"}, {"pod", "p"}, {"node", "node2"}}));
        const std::string odd = requestCommand("a\"b\n", "\xff");
        QVERIFY(odd.find('\n') == std::string::npos);
        QCOMPARE(Json::parse(odd)["from"].get<std::string>(), std::string("a\"b\n"));
    }
};

NATLENS_TEST(TestLabMessages)
#include "tst_lab_messages.moc"
