// Compares paths with what really happened.
#pragma once

#include "tests/tracer/impairment.h"
#include "tests/tracer/traffic.h"

namespace natlens::test {

/// How a snapshot compares with the truth. `right + missed + gone` are all connections.
struct Score {
    unsigned right = 0;
    unsigned missed = 0; ///< the packets would have told
    unsigned gone = 0;   ///< of one of its legs no packet is left that any other leg shows as well
    unsigned wrong = 0;  ///< paths that join what does not belong together
    std::string firstWrong, someMissed;

    [[nodiscard]] double share() const { return right + missed == 0 ? 1 : double(right) / (right + missed); }
    [[nodiscard]] std::string text() const {
        return fmt::format("{} right, {} missed ({:.2f} %), {} gone, {} wrong{}{}", right, missed, 100 * share(), gone,
                           wrong, someMissed.empty() ? "" : "\n  missed: " + someMissed,
                           firstWrong.empty() ? "" : "\n  wrong: " + firstWrong);
    }
};

class Referee final {
public:
    /// `packets`: what was captured, after all that befell it. `alsoTrue`: what belongs together as well, but nobody
    /// asks for: translations of connections that came to nothing.
    Referee(const std::vector<Truth> &truths, const Packets &packets, const std::vector<Truth> &alsoTrue = {})
        : m_truths(truths) {
        for (const Truth &truth : alsoTrue)
            for (const Tuple &tuple : truth.legs)
                m_byLeg.emplace(tuple, &truth);
        for (const Truth &truth : truths)
            for (const Tuple &tuple : truth.legs) {
                m_atoms.try_emplace(tuple);
                m_byLeg.emplace(tuple, &truth);
            }
        for (const auto &captured : packets) {
            const auto packet =
                packet::decode(packet::LinkType::ethernet, captured.bytes,
                               captured.length ? captured.length : static_cast<std::uint32_t>(captured.bytes.size()));
            learn(packet, packet::payload(packet, captured.bytes));
        }
    }

    [[nodiscard]] Score judge(const tracer::Snapshot &snapshot) const {
        std::vector<std::set<Tuple>> paths;
        for (const auto &path : snapshot.paths)
            paths.push_back(tuplesOf(*path));
        return judge(paths);
    }

    /// Of each path the pairs of addresses that its packets had, in the direction of the request.
    [[nodiscard]] Score judge(const std::vector<std::set<Tuple>> &paths) const {
        Score score;
        std::multiset<std::pair<Tuple, Tuple>> joined;
        for (const auto &tuples : paths) {
            if (tuples.size() < 2) continue;
            if (!belongTogether(tuples)) {
                ++score.wrong;
                if (score.firstWrong.empty())
                    for (const Tuple &tuple : tuples)
                        score.firstWrong += tuple.toString() + "  ";
            }
            for (const Tuple &a : tuples)
                for (const Tuple &b : tuples)
                    if (a != b) joined.emplace(a, b);
        }
        for (const Truth &truth : m_truths) {
            std::vector<Tuple> seen;
            for (const Tuple &tuple : truth.legs)
                if (!m_atoms.at(tuple).empty()) seen.push_back(tuple);
            if (truth.legs.size() == 1 || seen.size() < 2 || !tellable(seen)) {
                ++score.gone;
                continue;
            }
            bool all = true;
            for (std::size_t i = 0; i + 1 < seen.size(); ++i) {
                const auto found = joined.find(std::pair(seen[i], seen[i + 1]));
                if (found == joined.end())
                    all = false;
                else
                    joined.erase(found);
            }
            ++(all ? score.right : score.missed);
            if (!all && score.missed <= 8) score.someMissed += "\n    " + describe(seen);
        }
        return score;
    }

private:
    using Atoms = std::set<std::uint64_t>;

    /// A connection is told from its packets if two facts about it were seen on both legs: initial sequence numbers,
    /// beginnings of segments, FINs; or of UDP one datagram.
    [[nodiscard]] bool tellable(const std::vector<Tuple> &seen) const {
        for (std::size_t i = 0; i + 1 < seen.size(); ++i) {
            const Atoms &a = m_atoms.at(seen[i]), &b = m_atoms.at(seen[i + 1]);
            const auto common = std::ranges::count_if(a, [&](std::uint64_t atom) { return b.contains(atom); });
            if (common < (seen[i].protocol == Protocol::tcp ? 2 : 1)) return false;
        }
        return true;
    }

    void learn(const packet::DecodedPacket &packet, std::span<const std::byte> payload) {
        const bool request = m_atoms.contains(packet.tuple);
        const auto found = request ? m_atoms.find(packet.tuple) : m_atoms.find(packet.tuple.reversed());
        if (found == m_atoms.end()) return;
        const auto add = [&](bool ofClient, std::uint32_t seq) {
            found->second.insert(std::uint64_t{ofClient} << 32 | seq);
        };
        if (!packet.isTcp()) {
            std::uint32_t hash = packet.ipId;
            for (const std::byte byte : payload)
                hash = hash * 31 + static_cast<std::uint32_t>(byte);
            return add(request, hash);
        }
        if (packet.tcpFlags & TcpFlags::syn) {
            add(request, packet.tcpSeq);
            if (packet.isSynAck()) add(!request, packet.tcpAck - 1);
        } else if (packet.payloadLength != 0 || packet.tcpFlags & TcpFlags::fin) {
            add(request, packet.tcpSeq);
        }
    }

    static std::set<Tuple> tuplesOf(const tracer::Path &path) {
        std::set<Tuple> tuples;
        for (const auto &hop : path.hops)
            for (const auto *end : {&hop.in, &hop.out})
                if (*end && (*end)->packet.value != 0) {
                    const Tuple tuple{path.protocol, (*end)->src, (*end)->dst};
                    tuples.insert(hop.direction == tracer::Direction::request ? tuple : tuple.reversed());
                }
        return tuples;
    }

    [[nodiscard]] bool belongTogether(const std::set<Tuple> &tuples) const {
        const auto inside = [&](const Truth &truth, const Tuple &tuple) {
            return std::ranges::find(truth.legs, tuple) != truth.legs.end() ||
                   std::ranges::find(truth.legs, tuple.reversed()) != truth.legs.end();
        };
        for (const Tuple &first : {*tuples.begin(), tuples.begin()->reversed()})
            for (auto [at, end] = m_byLeg.equal_range(first); at != end; ++at)
                if (std::ranges::all_of(tuples, [&](const Tuple &tuple) { return inside(*at->second, tuple); }))
                    return true;
        return false;
    }

    static std::string describe(const std::vector<Tuple> &legs) {
        std::string text;
        for (const Tuple &leg : legs)
            text += leg.toString() + "  ";
        return text;
    }

    const std::vector<Truth> &m_truths;
    std::map<Tuple, Atoms> m_atoms; ///< what was seen of each leg
    std::multimap<Tuple, const Truth *> m_byLeg;
};

} // namespace natlens::test
