// Listings of all kinds: versions of kube-proxy, other programs' rules, forms of the text, and broken ones.
#ifndef Q_MOC_RUN // moc of Qt 6.4 stumbles over <concepts>
#include "proxycore/rules/decisions.h"
#include "proxycore/rules/rules_state.h"
#endif

#include "tests/test_program.h"

using namespace natlens::proxycore;

namespace {

/// One Service with a node port in today's form: what the tables below vary.
const std::string kNat = R"(*nat
:PREROUTING ACCEPT [0:0]
:KUBE-MARK-MASQ - [0:0]
:KUBE-SERVICES - [0:0]
:KUBE-NODEPORTS - [0:0]
-A KUBE-EXT-A -m comment --comment "masquerade traffic for ns/web:http external destinations" -j KUBE-MARK-MASQ
-A KUBE-EXT-A -j KUBE-SVC-A
-A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000
-A KUBE-NODEPORTS -p tcp -m comment --comment "ns/web:http" -m tcp --dport 30080 -j KUBE-EXT-A
-A KUBE-SEP-1 -s 10.0.1.2/32 -m comment --comment "ns/web:http" -j KUBE-MARK-MASQ
-A KUBE-SEP-1 -p tcp -m comment --comment "ns/web:http" -m tcp -j DNAT --to-destination 10.0.1.2:8080
-A KUBE-SERVICES -d 10.96.0.10/32 -p tcp -m comment --comment "ns/web:http cluster IP" -m tcp --dport 80 -j KUBE-SVC-A
-A KUBE-SERVICES -m comment --comment "kubernetes service nodeports; NOTE: this must be the last rule in this chain" -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS
-A KUBE-SVC-A ! -s 10.0.0.0/8 -d 10.96.0.10/32 -p tcp -m comment --comment "ns/web:http cluster IP" -m tcp --dport 80 -j KUBE-MARK-MASQ
-A KUBE-SVC-A -m comment --comment "ns/web:http -> 10.0.1.2:8080" -j KUBE-SEP-1
COMMIT
)";

/// What a listing says, a line for a service port, then the problems. Only what is there is printed.
std::string summary(const NodeRules &rules) {
    std::string text;
    for (const auto family : {IpFamily::v4, IpFamily::v6}) {
        const auto *found = rules.of(family);
        if (found == nullptr) continue;
        for (const auto &service : found->plan.services) {
            text += service->name.toString() + "/" + std::string(lowerName(service->name.protocol));
            text += " " + std::string(toString(service->type));
            for (const auto &front : service->frontEnds) {
                text += " " + std::string(toString(front.via)) + "=";
                text += front.via == Via::nodePort ? std::to_string(front.port)
                                                   : natlens::packet::SocketAddress{front.ip, front.port}.toString();
                if (front.route == Route::none) text += "!";
                if (front.otherwise == Otherwise::drop) text += "(drop)";
                if (front.otherwise == Otherwise::reject) text += "(reject)";
                if (front.firewalled) text += "(firewall)";
            }
            const auto list = [&](const char *word, const auto &endpoints) {
                for (const auto &endpoint : endpoints)
                    text += " " + std::string(word) + endpoint.address.toString();
            };
            list("->", service->cluster);
            list("local->", service->local);
            if (service->externalLocal) text += " externalLocal";
            if (service->internalLocal) text += " internalLocal";
            if (service->affinity.count() > 0) text += " affinity=" + std::to_string(service->affinity.count());
            for (const auto &range : service->allowedSources)
                text += " from=" + range.toString();
            for (const auto &vip : service->allowedVips)
                text += " from-vip=" + vip.toString();
            text += "\n";
        }
        for (const auto &check : found->plan.healthChecks)
            text += "health " + check.service.toString() + "=" + std::to_string(check.port) + "\n";
    }
    for (const auto &problem : rules.problems)
        text += "! " + problem.toString() + "\n";
    return text;
}

const std::string kWeb = "ns/web:http/tcp NodePort clusterIP=10.96.0.10:80 nodePort=30080 ->10.0.1.2:8080\n";

