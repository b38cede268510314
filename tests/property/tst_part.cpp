// The part of a cluster that concerns a flow decides about it as the whole does: random clusters, random packets.
#ifndef Q_MOC_RUN // moc of Qt 6.4 stumbles over <concepts>
#include "property/random_cluster.h"
#include "proxycore/engine/explain.h"
#include "proxycore/model/kubernetes_json.h"

#include <random>
#endif

#include "tests/test_program.h"

using namespace natlens::test;

namespace {

std::vector<std::uint32_t> numbersUpTo(std::mt19937 &random, std::size_t count) {
    std::vector<std::uint32_t> result(count);
    for (auto &number : result)
        number = static_cast<std::uint32_t>(random()) % (1U << 20);
    return result;
}

} // namespace

class TestPart : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void answersAsTheWhole() {
        constexpr int kClusters = 200, kPackets = 12;
        std::size_t left = 0, asked = 0;
        std::mt19937 random(20261126);
        for (int n = 0; n < kClusters; ++n) {
            CaseNumbers made{numbersUpTo(random, 40), numbersUpTo(random, 400), {}};
            for (int p = 0; p < kPackets; ++p)
                made.packets.push_back(numbersUpTo(random, 20));
            const auto one = makeCase(made);
            const auto text = toJson(one.state);
            const auto whole = readClusterState(text, "whole").value();
            for (const auto &packet : one.packets) {
                ExplainRequest request;
                request.nodeName = "n1";
                request.flow = packet.flow;
                const FlowEnds ends{packet.flow.source.ip, packet.flow.destination};
                const auto part = readClusterState(text, "part", &ends).value();
                QVERIFY(part.problems == whole.problems);
                left += whole.services.size() - part.services.size();
                for (const auto mode : {Mode::iptables, Mode::nftables}) {
                    request.mode = mode;
                    const auto expected = toExplainText(explain(whole, one.config, request).value());
                    const auto found = toExplainText(explain(part, one.config, request).value());
                    QVERIFY2(found == expected, (text + "\n" + expected + "\n" + found).c_str());
                    ++asked;
                }
            }
        }
        QVERIFY(asked > kClusters);
        QVERIFY2(left > 0, "the part was always the whole");
    }
};

NATLENS_TEST(TestPart)
#include "tst_part.moc"
