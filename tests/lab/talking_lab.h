// The document's clusters with clients and servers of the tests' own (natlens_talker), which say what they saw.
#pragma once

#include "lab/running_lab.h"
#include "tests/lab/recorded_packets.h"

namespace natlens::test {

/// Many connections of one kind.
struct Question {
    const char *from;   ///< host
    const char *target; ///< "10.240.0.5:32080"; TCP and UDP are asked
    unsigned parts = 1; ///< of all connections
    bool answered = true;
};

/// A scenario of the document at scale.
struct Setting {
    const char *name;
    const char *scenario;                    ///< whose cluster it is
    std::vector<const char *> services = {}; ///< further scenarios whose Services are there as well
    bool local = false;                      ///< with the annotation of 1.5: nodes without endpoints drop
    std::vector<Question> questions = {};
    const char *datapath = "nftables"; ///< "simulated": no kernel, and the lab's own clients and servers
};

inline const std::vector<Setting> &settings() {
    constexpr auto kNode1 = "10.240.0.4:32080", kNode2 = "10.240.0.5:32080", kNode3 = "10.240.0.3:32080";
    constexpr auto kVip = "104.198.149.140:80", kCluster = "10.0.170.92:80";
    static const std::vector<Setting> all = {
        {.name = "clusterip",
         .scenario = "clusterip",
         .questions = {{"busybox", kCluster, 2}, {"busybox-b", kCluster}, {"busybox-c", kCluster}}},
        {.name = "nodeport",
         .scenario = "nodeport",
         .questions = {{"client", kNode1}, {"client", kNode2}, {"client", kNode3}, {"client-b", kNode2}}},
        {.name = "nodeport-local",
         .scenario = "nodeport",
         .local = true,
         .questions = {{"client", kNode1, 2},
                       {"client-b", kNode1, 2},
                       {"client", kNode2, 0, false},
                       {"client-b", kNode3, 0, false}}},
        {.name = "loadbalancer", .scenario = "loadbalancer", .questions = {{"client", kVip}, {"client-b", kVip}}},
        {.name = "loadbalancer-local",
         .scenario = "loadbalancer",
         .local = true,
         .questions = {{"client", kVip}, {"client-b", kVip}}},
        {.name = "all at once",
         .scenario = "clusterip",
         .services = {"nodeport", "loadbalancer"},
         .questions = {{"busybox", kCluster},
                       {"busybox-b", kCluster},
                       {"busybox-c", kNode3},
                       {"client", kNode1},
                       {"client", kNode2},
                       {"client-b", kNode2},
                       {"client-b", kNode3},
                       {"client", kVip},
                       {"client-b", kVip},
                       {"node2", kCluster}}},
        {.name = "all at once, simulated",
         .scenario = "clusterip",
         .services = {"nodeport", "loadbalancer"},
         .questions =
             {{"busybox", kCluster}, {"client", kNode1}, {"client", kNode2}, {"client", kNode3}, {"client", kVip}},
         .datapath = "simulated"},
    };
    return all;
}

namespace detail {

inline constexpr int kTalkerPort = 9090;

inline nlohmann::json scenarioNamed(const std::string &name) {
    std::ifstream file(std::string(NATLENS_SOURCE_DIR "/resources/scenarios/") + name + ".json");
    return nlohmann::json::parse(file);
}

/// The setting as a scenario file: Services of TCP and UDP lead to the talker, further clients.
inline nlohmann::json scenarioOf(const Setting &setting) {
    nlohmann::json scenario = scenarioNamed(setting.scenario);
    auto &items = scenario["cluster"]["items"];
    const std::string network = setting.scenario == std::string("clusterip") ? "10.244." : "10.180.";
    for (const char *other : setting.services) {
        const auto from = scenarioNamed(other);
        for (const auto &item : from["cluster"]["items"])
            if (item["kind"] == "Service") items.push_back(item);
        for (const char *field : {"outside", "loadBalancer"})
            if (from.contains(field)) scenario[field] = from[field];
    }
    for (auto &item : items) {
        if (item["kind"] == "Pod" && item["metadata"]["name"] == "source-ip-app")
            item["metadata"]["labels"]["natlens.io/server"] = "none";
        if (item["kind"] != "Service") continue;
        auto &ports = item["spec"]["ports"];
        if (setting.datapath == std::string("simulated")) continue;
        ports[0]["targetPort"] = kTalkerPort;
        auto datagrams = ports[0];
        datagrams["name"] = "datagrams";
        datagrams["protocol"] = "UDP";
        ports.push_back(datagrams);
        if (setting.local)
            item["metadata"]["annotations"] = {{"service.beta.kubernetes.io/external-traffic", "OnlyLocal"}};
    }
    const auto pod = [&](const char *name, const char *node, const std::string &ip, const char *app) {
        return nlohmann::json{
            {"apiVersion", "v1"},
            {"kind", "Pod"},
            {"metadata",
             {{"name", name}, {"namespace", "default"}, {"labels", {{"app", app}, {"natlens.io/server", "none"}}}}},
            {"spec", {{"nodeName", node}, {"containers", {{{"name", app}, {"image", app}}}}}},
            {"status",
             {{"phase", "Running"},
              {"podIP", ip},
              {"podIPs", {{{"ip", ip}}}},
              {"conditions", {{{"type", "Ready"}, {"status", "True"}}}}}}};
    };
    if (setting.scenario == std::string("clusterip")) {
        items.push_back(pod("busybox-b", "node2", network + "2.9", "busybox"));
        items.push_back(pod("busybox-c", "node1", network + "1.10", "busybox"));
    }
    if (!setting.local) items.push_back(pod("source-ip-app-b", "node2", network + "2.20", "source-ip-app"));
    if (scenario.contains("outside") && !scenario["outside"].empty())
        scenario["outside"].push_back({{"name", "client-b"}, {"address", "104.132.1.80"}});
    scenario["steps"] = scenario["expect"] = nlohmann::json::array();
    return scenario;
}

} // namespace detail

/// What was captured, and what really happened.
struct Recorded {
    Packets packets = {};
    std::vector<Truth> said = {};       ///< by clients and servers together
    std::vector<Truth> translated = {}; ///< by conntrack
    unsigned invisible = 0;             ///< of `said`: translated before their first packet left the host
    std::uint64_t lost = 0;             ///< packets that the captures of the lab missed: the machine was too busy
    unsigned failed = 0;                ///< connections that should have been answered
    QByteArray error = {};              ///< "" all went well
};

namespace detail {

inline void readRecording(const QString &stream, std::int64_t from, std::int64_t to, Recorded &into) {
    RecordedPackets recording;
    if (const auto status = file::readFile(stream.toStdString(), recording); !status)
        into.error = QByteArray::fromStdString(status.error().sentence());
    into.packets = std::move(recording.packets);
    std::erase_if(into.packets, [&](const Captured &packet) { return packet.time < from || packet.time > to; });
    into.translated = std::move(recording.translated);
    into.lost = recording.lost();
}

/// Requests of the simulated lab's own; conntrack alone says what became of them.
inline Recorded recordSimulated(const Setting &setting, unsigned connections, unsigned seed, const QString &folder) {
    const QString file = folder + "/scenario.json", stream = folder + "/lab.pcapng";
    auto scenario = scenarioOf(setting);
    scenario["steps"].push_back({{"do", "wait-rotation"}, {"nodes", {"node1", "node2", "node3"}}});
    for (unsigned i = 0; i < connections / setting.questions.size(); ++i)
        for (const Question &question : setting.questions)
            scenario["steps"].push_back({{"do", "request"},
                                         {"from", question.from},
                                         {"together", true},
                                         {"url", std::string("http://") + question.target + "/"}});
    std::ofstream(file.toStdString()) << scenario.dump();
    const Run lab =
        run({"lab", "run", file, "--simulated", "--quiet", "--seed", QString::number(seed), "--record", stream},
            program(), 280'000);
    Recorded recorded;
    if (lab.status != 0) recorded.error = lab.said();
    readRecording(stream, 0, std::numeric_limits<std::int64_t>::max(), recorded);
    recorded.said = recorded.translated;
    return recorded;
}

} // namespace detail

/// Lets `connections` connections happen in the lab and reads the recording. Blocks until that is done.
inline Recorded recordTalks(const Setting &setting, unsigned connections, unsigned seed, const QString &folder) {
    if (setting.datapath == std::string("simulated"))
        return detail::recordSimulated(setting, connections, seed, folder);
    Recorded recorded;
    const QString scenario = folder + "/scenario.json", stream = folder + "/lab.pcapng";
    std::ofstream(scenario.toStdString()) << detail::scenarioOf(setting).dump();
    const QString talker = NATLENS_TALKER;
    std::int64_t begin = 0, end = 0; ///< of what is asked here
    {
        RunningLab lab({"--record", stream, "--datapath", setting.datapath}, 60'000, scenario);
        if (!lab.ready()) return {.error = "no lab: " + lab.said()};
        const auto inLab = [&](const QString &host, const QStringList &arguments) {
            auto process = std::make_unique<QProcess>();
            process->start(program(), lab.inside(host, QStringList{talker} + arguments));
            return process;
        };
        std::vector<std::unique_ptr<QProcess>> servers;
        for (const char *host : {"source-ip-app", "source-ip-app-b"}) {
            if (setting.local && host != std::string("source-ip-app")) continue;
            servers.push_back(inLab(host, {"serve", QString::number(detail::kTalkerPort)}));
            if (!servers.back()->waitForReadyRead(20'000))
                return {.error = "no server: " + servers.back()->readAllStandardError()};
        }
        // A load balancer needs a moment before it knows its nodes.
        for (const Question &question : setting.questions) {
            const auto answers = [&] {
                auto process = inLab(question.from, {"ask", "tcp", question.target, "1", "1"});
                process->waitForFinished(20'000);
                return !process->readAllStandardOutput().contains("failed");
            };
            if (question.answered && !QTest::qWaitFor(answers, 30'000))
                return {.error = QByteArray("no answer from ") + question.target};
        }
        begin = QDateTime::currentMSecsSinceEpoch() * 1'000'000;
        unsigned parts = 0;
        for (const Question &question : setting.questions)
            parts += question.parts;
        std::vector<std::pair<const Question *, std::unique_ptr<QProcess>>> clients;
        for (const Question &question : setting.questions)
            for (const char *protocol : {"tcp", "udp"}) {
                // Three quarters are TCP.
                const unsigned all = question.answered ? connections * question.parts / parts : 8;
                const unsigned count = protocol == std::string("tcp") ? all - all / 4 : all / 4;
                clients.emplace_back(&question,
                                     inLab(question.from, {"ask", protocol, question.target, QString::number(count),
                                                           "3", QString::number(seed * 100 + clients.size())}));
            }
        std::set<std::vector<Tuple>> sockets;
        // Those that are dropped wait long for nothing.
        std::ranges::stable_partition(clients, [](const auto &client) { return client.first->answered; });
        for (auto &[question, client] : clients) {
            if (!client->waitForFinished(200'000)) return {.error = "a client did not end"};
            if (question->answered) end = QDateTime::currentMSecsSinceEpoch() * 1'000'000;
            for (const QByteArray &line : client->readAllStandardOutput().split('\n')) {
                const auto words = line.split(' ');
                if (words.size() == 2 && question->answered) ++recorded.failed;
                if (words.size() != 5) continue;
                const auto protocol = words[0] == "tcp" ? Protocol::tcp : Protocol::udp;
                const auto tuple = [&](int i) {
                    return Tuple{protocol, at(words[i].constData()), at(words[i + 1].constData())};
                };
                Truth truth{.legs = {tuple(1), tuple(3)}, .begin = 0};
                // A socket that was given the port of one before it: to everybody on the way it is the same.
                if (protocol == Protocol::udp && !sockets.insert(truth.legs).second) continue;
                if (std::string_view(question->from).starts_with("node")) ++recorded.invisible;
                recorded.said.push_back(std::move(truth));
            }
        }
        // Two sockets, one after the other, with one port and two endpoints: which packets are whose, nothing tells.
        std::map<Tuple, unsigned> uses;
        for (const auto &legs : sockets)
            ++uses[legs[0]];
        std::erase_if(recorded.said, [&](const Truth &truth) {
            return truth.legs[0].protocol == Protocol::udp && uses[truth.legs[0]] > 1;
        });
        for (auto &server : servers) {
            server->closeWriteChannel();
            server->waitForFinished(10'000);
        }
    }
    detail::readRecording(stream, begin, end, recorded);
    return recorded;
}

} // namespace natlens::test
