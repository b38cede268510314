// sessionAffinity: ClientIP with a short timeout: who comes back in time finds the same endpoint, who comes later has a free choice.
#ifndef Q_MOC_RUN // moc of Qt 6.4 stumbles over <concepts>
#include "../proxycore/test_state.h"
#include "property/nat.h"

#include <fmt/format.h>
#include <map>
#endif

#include "tests/test_program.h"

using namespace natlens;
using namespace natlens::test;
using packet::TcpFlags;
using std::chrono::milliseconds;

namespace {

constexpr std::chrono::seconds kTimeout{3};
/// Between visits that keep a client's endpoint: two of them are longer than the timeout.
constexpr milliseconds kPause{1700}, kLongPause{3500};
/// All of them keep their endpoints by chance once in 4^24 times.
constexpr unsigned kClients = 24;

ProxyPlan plan(Mode mode, IpFamily family) {
    const auto &world = World::of(family);
    ClusterState state;
    Node node;
    node.name = "n1";
    node.addresses = {{"InternalIP", world.node.toString()}};
    state.put(node);
    auto service = proxycore::test::service("s", world.clusterIp(1).toString());
    service.clientIpAffinity = true;
    service.affinityTimeout = kTimeout;
    state.put(proxycore::test::slice(service, {{world.pod(true, 5).toString(), "n1"},
                                               {world.pod(true, 6).toString(), "n1"},
                                               {world.pod(false, 5).toString(), "n2"},
                                               {world.pod(false, 6).toString(), "n2"}}));
    state.put(service);
    return makePlan(state, proxycore::test::podRange(world.clusterRange.toString()),
                    {.nodeName = "n1", .localAddresses = {world.node, world.bridge}, .mode = mode, .family = family});
}

/// One new connection of each client of both families: the endpoint by client.
using Choices = std::map<IpAddress, IpAddress>;

Choices visit(Nat &nat) {
    static Port port = 2000;
    Choices choices;
    for (const auto family : natlens::test::kFamilies) {
        const auto &world = World::of(family);
        for (unsigned client = 0; client < kClients; ++client) {
            const packet::Tuple tuple{Protocol::tcp, {world.outside(10 + client), ++port}, {world.clusterIp(1), 80}};
            if (const auto out = nat.pass(segment(tuple, TcpFlags::syn, 1, 0, {}), Way::outside))
                choices[tuple.src.ip] = tupleOf(*out).dst.ip;
        }
    }
    return choices;
}

std::size_t changed(const Choices &before, const Choices &after, IpFamily family) {
    std::size_t count = 0;
    for (const auto &[client, endpoint] : before)
        if (client.family == family && after.at(client) != endpoint) ++count;
    return count;
}

std::string visits(Nat &nat, Mode mode) {
    for (const auto family : natlens::test::kFamilies)
        if (auto failed = nat.setPlan(plan(mode, family)); !failed.empty()) return failed;
    const auto first = visit(nat);
    if (first.size() != 2 * kClients) return "not every connection arrived";
    if (visit(nat) != first) return "a client that came back at once found another endpoint";
    for (int i = 0; i < 2; ++i) { // every visit begins the time anew
        nat.wait(kPause);
        if (visit(nat) != first) return "a client that came back in time found another endpoint";
    }
    nat.wait(kLongPause);
    const auto last = visit(nat);
    if (last.size() != first.size()) return "not every connection arrived in the end";
    for (const auto family : natlens::test::kFamilies)
        if (changed(first, last, family) == 0) return "every client that came too late found its old endpoint again";
    return {};
}

} // namespace

class TestAffinity : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void expires_data() {
        QTest::addColumn<int>("mode");
        QTest::addColumn<bool>("kernel");
        for (const bool kernel : {true, false})
            for (const auto mode : {Mode::nftables, Mode::iptables})
                QTest::addRow("%s, %s", kernel ? "kernel" : "engine", toString(mode).data()) << static_cast<int>(mode) << kernel;
    }
    void expires() {
        QFETCH(int, mode);
        QFETCH(bool, kernel);
        // A machine that stands still for more than a second makes a client late that meant to be in time.
        std::string text;
        for (int attempt = 0; attempt < 3; ++attempt) {
            text = withNat(static_cast<Mode>(mode), kernel, [&](Nat &nat) { return visits(nat, static_cast<Mode>(mode)); });
            if (text.find("in time") == std::string::npos) break;
        }
        if (text.starts_with("skip: ")) QSKIP(text.c_str() + 6);
        QVERIFY2(text.empty(), text.c_str());
    }
};

NATLENS_TEST(TestAffinity)
#include "tst_affinity.moc"
