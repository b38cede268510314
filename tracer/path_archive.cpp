#include "tracer/path_archive.h"

#include "capture/base/hash.h"
#include "tracer/connection_evidence.h"
#include "tracer/likeness.h"
#include "tracer/path_groups.h"
#include "tracer/proxied_parts.h"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <iterator>
#include <unordered_map>

namespace natlens::tracer {

namespace {

/// Sets of legs in one piece of work. The first piece is small: it learns what all others begin with. Each begins with
/// what it can recognise by making it, so that smaller ones cost more time and room.
constexpr std::size_t kFirstPiece = 64, kPiece = 2048;
/// The first round and two more, as PathStore has them.
constexpr int kRounds = 3;
/// Paths of one piece of output.
constexpr std::size_t kBlock = 256, kBlocksTogether = 4;
/// Examples that one processor makes at a time.
constexpr std::size_t kExamples = 64;

/// The leg by which a connection is known: its first one.
LegIndex legOf(const Connection &connection) {
    LegIndex first = kNone;
    for (const Step &step : connection.steps)
        first = std::min(first, step.leg);
    for (const LegIndex leg : connection.attempts)
        first = std::min(first, leg);
    return first;
}

/// All legs are steps of the connection: nothing was left over or tried before.
bool isWhole(const Connection &connection, const std::vector<LegIndex> &legs) {
    return connection.steps.size() == legs.size() && connection.attempts.empty() && connection.halves.empty() &&
           std::ranges::none_of(connection.steps, [](const Step &step) { return step.leg == kNone; });
}

/// Of what nearly always is in order already.
template<class Key>
void sortBy(auto &records, Key &&key) {
    if (!std::ranges::is_sorted(records, {}, key)) std::ranges::sort(records, {}, key);
}

/// Two addresses with one hash cost a piece of work, nothing else.
std::uint32_t shortHash(const IpAddress &address) {
    return static_cast<std::uint32_t>(packet::hashValue(address));
}

} // namespace

/// What came of one piece of work.
struct PathArchive::Piece {
    LegIndex from = 0, to = 0;        ///< its sets are those whose roots are in this range
    std::unique_ptr<Facts> facts;     ///< those it began with and those it has shown; nothing once they are learned
    std::vector<std::uint32_t> asked; ///< hashes of the addresses whose owners it asked for, in order
    Records records;
    PathGroups groups;
};

/// What became of connections in one piece, by likeness.
class PathArchive::Known {
public:
    Known(const Sources &sources, const Facts &facts)
        : m_facts(facts)
        , m_likeness(sources.legs, sources.flows, facts.points, sources.cluster)
        , m_version(version()) {}

    /// False if these legs have no likeness.
    [[nodiscard]] bool look(const std::vector<LegIndex> &legs) {
        m_leg = legs.front();
        return m_likeness.read(legs);
    }
    /// Counts the connection that was looked at, if one like it is known.
    [[nodiscard]] bool count(Piece &piece) const {
        const auto like = m_kinds.find(m_likeness.bytes());
        if (like == m_kinds.end()) return false;
        piece.groups.addLike(like->second.counted, m_likeness.packets(), m_likeness.lastSeen(), piece.records.size());
        piece.records.push_back({m_likeness.firstSeen(), m_leg, like->second.telling, false});
        return true;
    }
    void remember(PathGroups::Counted counted, Telling telling) {
        m_kinds.emplace(m_likeness.bytes(), Kind{std::move(counted), telling});
    }
    /// What is learned of hosts may change how others are judged: then nothing known counts any more. `roles`: some
    /// role has changed.
    bool forgets(bool roles) {
        const auto now = version();
        if (!roles && now == m_version) return false;
        m_version = now;
        m_kinds.clear();
        return true;
    }

private:
    struct Kind {
        PathGroups::Counted counted;
        Telling telling = Telling::other;
    };
    struct Hash {
        std::size_t operator()(const std::string &bytes) const {
            return base::hashBytes(std::as_bytes(std::span(bytes)));
        }
    };
    using Version = std::array<std::size_t, 3>;
    [[nodiscard]] Version version() const {
        return {m_facts.points.addressesLearned(), m_facts.annotator.known(), m_facts.points.mixedPoints()};
    }

