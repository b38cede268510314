// The report for an issue tracker: what is in it, that it stays short, and that packets cannot write markup into it.
#include "app/cli/markdown.h"
#include "app/cli/report_markdown.h"

#include <QRegularExpression>
#include <QStringList>
#include "tests/test_program.h"

using namespace natlens;
using namespace natlens::cli;

namespace {

packet::SocketAddress at(const char *text) {
    return *packet::SocketAddress::parse(text);
}

/// client -> node2 (SNAT, DNAT) -> pod, with `hostile` wherever packets and files have their say.
std::shared_ptr<tracer::Path> pathOf(unsigned number, const std::string &hostile = {}) {
    auto path = std::make_shared<tracer::Path>();
    const std::int64_t start = 1'700'000'000'000'000'000 + number * 1'000'000;
    path->id = "p" + std::to_string(number);
    path->kind = tracer::PathKind::service;
    path->protocol = packet::Protocol::tcp;
    path->client = {"client" + hostile, {at("104.132.1.79:1").ip, static_cast<packet::Port>(1024 + number % 60000)}};
    path->requested = at("10.240.0.5:32080");
    path->outcome = number % 7 == 3 ? tracer::Outcome::dropped : tracer::Outcome::delivered;
    if (number % 7 == 3) path->droppedAt = "node2" + hostile;
    path->http = tracer::HttpExchange{};
    path->http->method = "GET";
    path->http->target = "/" + hostile;
    path->firstSeen = {start};
    path->lastSeen = {start + 500'000};
    path->packets = 10;
    if (!hostile.empty()) path->notes.push_back(hostile);
    tracer::Hop hop;
    hop.host = "node2" + hostile;
    hop.nat = {tracer::Nat::snat, tracer::Nat::dnat};
    hop.in = tracer::HopEnd{"eth0" + hostile, {start}, path->client.address, path->requested, 64, {number * 2 + 1}};
    hop.out = tracer::HopEnd{"eth0" + hostile, {start + 21'500}, at("10.240.0.5:4021"), at("10.180.1.136:8080"), 63,
                             {number * 2 + 2}};
    hop.rule = "default/nodeport:http node port, masquerade" + hostile;
    hop.evidence = {tracer::EvidenceKind::conntrack};
    hop.confidence = 1;
    path->hops.push_back(hop);
    return path;
}

session::View viewOf(unsigned paths, const std::string &hostile = {}) {
    auto snapshot = std::make_shared<tracer::Snapshot>();
    snapshot->packets = paths * 10;
    snapshot->firstTime = {1'700'000'000'000'000'000};
    snapshot->lastTime = {1'700'000'060'000'000'000};
    snapshot->ended = true;
    tracer::Host host;
    host.name = "node2" + hostile;
    tracer::HostClock clock;
    clock.state = tracer::HostClock::State::corrected;
    clock.reference = "client" + hostile;
    clock.offset = 5'000'012'345;
    clock.skew = 100e-6;
    clock.bound = 23'100;
    clock.samples = 40;
    host.clock = std::make_shared<const tracer::HostClock>(clock);
    snapshot->hosts.push_back(host);
    tracer::CapturePointStatus point;
    point.name = "node2" + hostile + "/eth0" + hostile;
    point.host = "node2" + hostile;
    point.interface = "eth0" + hostile;
    point.packets = 20;
    point.dropped = 3;
    point.cut = 5;
    snapshot->points.push_back(point);
    for (unsigned i = 0; i < paths; ++i) {
        auto path = pathOf(i, hostile);
        if (i == paths / 2) {
            tracer::Finding finding;
            finding.code = "D13";
            finding.severity = tracer::Severity::error;
            finding.text = "Node node2 has no endpoint" + hostile;
            finding.fix = "Scale the Deployment" + hostile;
            finding.field = "spec.externalTrafficPolicy: Local" + hostile;
            finding.packets = {{17}, {21}};
            path->findings.push_back(finding);
        }
        snapshot->paths.push_back(std::move(path));
    }
    session::View view;
    view.traced = snapshot;
    view.ended = true;
    if (!hostile.empty()) view.problem = "recording breaks off" + hostile;
    return view;
}

const ReportOrigin kOrigin{{"a.pcap", "it's b.pcap"}, {"/usr/bin/natlens", "replay", "a.pcap", "it's b.pcap"}};

QString report(const session::View &view) {
    return QString::fromStdString(markdownReport(view, kOrigin));
}

/// The text without its fenced blocks.
QStringList prose(const QString &text, int *blocks = nullptr) {
    QStringList lines;
    QString fence;
    for (const QString &line : text.split('\n')) {
        const auto match = QRegularExpression("^`{3,}").match(line);
        if (fence.isEmpty() && match.hasMatch()) {
            fence = match.captured();
            if (blocks) ++*blocks;
        } else if (!fence.isEmpty() && line == fence) {
            fence.clear();
        } else if (fence.isEmpty()) {
            lines << line;
        }
    }
    if (!fence.isEmpty()) lines << "a block that never ends";
    return lines;
}

} // namespace

class TestReportMarkdown : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void says_data() {
        QTest::addColumn<QString>("words");
        for (const char *words : {"# natlens report",
                                  "3 connections in 30 packets",
                                  "2023-11-14 22:13:20.000000000 UTC",
                                  "## Picture",
                                  "```",
                                  "### D13 (error)",
                                  "Node node2 has no endpoint",
                                  "`spec.externalTrafficPolicy: Local`",
                                  "Scale the Deployment",
                                  "packets 17, 21",
                                  "D13 (error, 1 connection)",
                                  "| SNAT, DNAT |",
                                  "`104.132.1.79:1024`",
                                  "+21.5 us",
                                  "conntrack",
                                  "default/nodeport:http node port, masquerade",
                                  "5.000012345 s",
                                  "+100.000 ppm",
                                  "23.1 us",
                                  "The captures lost 3 packets",
                                  "| node2/eth0 | 20 | 3 | 5 |",
                                  "natlens replay a.pcap 'it'\\''s b.pcap'\n",
                                  "tcpdump -i eth0 -s 256 -B 16384 -w node2-eth0.pcap '(host 10.240.0.5 and host "
                                  "10.180.1.136 and tcp port 8080) or (host "
                                  "104.132.1.79 and host 10.240.0.5 and tcp port 32080) or icmp or icmp6'",
                                  "--record together.pcapng",
                                  "tshark -r together.pcapng -Y '(ip.addr==10.240.0.5 && ip.addr==10.180.1.136 && "
                                  "tcp.port==4021 && tcp.port==8080) || "})
            QTest::newRow(words) << words;
    }
    void says() {
        QFETCH(QString, words);
        const QString text = report(viewOf(3));
        QVERIFY2(text.contains(words), qPrintable(text));
    }

    /// Of ten thousand connections those with findings are shown, and the rest counted.
    void staysShort() {
        const QString text = report(viewOf(10'000));
        QVERIFY2(text.size() < 60'000, qPrintable(QString::number(text.size())));
        QVERIFY(text.contains("10000 connections"));
        QVERIFY(text.contains("### p5000: client 104.132.1.79:6024"));
        QVERIFY(text.contains("### 9990 connections more"));
        QVERIFY(text.contains("of 10000 connections, those with findings first"));
    }

    /// GitHub's and GitLab's Markdown: nothing that came from outside is read as markup, and tables stay tables.
    void hostileText_data() {
        QTest::addColumn<QByteArray>("hostile");
        QTest::newRow("HTML") << QByteArray("<script>alert(1)</script><img src=x>");
        QTest::newRow("table") << QByteArray("| x | y |\n| --- |\n");
        QTest::newRow("fence") << QByteArray("\n```\n````\n# owned\n");
        QTest::newRow("code span") << QByteArray("` `` ``` <b>");
        QTest::newRow("links") << QByteArray("[a](http://evil.example) http://evil.example www.evil.example ![i](x)");
        QTest::newRow("mention") << QByteArray("@everyone #1 **bold** ~~gone~~ $x$");
        QTest::newRow("control characters") << QByteArray("\x1b[31m\r\n\x07\x7f\xe2\x80\xae\xc2\x9b");
        QTest::newRow("not UTF-8") << QByteArray("\xff\xfe\xc3(\xed\xa0\x80");
        QTest::newRow("quotes") << QByteArray("' \" $(reboot) \\");
    }
    void hostileText() {
        QFETCH(QByteArray, hostile);
        const std::string text = markdownReport(viewOf(3, hostile.toStdString()), kOrigin);
        QCOMPARE(QString::fromStdString(text).toUtf8(), QByteArray::fromStdString(text)); // it is UTF-8
        for (const char c : text)
            QVERIFY(static_cast<unsigned char>(c) >= 0x20 || c == '\n');
        int blocks = 0, expectedBlocks = 0;
        const QStringList lines = prose(QString::fromStdString(text), &blocks);
        const QStringList usual = prose(report(viewOf(3)), &expectedBlocks);
        QCOMPARE(blocks, expectedBlocks);
        QCOMPARE(lines.filter(QRegularExpression("^#")).size(), usual.filter(QRegularExpression("^#")).size());
        int columns = 0;
        for (const QString &line : lines) {
            // Spans of code show what they hold, and end no cell but by a bare bar.
            QString bare = line;
            bare.replace(QRegularExpression("(`+)(?!`).*?(?<!`)\\1(?!`)"), "code");
            for (const char *markup : {"<", "](", "@", "**b", "~~", "http://", "www."})
                QVERIFY2(!bare.contains(markup), qPrintable(line));
            if (!line.startsWith("|")) {
                columns = 0;
                continue;
            }
            const auto bars = QString(line).remove("\\|").count('|');
            if (columns != 0) QCOMPARE(int(bars), columns);
            columns = int(bars);
        }
    }

    void shellWords_data() {
        QTest::addColumn<QByteArray>("word");
        QTest::addColumn<QByteArray>("quoted");
        QTest::newRow("plain") << QByteArray("a-b_1.pcap") << QByteArray("a-b_1.pcap");
        QTest::newRow("space") << QByteArray("a b") << QByteArray("'a b'");
        QTest::newRow("quote") << QByteArray("it's") << QByteArray("'it'\\''s'");
        QTest::newRow("command") << QByteArray("$(reboot)") << QByteArray("'$(reboot)'");
        QTest::newRow("empty") << QByteArray() << QByteArray("''");
    }
    void shellWords() {
        QFETCH(QByteArray, word);
        QFETCH(QByteArray, quoted);
        QCOMPARE(QByteArray::fromStdString(shellWord(word.toStdString())), quoted);
    }

    void nothingSeen() {
        session::View view;
        view.traced = std::make_shared<tracer::Snapshot>();
        const QString text = report(view);
        QVERIFY(text.contains("0 connections in 0 packets"));
        QVERIFY(!text.contains("## Connections"));
    }
};

NATLENS_TEST(TestReportMarkdown)
#include "tst_report_markdown.moc"
