// Decision core, user-space engine and the kernel with kube-proxy's rules agree, on random clusters and packets.
#ifndef Q_MOC_RUN // moc of Qt 6.4 stumbles over <concepts>
#include "../proxycore/kernel/namespace_child.h"
#include "property/agreement.h"
#include "proxycore/kernel/iptables_applier.h"
#include "proxycore/kernel/nftables.h"

#include <cstdlib>
#include <fmt/format.h>
#include <map>
#include <rapidcheck.h>
#include <sstream>
#endif

#include "tests/test_program.h"

using namespace natlens;
using namespace natlens::test;

namespace {

using Numbers = std::vector<std::uint32_t>;

std::uint32_t setting(const char *name, std::uint32_t fallback) {
    const char *text = std::getenv(name);
    return text == nullptr ? fallback : static_cast<std::uint32_t>(std::strtoul(text, nullptr, 10));
}

// --- rapidcheck's part: lists of numbers, which it shortens and makes smaller while the disagreement lasts
// ------------

/// As many as a case can ever use; beyond the end of a list every choice is the simplest one.
constexpr int kSurroundings = 24, kServices = 400, kPackets = 24, kPacket = 6;

/// A disagreement is made smaller with at most so many tries: the kernel needs some milliseconds for each.
constexpr int kMostShrinks = 1000;

rc::Gen<Numbers> numbers(int atMost) {
    const auto one = rc::gen::resize(rc::kNominalSize, rc::gen::inRange<std::uint32_t>(0, 1U << 20));
    return rc::gen::resize(atMost, rc::gen::container<Numbers>(one));
}

rc::Gen<std::vector<Numbers>> packetNumbers() {
    const auto one = rc::gen::resize(rc::kNominalSize, rc::gen::inRange<std::uint32_t>(0, 1U << 20));
    const auto packet = rc::gen::container<Numbers>(kPacket, one);
    return rc::gen::resize(kPackets, rc::gen::container<std::vector<Numbers>>(packet));
}

/// Says what is wrong with one packet of a case; "" for nothing.
using Judge = std::function<std::string(const RandomCase &, const RandomPacket &)>;

/// Tries `count` cases. "" when none is objected to; otherwise about the smallest one, which is written to files.
std::string tryCases(Mode mode, std::uint32_t seed, std::uint32_t count,
                     const std::function<void(const RandomCase &)> &prepare, const Judge &judge) {
    std::optional<std::pair<RandomCase, RandomPacket>> worst; // the last one objected to is the smallest
    std::string text;
    int shrinks = 0;
    const auto property = [&] {
        CaseNumbers drawn;
        drawn.packets = *packetNumbers(); // first: what rapidcheck makes small first makes the rest quick
        drawn.services = *numbers(kServices);
        drawn.surroundings = *numbers(kSurroundings);
        if (worst && ++shrinks > kMostShrinks) return; // good enough
        const auto made = makeCase(drawn);
        prepare(made);
        for (const auto &packet : made.packets) {
            const auto objected = judge(made, packet);
            if (objected.empty()) continue;
            worst.emplace(made, packet);
            text = objected;
            RC_FAIL(objected);
        }
    };
    rc::detail::TestParams params;
    params.seed = seed;
    params.maxSuccess = static_cast<int>(count);
    const auto result = rc::detail::checkTestable(property, rc::detail::TestMetadata{}, params);
    if (result.is<rc::detail::SuccessResult>()) return {};
    std::ostringstream message;
    rc::detail::printResultMessage(result, message);
    if (!worst) return message.str();
    return fmt::format("seed {}: {}\n{}", seed, writeDisagreement(worst->first, worst->second, mode, text),
                       message.str());
}

// --- who is asked ------------------------------------------------------------------------------------------------

/// A way to make the kernel of this namespace carry plans out.
class Rules {
public:
    virtual ~Rules() = default;
    virtual std::string apply(const ProxyPlan &plan) = 0;
};

template<class Applier>
class AppliedRules final : public Rules {
public:
    explicit AppliedRules(Applier applier) : m_applier(std::move(applier)) {}
    std::string apply(const ProxyPlan &plan) override {
        const auto status = m_applier.apply(plan);
        return status ? "" : status.error().sentence();
    }

private:
    Applier m_applier;
};

std::unique_ptr<Rules> rulesFor(Mode mode) {
    if (mode == Mode::nftables) return std::make_unique<AppliedRules<NftablesApplier>>(NftablesApplier());
    return std::make_unique<AppliedRules<IptablesApplier>>(IptablesApplier::open(IptablesBackend::nft).value());
}

/// Source ports never come twice, so that every packet begins a connection.
RandomPacket numbered(RandomPacket packet, std::uint32_t &counter) {
    packet.flow.source.port = static_cast<Port>(1024 + counter++ % 60000);
    return packet;
}

/// The plans of both families, changed from case to case.
struct Plans {
    std::map<IpFamily, ProxyPlan> plans;
    std::map<IpFamily, FrontEndIndex> indices;