std::string replaced(std::string text, const std::string &what, const std::string &by) {
    const auto at = text.find(what);
    if (at == text.npos) qFatal("a test replaces what is not there");
    return text.replace(at, what.size(), by);
}

std::string withCounters(const std::string &text) {
    std::string result;
    for (std::size_t at = 0; at < text.size();) {
        const auto end = text.find('\n', at);
        const auto line = text.substr(at, end - at);
        result += (line.starts_with("-A") ? "[12:3456] " : "") + line + "\n";
        at = end + 1;
    }
    return result;
}

} // namespace

class TestListings : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void listing_data() {
        QTest::addColumn<QByteArray>("text");
        QTest::addColumn<QByteArray>("expected");
        const auto row = [](const char *name, const std::string &text, const std::string &expected) {
            QTest::newRow(name) << QByteArray::fromStdString(text) << QByteArray::fromStdString(expected);
        };
        row("iptables-save", kNat, kWeb);
        row("iptables-save -c", withCounters(kNat), kWeb);
        row("CRLF", QByteArray::fromStdString(kNat).replace("\n", "\r\n").toStdString(), kWeb);
        row("among other programs' rules",
            "# Generated by iptables-save v1.8.9 on Mon\n*raw\n:PREROUTING ACCEPT [0:0]\n:cali-PREROUTING - [0:0]\n"
            "-A PREROUTING -m comment --comment \"cali:6gwbT8clXdHdC1b1\" -j cali-PREROUTING\nCOMMIT\n" +
                replaced(kNat, ":KUBE-SERVICES - [0:0]\n",
                         ":KUBE-SERVICES - [0:0]\n:DOCKER - [0:0]\n:CILIUM_PRE_nat - [0:0]\n"
                         "-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER\n"
                         "-A DOCKER ! -i docker0 -p tcp -m tcp --dport 80 -j DNAT --to-destination 172.17.0.2:80\n"
                         "-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE\n"
                         "-A PREROUTING -m comment --comment \"cilium-feeder: CILIUM_PRE_nat\" -j CILIUM_PRE_nat\n"),
            kWeb);
        row("quotes in comments",
            replaced(kNat, "*nat\n",
                     "*nat\n-A POSTROUTING -m comment --comment \"say \\\"no\\\" -j KUBE-X\" -j ACCEPT\n"
                     "-A KUBE-MARK-MASQ -m comment --comment \"a \\\\ and a \\\" -j DROP\"\n"),
            kWeb);
        row("an unnamed port", QByteArray::fromStdString(kNat).replace("ns/web:http", "ns/web").toStdString(),
            "ns/web/tcp NodePort clusterIP=10.96.0.10:80 nodePort=30080 ->10.0.1.2:8080\n");
        row("up to 1.18: a colon", QByteArray::fromStdString(kNat).replace("ns/web:http", "ns/web:").toStdString(),
            "ns/web/tcp NodePort clusterIP=10.96.0.10:80 nodePort=30080 ->10.0.1.2:8080\n");
        row("many endpoints: no comments at the endpoints",
            replaced(replaced(replaced(kNat, "-m comment --comment \"ns/web:http -> 10.0.1.2:8080\" ", ""),
                              "-s 10.0.1.2/32 -m comment --comment \"ns/web:http\" ", "-s 10.0.1.2/32 "),
                     "-p tcp -m comment --comment \"ns/web:http\" -m tcp -j DNAT", "-p tcp -m tcp -j DNAT"),
            kWeb);
        row("a DNAT that an older program cannot print",
            replaced(kNat, "DNAT --to-destination 10.0.1.2:8080", "DNAT [unsupported revision]"), kWeb);
        row("a stale endpoint is what the rules say",
            replaced(kNat, "--to-destination 10.0.1.2:8080", "--to-destination 10.0.1.99:8080"),
            "ns/web:http/tcp NodePort clusterIP=10.96.0.10:80 nodePort=30080 ->10.0.1.99:8080\n");
        row("weighted endpoints and affinity",
            replaced(kNat, "-A KUBE-SVC-A -m comment --comment \"ns/web:http -> 10.0.1.2:8080\" -j KUBE-SEP-1\n",
                     "-A KUBE-SVC-A -m recent --rcheck --seconds 60 --reap --name KUBE-SEP-1 --mask 255.255.255.255 "
                     "--rsource -j KUBE-SEP-1\n"
                     "-A KUBE-SVC-A -m recent --rcheck --seconds 60 --reap --name KUBE-SEP-2 --mask 255.255.255.255 "
                     "--rsource -j KUBE-SEP-2\n"
                     "-A KUBE-SVC-A -m statistic --mode random --probability 0.50000000000 -j KUBE-SEP-1\n"
                     "-A KUBE-SVC-A -j KUBE-SEP-2\n"
                     "-A KUBE-SEP-2 -p tcp -m recent --set --name KUBE-SEP-2 --rsource -m tcp -j DNAT --to-destination "
                     "10.0.1.3:8080\n"),
            "ns/web:http/tcp NodePort clusterIP=10.96.0.10:80 nodePort=30080 ->10.0.1.2:8080 ->10.0.1.3:8080 "
            "affinity=60\n");
        row("policy Local without endpoints here, and a Service without any",
            "*filter\n:KUBE-SERVICES - [0:0]\n:KUBE-EXTERNAL-SERVICES - [0:0]\n:KUBE-PROXY-FIREWALL - [0:0]\n"
            "-A KUBE-EXTERNAL-SERVICES -p tcp -m comment --comment \"ns/web:http has no local endpoints\" -m addrtype "
            "--dst-type LOCAL -m tcp --dport 30080 -j DROP\n"
            "-A KUBE-SERVICES -d 10.96.0.11/32 -p udp -m comment --comment \"ns/none has no endpoints\" -m udp --dport "
            "53 "
            "-j REJECT --reject-with icmp-port-unreachable\n"
            "-A KUBE-NODEPORTS -p tcp -m comment --comment \"ns/web:http health check node port\" -m tcp --dport 31000 "
            "-j ACCEPT\nCOMMIT\n" +
                replaced(kNat,
                         "-A KUBE-EXT-A -m comment --comment \"masquerade traffic for ns/web:http external "
                         "destinations\" -j KUBE-MARK-MASQ\n-A KUBE-EXT-A -j KUBE-SVC-A\n",
                         "-A KUBE-EXT-A -s 10.0.0.0/8 -j KUBE-SVC-A\n"),
            "ns/none/udp ClusterIP clusterIP=10.96.0.11:53!(reject)\n"
            "ns/web:http/tcp LoadBalancer clusterIP=10.96.0.10:80 nodePort=30080(drop) ->10.0.1.2:8080 externalLocal\n"
            "health ns/web=31000\n");
        row("1.20: KUBE-XLB, KUBE-FW that ends in KUBE-MARK-DROP",
            "*nat\n:KUBE-SERVICES - [0:0]\n"
            "-A KUBE-FW-A -s 192.0.2.0/24 -m comment --comment \"ns/web:http loadbalancer IP\" -j KUBE-XLB-A\n"
            "-A KUBE-FW-A -s 198.51.100.9/32 -m comment --comment \"ns/web:http loadbalancer IP\" -j KUBE-XLB-A\n"
            "-A KUBE-FW-A -m comment --comment \"ns/web:http loadbalancer IP\" -j KUBE-MARK-DROP\n"
            "-A KUBE-NODEPORTS -s 127.0.0.0/8 -p tcp -m comment --comment \"ns/web:http\" -m tcp --dport 30080 -j "
            "KUBE-MARK-MASQ\n"
            "-A KUBE-NODEPORTS -p tcp -m comment --comment \"ns/web:http\" -m tcp --dport 30080 -j KUBE-XLB-A\n"
            "-A KUBE-SEP-1 -p tcp -m comment --comment \"ns/web:http\" -m tcp -j DNAT --to-destination 10.0.1.2:8080\n"
            "-A KUBE-SEP-2 -p tcp -m comment --comment \"ns/web:http\" -m tcp -j DNAT --to-destination 10.0.2.2:8080\n"
            "-A KUBE-SERVICES ! -s 10.0.0.0/8 -d 10.96.0.10/32 -p tcp -m comment --comment \"ns/web:http cluster IP\" "
            "-m "
            "tcp --dport 80 -j KUBE-MARK-MASQ\n"
            "-A KUBE-SERVICES -d 10.96.0.10/32 -p tcp -m comment --comment \"ns/web:http cluster IP\" -m tcp --dport "
            "80 "
            "-j KUBE-SVC-A\n"
            "-A KUBE-SERVICES -d 198.51.100.9/32 -p tcp -m comment --comment \"ns/web:http loadbalancer IP\" -m tcp "
            "--dport 80 -j KUBE-FW-A\n"
            "-A KUBE-SERVICES -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS\n"
            "-A KUBE-SVC-A -m statistic --mode random --probability 0.50000000000 -j KUBE-SEP-1\n"
            "-A KUBE-SVC-A -j KUBE-SEP-2\n"
            "-A KUBE-XLB-A -s 10.0.0.0/8 -m comment --comment \"Redirect pods trying to reach external loadbalancer "
            "VIP to "
            "clusterIP\" -j KUBE-SVC-A\n"
            "-A KUBE-XLB-A -m addrtype --src-type LOCAL -j KUBE-MARK-MASQ\n"
            "-A KUBE-XLB-A -m addrtype --src-type LOCAL -j KUBE-SVC-A\n"
            "-A KUBE-XLB-A -m comment --comment \"Balancing rule 0 for ns/web:http\" -j KUBE-SEP-1\nCOMMIT\n",
            "ns/web:http/tcp LoadBalancer clusterIP=10.96.0.10:80 loadBalancerIP=198.51.100.9:80(firewall) "
            "nodePort=30080 "
            "->10.0.1.2:8080 ->10.0.2.2:8080 local->10.0.1.2:8080 externalLocal from=192.0.2.0/24 "
            "from-vip=198.51.100.9\n");
        row("IPv6, told by its addresses",
            QByteArray::fromStdString(kNat)
                .replace("10.0.1.2:8080", "[fd00:1::2]:8080")
                .replace("10.0.1.2/32", "fd00:1::2/128")
                .replace("10.96.0.10/32", "fd00:96::a/128")
                .replace("10.0.0.0/8", "fd00:1::/64")
                .toStdString(),
            "ns/web:http/tcp NodePort clusterIP=[fd00:96::a]:80 nodePort=30080 ->[fd00:1::2]:8080\n");
        row("ipvs mode",
            "*nat\n:KUBE-SERVICES - [0:0]\n-A KUBE-SERVICES -m comment --comment \"Kubernetes service cluster ip + "
            "port for "
            "masquerade purpose\" -m set --match-set KUBE-CLUSTER-IP dst,dst -j KUBE-MARK-MASQ\nCOMMIT\n",
            "! kube-proxy runs in ipvs mode: its Services stand in IPVS and not in these rules\n"
            "! has no rules of kube-proxy's iptables mode (no chain KUBE-SERVICES); in nftables mode take `nft -j list "
            "ruleset`\n");
        row("nothing of kube-proxy's", "*nat\n:PREROUTING ACCEPT [0:0]\nCOMMIT\n",
            "! has no rules of kube-proxy's iptables mode (no chain KUBE-SERVICES); in nftables mode take `nft -j list "
            "ruleset`\n");

