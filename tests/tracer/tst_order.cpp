// The result is a function of what was captured: not of the order of files, of packets that come a little late, or of
// how often somebody looks.
#ifndef Q_MOC_RUN // moc of Qt 6.4 stumbles over <concepts>
#include "tests/tracer/impairment.h"
#include "tests/tracer/named.h"
#include "tests/tracer/traffic.h"
#include "tracer/path/path_json.h"

#include <nlohmann/json.hpp>
#include <rapidcheck.h>
#endif

#include "tests/test_program.h"

using namespace natlens;
using namespace natlens::test;

namespace {

/// All paths as --json prints them, sorted, but for what depends on the order of reading: ids and packet numbers; and
/// D36: that a packet came twice at once is seen only where both come one after the other.
std::string paths(const tracer::Snapshot &snapshot) {
    std::vector<std::string> lines;
    for (const auto &path : snapshot.paths) {
        auto json = nlohmann::json::parse(tracer::toJsonLine(*path));
        json.erase("id");
        for (auto &hop : json["hops"])
            for (const char *end : {"in", "out"})
                if (!hop[end].is_null()) hop[end].erase("packet");
        auto &findings = json["findings"];
        findings.erase(std::remove_if(findings.begin(), findings.end(),
                                      [](const auto &finding) { return finding["code"] == "D36"; }),
                       findings.end());
        for (auto &finding : findings) {
            finding.erase("packets");
            finding.erase("evidence");
        }
        lines.push_back(json.dump());
    }
    std::ranges::sort(lines);
    std::string text;
    for (const auto &line : lines)
        text += line + "\n";
    return text;
}

/// Connections of all kinds, spoilt in some way.
Packets someTraffic() {
    const auto seed = *rc::gen::arbitrary<std::uint32_t>();
    const auto kind = *rc::gen::inRange<std::size_t>(0, impairments().size());
    const auto spacing = *rc::gen::element(kMicro * 100, kMilli * 4, kMilli * 200);
    auto traffic = makeTraffic({.connections = 10, .seed = seed, .spacing = spacing, .longEvery = 9, .udp = true});
    impairments()[kind].spoil(traffic.scenario.packets, seed);
    RC_TAG(impairments()[kind].name);
    return std::move(traffic.scenario.packets);
}

std::string traced(const Packets &packets, unsigned snapshotEvery = 0) {
    tracer::Tracer tracer;
    std::map<std::string, base::CapturePointId> points;
    for (const auto &packet : packets)
        points.try_emplace(packet.point, base::CapturePointId{});
    std::uint32_t next = 0;
    for (auto &[name, id] : points) { // the same points, whatever the order of packets
        id = base::CapturePointId{next++};
        tracer.addCapturePoint(id, name, packet::LinkType::ethernet);
    }
    std::uint64_t number = 0;
    for (const auto &packet : packets) {
        tracer.addPacket(points.at(packet.point), base::Timestamp{kStart + packet.time}, base::PacketNumber{++number},
                         packet.crossing,
                         packet.length ? packet.length : static_cast<std::uint32_t>(packet.bytes.size()), packet.bytes);
        if (snapshotEvery != 0 && number % snapshotEvery == 0) (void)tracer.snapshot();
    }
    tracer.finish();
    return paths(*tracer.snapshot());
}

void compare(const std::string &one, const std::string &other) {
    if (one == other) return;
    auto first = std::ranges::mismatch(one, other).in1 - one.begin();
    const auto from = static_cast<std::size_t>(std::max<std::ptrdiff_t>(0, first - 300));
    RC_FAIL("differs: ..." + one.substr(from, 600) + "\n and ..." + other.substr(from, 600));
}

} // namespace

class TestOrder : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void initTestCase() {
        // The same cases in every run; NATLENS_LONG=1 draws others, and more of them.
        const bool thorough = qEnvironmentVariableIntValue("NATLENS_LONG") == 1;
        if (!qEnvironmentVariableIsSet("RC_PARAMS"))
            qputenv("RC_PARAMS", thorough ? "max_success=300" : "seed=20 max_success=20");
    }
    void files();
    void latePackets();
    void pieces();
};

void TestOrder::files() {
    QVERIFY(rc::check("the order in which files are read does not matter", [] {
        Packets packets = someTraffic();
        std::ranges::stable_sort(packets, {}, &Captured::time);
        const std::string merged = traced(packets);
        std::vector<std::string> names;
        for (const auto &packet : packets)
            if (std::ranges::find(names, packet.point) == names.end()) names.push_back(packet.point);
        std::mt19937 random(*rc::gen::arbitrary<std::uint32_t>());
        std::ranges::shuffle(names, random);
        std::ranges::stable_sort(packets, {},
                                 [&](const Captured &c) { return std::ranges::find(names, c.point) - names.begin(); });
        compare(merged, traced(packets));
    }));
}

void TestOrder::latePackets() {
    QVERIFY(rc::check("packets that come up to 50 ms late end where they belong", [] {
        Packets packets = someTraffic();
        std::ranges::stable_sort(packets, {}, &Captured::time);
        const std::string inOrder = traced(packets);
        std::mt19937 random(*rc::gen::arbitrary<std::uint32_t>());
        std::vector<std::pair<std::int64_t, Captured>> late;
        for (auto &packet : packets)
            late.emplace_back(packet.time + static_cast<std::int64_t>(random() % 50) * kMilli, packet);
        std::ranges::stable_sort(late, {}, &std::pair<std::int64_t, Captured>::first);
        packets.clear();
        for (auto &[when, packet] : late)
            packets.push_back(std::move(packet));
        compare(inOrder, traced(packets));
    }));
}

void TestOrder::pieces() {
    QVERIFY(rc::check("looking meanwhile changes nothing", [] {
        Packets packets = someTraffic();
        std::ranges::stable_sort(packets, {}, &Captured::time);
        compare(traced(packets), traced(packets, *rc::gen::inRange(1u, 200u)));
    }));
}

NATLENS_TEST(TestOrder)
#include "tst_order.moc"