    void update(const RandomCase &made, Mode mode) {
        for (const auto family : natlens::test::kFamilies) {
            const auto old = plans.find(family);
            plans.insert_or_assign(family, planFor(made, mode, family, old == plans.end() ? nullptr : &old->second));
            indices.insert_or_assign(family, FrontEndIndex(plans.at(family)));
        }
    }
    [[nodiscard]] Decision decide(const RandomPacket &packet) const {
        return proxycore::decide(indices.at(packet.family()), packet.flow);
    }
};

std::string judgeKernel(Mode mode, std::uint32_t seed, std::uint32_t count) {
    KernelJudge kernel;
    if (!kernel.missing().empty()) return "skip: " + kernel.missing();
    const auto rules = rulesFor(mode);
    Plans plans;
    std::string failed;
    std::uint32_t counter = seed;
    return tryCases(
        mode, seed, count,
        [&](const RandomCase &made) {
            plans.update(made, mode);
            failed.clear();
            for (const auto family : natlens::test::kFamilies)
                if (failed.empty()) failed = rules->apply(plans.plans.at(family));
        },
        [&](const RandomCase &, const RandomPacket &packet) {
            if (!failed.empty()) return failed;
            std::string text;
            for (int look = 0; look < 2; ++look) { // a packet may be lost: look once more before complaining
                const auto fresh = numbered(packet, counter);
                text = objection(plans.decide(fresh), fresh.flow, kernel.send(fresh));
                if (text.empty()) break;
            }
            return text;
        });
}

std::string judgeEngine(Mode mode, std::uint32_t seed, std::uint32_t count) {
    Plans plans;
    std::optional<EngineJudge> engine;
    std::uint32_t counter = seed;
    return tryCases(
        mode, seed, count,
        [&](const RandomCase &made) {
            plans.update(made, mode);
            engine.emplace(seed);
            for (const auto &[family, plan] : plans.plans) engine->setPlan(plan);
        },
        [&](const RandomCase &, const RandomPacket &packet) {
            const auto fresh = numbered(packet, counter);
            return engineObjection(plans.decide(fresh), fresh.flow, engine->send(fresh));
        });
}

} // namespace

class TestAgreement : public QObject {
    Q_OBJECT

    static void modes() {
        QTest::addColumn<int>("mode");
        QTest::newRow("nftables") << static_cast<int>(Mode::nftables);
        QTest::newRow("iptables") << static_cast<int>(Mode::iptables);
    }

private Q_SLOTS:
    /// The engine does to bytes what the decision core says in words.
    void engine_data() { modes(); }
    void engine() {
        QFETCH(int, mode);
        const auto text =
            judgeEngine(static_cast<Mode>(mode), setting("NATLENS_SEED", 20261124), setting("NATLENS_COUNT", 400));
        QVERIFY2(text.empty(), text.c_str());
    }

    /// The kernel with our rules does what the decision core says.
    void kernel_data() { modes(); }
    void kernel() {
        QFETCH(int, mode);
        const auto seed = setting("NATLENS_SEED", 20261124), count = setting("NATLENS_COUNT", 60);
        const auto result = inNamespace([&] { return judgeKernel(static_cast<Mode>(mode), seed, count); });
        if (!result.available) QSKIP("no unprivileged user namespaces");
        if (result.text.starts_with("skip: ")) QSKIP(result.text.c_str() + 6);
        QVERIFY2(result.text.empty(), result.text.c_str());
    }
};

namespace {

/// --seed N and --count N are ours, everything else is QtTest's. Long runs take their time.
int runAgreement(int count, char **arguments) {
    ::setenv("QTEST_FUNCTION_TIMEOUT", "86400000", 0);
    std::vector<char *> others;
    for (int i = 0; i < count; ++i) {
        const std::string_view option(arguments[i]);
        const bool ours = i + 1 < count && (option == "--seed" || option == "--count");
        if (ours)
            ::setenv(option == "--seed" ? "NATLENS_SEED" : "NATLENS_COUNT", arguments[++i], 1);
        else
            others.push_back(arguments[i]);
    }
    return natlens::testing::runTest<TestAgreement>(static_cast<int>(others.size()), others.data());
}

} // namespace

NATLENS_TEST_RUN(runAgreement)
#include "tst_agreement.moc"