        // Broken ones.
        row("breaks off in mid-rule", kNat.substr(0, kNat.find("-> 10.0.1.2:8080")),
            "ns/web:http/tcp NodePort clusterIP=10.96.0.10:80! nodePort=30080!\n"
            "! table nat: line 15: the listing breaks off here (there is no COMMIT); what came before is used\n");
        row("a quote that is not closed",
            replaced(kNat, "\"ns/web:http\" -m tcp --dport 30080", "\"ns/web:http -m tcp"),
            "ns/web:http/tcp ClusterIP clusterIP=10.96.0.10:80 ->10.0.1.2:8080\n"
            "! chain KUBE-NODEPORTS: line 9: a quote is not closed; rule left out\n");
        row("no address", replaced(kNat, "-d 10.96.0.10/32 -p tcp", "-d 10.96.0.300/32 -p tcp"),
            "ns/web:http/tcp NodePort nodePort=30080 ->10.0.1.2:8080\n"
            "! chain KUBE-SERVICES: line 12: \"10.96.0.300/32\" is no address or range; rule left out\n");
        row("no port", replaced(kNat, "--dport 30080", "--dport 300800"),
            "ns/web:http/tcp ClusterIP clusterIP=10.96.0.10:80 ->10.0.1.2:8080\n"
            "! chain KUBE-NODEPORTS: line 9: \"300800\" is no port; rule left out\n");
        row("no name", replaced(kNat, "\"ns/web:http cluster IP\"", "\"my own rule\""),
            "ns/web:http/tcp NodePort nodePort=30080 ->10.0.1.2:8080\n"
            "! chain KUBE-SERVICES: line 12: \"my own rule\" does not say which Service it is; rule left out\n");
        row("an endpoint's chain is missing",
            replaced(kNat, "-A KUBE-SVC-A -m comment --comment \"ns/web:http -> 10.0.1.2:8080\" -j KUBE-SEP-1\n",
                     "-A KUBE-SVC-A -m statistic --mode random --probability 0.5 -j KUBE-SEP-9\n-A KUBE-SVC-A -j "
                     "KUBE-SEP-1\n"),
            kWeb +
                "! chain KUBE-SVC-A: line 15: leads to KUBE-SEP-9, which does not say where to; endpoint left out\n");
        row("rules that go in circles",
            replaced(kNat, "COMMIT\n",
                     "-A KUBE-SVC-A -j KUBE-EXT-A\n-A KUBE-EXT-A -j KUBE-FW-A\n-A KUBE-FW-A -j KUBE-FW-A\n"
                     "-A KUBE-FW-A -j KUBE-EXT-A\nCOMMIT\n"),
            kWeb);