    const Facts &m_facts;
    Likeness m_likeness;
    LegIndex m_leg = kNone;
    std::unordered_map<std::string, Kind, Hash> m_kinds;
    Version m_version;
};

PathArchive::PathArchive(const Sources &sources, const Facts &facts, const Moment &moment, ParallelFor parallel)
    : m_sources(sources)
    , m_facts(facts)
    , m_moment(moment)
    , m_parallel(std::move(parallel))
    , m_components(sources.legs, sources.finder) {}

/// See Likeness: these might say something about a connection that its flows do not.
bool PathArchive::mayRecognise() const {
    return m_sources.translations.empty() && m_sources.rules.empty() && m_sources.facts.empty() &&
           !m_facts.points.lostAnything();
}

PathArchive::Piece PathArchive::work(LegIndex from, LegIndex to) const {
    Piece piece;
    piece.from = from;
    piece.to = to;
    piece.facts = std::make_unique<Facts>(m_facts);
    Facts &facts = *piece.facts;
    CapturePoints::Asked asked;
    facts.points.noteQuestions(&asked);
    const PathSources sources{m_sources.legs,         m_sources.flows, facts.points,
                              m_sources.translations, m_sources.rules, facts.roles};
    const PathBuilder builder(sources, m_moment);
    Known known(m_sources, facts);
    piece.records.reserve(std::min<std::size_t>(to - from, kPiece)); // in nearly all sets is one connection
    const bool mayRecognise = this->mayRecognise();
    for (LegIndex root = from; root < to; ++root) {
        if (!m_components.isRoot(root)) continue;
        const auto legs = m_components.legsOf(root);
        const bool plain = mayRecognise && known.look(legs);
        if (plain && known.count(piece)) continue;
        const auto connections = m_sources.finder.connect(legs);
        for (const Connection &connection : connections) {
            Path path = builder.build(connection);
            (void)annotateParts(facts.annotator, path, connection, builder, sources, m_moment,
                                StitchedEvidence(connection, sources, m_moment));
            const bool news = facts.roles.learn(path);
            PathGroups::Counted counted;
            piece.groups.add(path, piece.records.size(), &counted);
            piece.records.push_back({path.firstSeen, legOf(connection), tellingOf(path), false});
            if (known.forgets(news)) continue;
            if (plain && connections.size() == 1 && isWhole(connection, legs))
                known.remember(std::move(counted), tellingOf(path));
        }
    }
    facts.points.noteQuestions(nullptr);
    for (const IpAddress &address : asked)
        piece.asked.push_back(shortHash(address));
    std::ranges::sort(piece.asked);
    return piece;
}

/// True if what the piece has shown changes what all others were judged by.
bool PathArchive::learn(Piece &piece, std::vector<std::uint32_t> &newAddresses) {
    const bool roles = m_facts.roles.learnFrom(piece.facts->roles);
    const std::size_t mixed = m_facts.points.mixedPoints();
    const bool services = m_facts.annotator.learnFrom(piece.facts->annotator);
    for (const IpAddress &address : m_facts.points.learnFrom(piece.facts->points))
        newAddresses.push_back(shortHash(address));
    piece.facts.reset();
    return roles || services || m_facts.points.mixedPoints() != mixed;
}

/// Makes all pieces from `begin` on, again and again until they no longer depend on what they did not know.
void PathArchive::makePieces(std::vector<Piece> &pieces, std::size_t begin) {
    std::vector<std::size_t> todo;
    for (std::size_t i = begin; i < pieces.size(); ++i)
        todo.push_back(i);
    for (int round = 0; round < kRounds && !todo.empty(); ++round) {
        m_parallel(todo.size(),
                   [&](std::size_t i) { pieces[todo[i]] = work(pieces[todo[i]].from, pieces[todo[i]].to); });
        bool all = false;
        std::vector<std::uint32_t> news;
        for (const std::size_t i : todo)
            all = learn(pieces[i], news) || all;
        const HostRoles before = m_facts.roles;
        Annotator::nameHosts(m_facts.points, m_facts.roles, m_sources.cluster);
        all = all || !(m_facts.roles == before);
        todo.clear();
        const auto askedFor = [](const Piece &piece, std::uint32_t address) {
            return std::ranges::binary_search(piece.asked, address);
        };
        for (std::size_t i = 0; i < pieces.size(); ++i)
            if (all || std::ranges::any_of(news, [&](std::uint32_t address) { return askedFor(pieces[i], address); }))
                todo.push_back(i);
    }
}

void PathArchive::make(std::uint32_t lastId) {
    std::vector<Piece> pieces;
    LegIndex at = 0;
    const auto addPiece = [&](std::size_t sets) {
        Piece &piece = pieces.emplace_back();
        piece.from = at;
        for (; at < m_components.size(); ++at)
            if (m_components.isRoot(at) && sets-- == 0) break;
        piece.to = at;
    };
    addPiece(kFirstPiece);
    makePieces(pieces, 0);
    while (at < m_components.size())
        addPiece(kPiece);
    makePieces(pieces, 1);
    collect(pieces, lastId);
}

void PathArchive::collect(std::vector<Piece> &pieces, std::uint32_t lastId) {
    std::size_t count = 0;
    for (const Piece &piece : pieces)
        count += piece.records.size();
    m_records.reserve(count);
    PathGroups groups;
    for (Piece &piece : pieces) {
        groups.add(std::move(piece.groups), m_records.size());
        m_records.insert(m_records.end(), piece.records.begin(), piece.records.end());
        piece = {};
    }
    giveIds(lastId);
    m_summary = groups.finish([&](std::uint64_t place) {
        m_records[place].exemplary = true;
        return fmt::format("p{}", m_sources.legs[m_records[place].leg].pathId);
    });
    sortBy(m_records, [](const Record &record) { return std::pair(record.firstSeen, record.leg); });
}

/// In the order in which connections began to be seen, as PathStore gives them.
void PathArchive::giveIds(std::uint32_t lastId) {
    std::vector<bool> used(lastId + 1); // of those given before
    const auto give = [&](LegIndex leg) {
        std::uint32_t &id = m_sources.legs[leg].pathId;
        if (id == 0 || used[id])
            id = ++lastId;
        else
            used[id] = true;
    };
    if (std::ranges::is_sorted(m_records, {}, &Record::leg)) {
        for (const Record &record : m_records)
            give(record.leg);
        return;
    }
    std::vector<LegIndex> legs;
    legs.reserve(m_records.size());
    for (const Record &record : m_records)
        legs.push_back(record.leg);
    std::ranges::sort(legs);
    std::ranges::for_each(legs, give);
}

/// Makes the paths of some records and hands them over in the records' order.
template<class Use>
void PathArchive::withPaths(std::span<const Record> records, Use &&use) const {
    Facts facts(m_facts);
    const PathSources sources{m_sources.legs,         m_sources.flows, facts.points,
                              m_sources.translations, m_sources.rules, facts.roles};
    const PathBuilder builder(sources, m_moment);
    // Sets with several connections are looked at once, and kept until the last of these records has been served.
    std::unordered_map<LegIndex, std::vector<Connection>> several;
    for (const Record &record : records) {
        const LegIndex root = m_components.rootOf(record.leg);
        auto known = several.find(root);
        std::vector<Connection> made;
        if (known == several.end()) {
            made = m_sources.finder.connect(m_components.legsOf(root));
            if (made.size() > 1) known = several.emplace(root, std::move(made)).first;
        }
        const auto &connections = known == several.end() ? made : known->second;
        for (const Connection &connection : connections) {
            if (legOf(connection) != record.leg) continue;
            Path path = builder.build(connection);
            path.id = fmt::format("p{}", m_sources.legs[record.leg].pathId);
            (void)annotateParts(facts.annotator, path, connection, builder, sources, m_moment,
                                StitchedEvidence(connection, sources, m_moment));
            use(std::move(path));
        }
    }
}

std::vector<std::shared_ptr<const Path>> PathArchive::examples(std::size_t most) const {
    // In one pass: the first ones of each kind, more than are wanted of none.
    constexpr auto kKinds = static_cast<std::size_t>(Telling::toMany) + 1;
    std::array<std::vector<const Record *>, kKinds> exemplary, others;
    for (const Record &record : m_records) {
        auto &list = (record.exemplary ? exemplary : others)[static_cast<std::size_t>(record.telling)];
        if (list.size() < most) list.push_back(&record);
    }
    std::vector<Record> chosen;
    std::array<std::size_t, kKinds> taken{};
    for (std::size_t kind = 0; kind < kKinds; ++kind)
        for (; taken[kind] < exemplary[kind].size() && chosen.size() < most / 2; ++taken[kind])
            chosen.push_back(*exemplary[kind][taken[kind]]);
    for (std::size_t kind = 0; kind < kKinds; ++kind) {
        const auto left = std::span(exemplary[kind]).subspan(taken[kind]);
        std::vector<const Record *> rest;
        std::ranges::merge(left, others[kind], std::back_inserter(rest)); // in the order in which they lie
        for (std::size_t i = 0; i < rest.size() && chosen.size() < most; ++i)
            chosen.push_back(*rest[i]);
    }
    std::ranges::stable_sort(chosen, {}, &Record::firstSeen);
    std::vector<std::vector<std::shared_ptr<const Path>>> blocks((chosen.size() + kExamples - 1) / kExamples);
    m_parallel(blocks.size(), [&](std::size_t i) {
        const auto rest = std::span<const Record>(chosen).subspan(i * kExamples);
        withPaths(rest.first(std::min(kExamples, rest.size())),
                  [&](Path path) { blocks[i].push_back(std::make_shared<const Path>(std::move(path))); });
    });
    std::vector<std::shared_ptr<const Path>> paths;
    for (auto &block : blocks)
        paths.insert(paths.end(), block.begin(), block.end());
    return paths;
}

void PathArchive::forEach(const std::function<std::string(const Path &)> &write,
                          const std::function<bool(std::string_view)> &out) const {
    const std::span<const Record> records(m_records);
    std::vector<std::string> texts(kBlocksTogether);
    for (std::size_t at = 0; at < records.size(); at += kBlock * kBlocksTogether) {
        const auto rest = records.subspan(at, std::min(kBlock * kBlocksTogether, records.size() - at));
        m_parallel((rest.size() + kBlock - 1) / kBlock, [&](std::size_t i) {
            const auto block = rest.subspan(i * kBlock, std::min(kBlock, rest.size() - i * kBlock));
            texts[i].clear();
            withPaths(block, [&](const Path &path) { texts[i] += write(path); });
        });
        for (const std::string &text : texts)
            if (!text.empty() && !out(text)) return;
        for (std::string &text : texts)
            text.clear();
    }
}

} // namespace natlens::tracer