        // nft.
        const std::string table = R"(table ip kube-proxy {
	comment "rules for kube-proxy"
	set cluster-ips {
		type ipv4_addr
		elements = { 10.96.0.10 }
	}
	map service-ips {
		type ipv4_addr . inet_proto . inet_service : verdict
		elements = { 10.96.0.10 . tcp . 80 : goto service-AAAAAAAA-ns/web/tcp/http }
	}
	chain service-AAAAAAAA-ns/web/tcp/http {
		meta l4proto tcp counter packets 3 bytes 180 dnat ip to numgen random mod 1 map { 0 : 10.0.1.2 . 8080 } # handle 4
	}
}
)";
        row("nft list ruleset", table, "ns/web:http/tcp ClusterIP clusterIP=10.96.0.10:80 ->10.0.1.2:8080\n");
        row("nft, breaks off in the last chain", table.substr(0, table.find(" map { 0")),
            "ns/web:http/tcp ClusterIP clusterIP=10.96.0.10:80!\n"
            "! chain service-AAAAAAAA-ns/web/tcp/http: line 12: the listing breaks off here; what came before is "
            "used\n");
        row("nft, an element that leads nowhere",
            replaced(table, "goto service-AAAAAAAA-ns/web/tcp/http", "goto elsewhere"),
            "! map service-ips: 10.96.0.10 . tcp . 80 leads to \"elsewhere\", which is no service port; left out\n");
        row("nft of a node in iptables mode",
            "table ip nat {\n\tchain KUBE-SERVICES {\n\t\tmeta l4proto tcp ip daddr 10.96.0.10 tcp dport 80 counter "
            "packets 0 "
            "bytes 0 jump KUBE-SVC-A\n\t}\n}\n",
            "! kube-proxy runs in iptables mode here, and nft does not show what its rules say: take "
            "`iptables-save`\n");
        row("nft, another table only", "table inet filter {\n\tchain input {\n\t\tdrop\n\t}\n}\n",
            "! has no table of kube-proxy's (ip kube-proxy); in iptables mode take `iptables-save`\n");
        const std::string json =
            R"({"nftables":[{"metainfo":{"version":"1.0.6"}},{"table":{"family":"ip","name":"kube-proxy"}},
{"set":{"family":"ip","name":"cluster-ips","table":"kube-proxy","elem":["10.96.0.10"]}},
{"map":{"family":"ip","name":"service-ips","table":"kube-proxy","elem":[[{"concat":["10.96.0.10","tcp",80]},{"goto":{"target":"service-AAAAAAAA-ns/web/tcp/http"}}]]}},
{"rule":{"family":"ip","table":"kube-proxy","chain":"service-AAAAAAAA-ns/web/tcp/http","expr":[{"match":{"op":"==","left":{"meta":{"key":"l4proto"}},"right":"tcp"}},{"dnat":{"addr":{"map":{"key":{"numgen":{"mod":1}},"data":{"set":[[0,{"concat":["10.0.1.2",8080]}]]}}}}}]}}
]})";
        row("nft -j list ruleset", json, "ns/web:http/tcp ClusterIP clusterIP=10.96.0.10:80 ->10.0.1.2:8080\n");
        row("nft -j, breaks off", json.substr(0, json.find("\"numgen\"")),
            "ns/web:http/tcp ClusterIP clusterIP=10.96.0.10:80!\n"
            "! /nftables/4: the listing breaks off here; what came before is used\n"
            "! chain service-AAAAAAAA-ns/web/tcp/http: is not in the listing\n");
        row("nft -j, one object is no JSON", replaced(json, "\"elem\":[\"10.96.0.10\"]", "\"elem\":[10.96.0.10]"),
            "ns/web:http/tcp ClusterIP clusterIP=10.96.0.10:80 ->10.0.1.2:8080\n! /nftables/2: is not JSON; left "
            "out\n");
        row("nft -j, wrong types everywhere",
            R"({"nftables":[7,null,{"rule":[]},{"map":{"family":"ip","table":"kube-proxy","name":7,"elem":{"a":1}}},
{"map":{"family":"ip","table":"kube-proxy","name":"service-ips","elem":[1,[2],[{"concat":"x"},{"goto":7}]]}},
{"rule":{"family":"ip","table":"kube-proxy","chain":[],"expr":[[],{"match":3},{"dnat":null},{"vmap":{"data":{"set":[[]]}}}]}}]})",
            "! map service-ips: 1 leads to \"\", which is no service port; left out\n"
            "! map service-ips:  leads to \"\", which is no service port; left out\n"
            "! map service-ips:  leads to \"\", which is no service port; left out\n");
    }

    void listing() {
        QFETCH(QByteArray, text);
        QFETCH(QByteArray, expected);
        const auto rules = readNodeRules(text.toStdString(), "file");
        QVERIFY2(rules.has_value(), rules ? "" : rules.error().sentence().c_str());
        QCOMPARE(QByteArray::fromStdString(summary(*rules)), expected);
    }

    void format_data() {
        QTest::addColumn<QByteArray>("text");
        QTest::addColumn<int>("format");
        const auto row = [](const char *name, const char *text, RulesFormat format) {
            QTest::newRow(name) << QByteArray(text) << static_cast<int>(format);
        };
        row("iptables-save", "# Generated by iptables-save v1.8.9\n*nat\n", RulesFormat::iptables);
        row("without header", "\n*filter\r\n:INPUT", RulesFormat::iptables);
        row("nft text", "table inet x {\n}\n", RulesFormat::nftText);
        row("nft JSON", " {\"nftables\": [", RulesFormat::nftJson);
        row("Kubernetes", "{\"kind\":\"List\",\"items\":[]}", RulesFormat::none);
        row("empty", "", RulesFormat::none);
        row("prose", "* natural things\ntable of contents\n", RulesFormat::none);
    }
    void format() {
        QFETCH(QByteArray, text);
        QFETCH(int, format);
        QCOMPARE(static_cast<int>(rulesFormatOf(text.toStdString())), format);
        if (format == 0) {
            const auto rules = readNodeRules(text.toStdString(), "some.txt");
            QVERIFY(!rules.has_value());
            QVERIFY(rules.error().code == natlens::base::ErrorCode::invalidInput);
        }
    }

    /// Whom the rules take for a local pod, whatever the node calls it.
    void detectors_data() {
        QTest::addColumn<QByteArray>("match");
        QTest::addColumn<int>("kind");
        QTest::addColumn<QByteArray>("value");
        QTest::newRow("range") << QByteArray("! -s 10.0.0.0/8") << 1 << QByteArray("10.0.0.0/8");
        QTest::newRow("range, as old programs print it")
            << QByteArray("-s ! 10.0.0.0/8") << 1 << QByteArray("10.0.0.0/8");
        QTest::newRow("interface") << QByteArray("! -i cbr0") << 2 << QByteArray("cbr0");
        QTest::newRow("interfaces") << QByteArray("! -i cali+") << 3 << QByteArray("cali");
    }
    void detectors() {
        QFETCH(QByteArray, match);
        QFETCH(int, kind);
        QFETCH(QByteArray, value);
        const auto rules = readNodeRules(replaced(kNat, "! -s 10.0.0.0/8", match.toStdString()), "file");
        const auto &plan = rules->v4->plan;
        QCOMPARE(static_cast<int>(plan.detector.kind), kind);
        QCOMPARE(QByteArray::fromStdString(kind == 1 ? plan.detector.range.toString() : plan.detector.interface),
                 value);
        QVERIFY(plan.clusterIpMasquerade == ClusterIpMasquerade::fromOutside);
        QVERIFY(readNodeRules(replaced(kNat, "! -s 10.0.0.0/8 ", ""), "file")->v4->plan.clusterIpMasquerade ==
                ClusterIpMasquerade::always);
    }

    /// Two nodes know more than one: whose endpoint is whose; and they may contradict each other.
    void severalNodes() {
        const auto withLocal = [](std::string text, const char *cluster) {
            text = replaced(text,
                            "-A KUBE-EXT-A -m comment --comment \"masquerade traffic for ns/web:http external "
                            "destinations\" -j KUBE-MARK-MASQ\n-A KUBE-EXT-A -j KUBE-SVC-A\n",
                            "-A KUBE-EXT-A -j KUBE-SVL-A\n-A KUBE-SVL-A -j KUBE-SEP-1\n");
            return QByteArray::fromStdString(text).replace("10.96.0.10", cluster).toStdString();
        };
        const auto first = readNodeRules(withLocal(kNat, "10.96.0.10"), "a");
        const auto second = readNodeRules(
            QByteArray::fromStdString(withLocal(kNat, "10.96.0.11")).replace("10.0.1.2", "10.0.2.2").toStdString(),
            "b");
        const std::vector<RulesOfNode> nodes{{"node2", &*second}, {"node1", &*first}};
        const auto state = clusterStateOf(nodes);
        QCOMPARE(state.nodes.size(), std::size_t{2});
        QCOMPARE(state.services.size(), std::size_t{1});
        const auto service = state.service("ns", "web");
        QCOMPARE(service->clusterIPs.size(), std::size_t{1});
        QCOMPARE(service->clusterIPs.front().toString(), std::string("10.96.0.10"));
        QCOMPARE(state.problems.size(), std::size_t{1});
        QCOMPARE(
            QString::fromStdString(state.problems.front().toString()),
            "Service ns/web: the rules of node node2 say its cluster IP is 10.96.0.11, others 10.96.0.10; left out");
        QString endpoints;
        for (const auto &[name, slice] : state.endpointSlices)
            for (const auto &endpoint : slice->endpoints)
                endpoints +=
                    QString::fromStdString(endpoint.addresses.front().toString() + "@" + endpoint.nodeName + " ");
        QCOMPARE(endpoints, "10.0.1.2@node1 10.0.2.2@node2 ");
    }

    void merged() {
        auto four = readNodeRules(kNat, "a");
        auto six = readNodeRules(QByteArray::fromStdString(kNat)
                                     .replace("10.0.1.2:", "[fd00::2]:")
                                     .replace("10.0.1.2/32", "fd00::2/128")
                                     .replace("10.96.0.10/32", "fd00:96::a/128")
                                     .replace("10.0.0.0/8", "fd00::/64")
                                     .toStdString(),
                                 "b");
        merge(*four, std::move(*six));
        QVERIFY(four->v4 && four->v6 && four->problems.empty());
        merge(*four, *readNodeRules(kNat, "again"));
        QCOMPARE(four->problems.size(), std::size_t{1});
    }
};

NATLENS_TEST(TestListings)
#include "tst_listings.moc"
