#include "proxycore/engine/packet_engine.h"

#include "proxycore/engine/engine_core.h"
#include "proxycore/engine/nat_rewrite.h"
#include "proxycore/engine/sctp_tracking.h"

namespace natlens::proxycore {

namespace {

std::int64_t nanoseconds(std::chrono::seconds value) {
    return std::chrono::nanoseconds(value).count();
}

bool startsTcp(const PacketFields &fields) {
    constexpr unsigned kSyn = 0x02, kSynAck = 0x12;
    return fields.protocol == Protocol::tcp && fields.transportLength() >= 20 &&
           (base::loadByte(fields.at(13)) & kSynAck) == kSyn;
}

packet::SocketAddress destinationOf(const TupleKey &key) {
    return {addressOf(key.family, key.dst), base::bigToNative(key.dstPort)};
}

} // namespace

PacketEngine::Impl::Impl(const NodeRouting &routing, RandomSource &random, Options options)
    : table(options.maximumConnections, options.hashSeed)
    , m_routing(routing)
    , m_random(random)
    , m_options(options)
    , m_tcp{options.tcpLiberal, options.tcpLoose, options.tcpEstablished, options.tcpCloseWait} {}

void PacketEngine::Impl::begin(base::Timestamp now) {
    if (!generated.empty()) generated.clear();
    m_now = std::max(m_now, now.nanoseconds);
    if (m_now < m_nextTick) return;
    expire(now);
    m_nextTick = (m_now / kSecond + 1) * kSecond;
}

void PacketEngine::Impl::expire(base::Timestamp now) {
    m_now = std::max(m_now, now.nanoseconds);
    table.advance(m_now, [this](Connection &connection) { destroy(connection); });
    m_fragments.expire(m_now);
}

void PacketEngine::Impl::destroy(Connection &connection) {
    notify(ConnectionChange::destroyed, connection);
    table.erase(connection);
}

void PacketEngine::Impl::read(std::span<std::byte> packet, Incoming &in) {
    in.reading = Reading::malformed;
    in.wish.reset();
    if (!readFields(packet, Completeness::whole, in.fields)) return;
    in.side = &sideOf(in.fields.family);
    in.reading = !in.side->isSet ? Reading::notOurs : in.fields.isFragment ? Reading::fragment : Reading::packet;
    if (in.reading != Reading::packet) return;
    in.key = {};
    in.kind = readTuple(in.fields, in.key);
    in.hash = table.hash(in.key);
}

PacketAction PacketEngine::Impl::process(std::span<std::byte> packet, const PacketOrigin &origin, base::Timestamp now) {
    begin(now);
    Incoming in;
    read(packet, in);
    return handle(in, origin);
}

void PacketEngine::Impl::processBatch(std::span<const std::span<std::byte>> packets, const PacketOrigin &origin,
                                      base::Timestamp now, std::span<PacketAction> actions) {
    // Two groups under way: the connections of one are fetched while the next one is read. More at a time would wait
    // for the core's own buffers: eight packets are 24 lines of connections.
    constexpr std::size_t kTogether = 8;
    begin(now);
    std::array<std::array<Incoming, kTogether>, 2> groups;
    std::array<bool, 2> opens{}; ///< some packet of the group may begin a connection
    const auto sizeAt = [&](std::size_t first) {
        return first < packets.size() ? std::min(kTogether, packets.size() - first) : 0;
    };
    const auto readGroup = [&](std::size_t turn, std::size_t first) {
        auto &group = groups[turn];
        opens[turn] = false;
        for (std::size_t i = 0; i < sizeAt(first); ++i) {
            read(packets[first + i], group[i]);
            if (group[i].reading != Reading::packet) continue;
            table.prefetchSlot(group[i].hash);
            if (!startsTcp(group[i].fields)) continue;
            opens[turn] = true;
            group[i].side->index.prefetchPlace(Protocol::tcp, destinationOf(group[i].key));
        }
    };
    readGroup(0, 0);
    for (std::size_t first = 0, turn = 0; first < packets.size(); first += kTogether, turn ^= 1) {
        auto &group = groups[turn];
        for (std::size_t i = 0; i < sizeAt(first); ++i) {
            if (group[i].reading != Reading::packet) continue;
            if (startsTcp(group[i].fields))
                group[i].side->index.prefetchService(Protocol::tcp, destinationOf(group[i].key));
            else
                table.prefetchConnection(group[i].hash);
        }
        readGroup(turn ^ 1, first + kTogether);
        if (opens[turn]) decideAhead({group.data(), sizeAt(first)}, origin);
        for (std::size_t i = 0; i < sizeAt(first); ++i)
            actions[first + i] = handle(group[i], origin);
    }
}

PacketAction PacketEngine::Impl::handle(Incoming &in, const PacketOrigin &origin) {
    m_current = nullptr;
    switch (in.reading) {
    case Reading::malformed: return PacketAction::drop;
    case Reading::notOurs: return PacketAction::forward;
    case Reading::fragment: return fragment(in, origin);
    case Reading::packet: return track(in, origin);
    }
    return PacketAction::drop;
}

PacketAction PacketEngine::Impl::track(Incoming &in, const PacketOrigin &origin) {
    switch (in.kind) {
    case TupleKind::connection: break;
    case TupleKind::icmpError: return icmpError(in, origin);
    case TupleKind::untracked: return PacketAction::forward;
    case TupleKind::invalid: return invalid(in, origin);
    }
    const auto found = table.find(in.key, in.hash);
    if (found.connection == nullptr) return begin(in, origin);
    if (found.connection->expires <= m_now) {
        destroy(*found.connection);
        return begin(in, origin);
    }
    return existing(in, *found.connection, found.direction, origin);
}

PacketAction PacketEngine::Impl::existing(Incoming &in, Connection &connection, unsigned direction,
                                          const PacketOrigin &origin) {
    const std::uint8_t oldState = connection.state;
    const bool wasAssured = connection.assured, hadReply = connection.seenReply;
    bool abandoned = false;
    switch (in.key.protocol) {
    case Protocol::tcp: {
        TcpSegment segment;
        if (!readSegment(in.fields, segment)) return invalid(in, origin);
        switch (trackTcp(connection, direction, segment, m_tcp, m_now)) {
        case TcpVerdict::accept:
        case TcpVerdict::ignore: break;
        case TcpVerdict::invalid: return invalid(in, origin);
        case TcpVerdict::abandon: abandoned = true; break;
        case TcpVerdict::reopen: destroy(connection); return begin(in, origin);
        }
        break;
    }
    case Protocol::udp:
        if (!hadReply) {
            connection.expires = m_now + nanoseconds(m_options.udp);
        } else if (m_now > connection.streamSince) { // alive for longer than a question and its answer
            connection.expires = m_now + nanoseconds(m_options.udpStream);
            connection.assured = true;
        } else {
            connection.expires = m_now + nanoseconds(m_options.udp);
        }
        break;
    case Protocol::sctp:
        if (!trackSctp(connection, direction, in.fields, false, m_now)) return invalid(in, origin);
        break;
    case Protocol::icmp:
    case Protocol::icmpv6: connection.expires = m_now + kIcmp; break;
    default: connection.expires = m_now + kOther; break;
    }
    table.schedule(connection);
    if (direction == 1) connection.seenReply = true;
    if (connection.isTranslated()) translate(connection, direction, in.fields);
    if (abandoned) {
        destroy(connection);
        return PacketAction::forward;
    }
    m_current = &connection;
    m_currentDirection = direction;
    if (listener &&
        (connection.state != oldState || connection.assured != wasAssured || connection.seenReply != hadReply))
        notify(ConnectionChange::updated, connection);
    return PacketAction::forward;
}

PacketAction PacketEngine::Impl::invalid(const Incoming &in, const PacketOrigin &origin) {
    // kube-proxy's rule stands where packets are forwarded; what the node sends or gets itself passes.
    const auto &plan = in.side->index.plan();
    if (!plan.behaviour.dropInvalid || origin.locallyGenerated) return PacketAction::forward;
    const bool isV4 = in.fields.family == IpFamily::v4;
    const auto destination = IpAddress::fromBytes(in.fields.family, in.fields.bytes + (isV4 ? 16 : 24));
    if (plan.isLocalAddress(destination)) return PacketAction::forward;
    ++counters.invalidDropped;
    return PacketAction::drop;
}

PacketAction PacketEngine::Impl::icmpError(Incoming &in, const PacketOrigin &origin) {
    constexpr std::uint8_t kRedirect = 5;
    PacketFields quoted;
    TupleKey key;
    if (!readFields({in.fields.at(8), in.fields.transportLength() - 8}, Completeness::quoted, quoted) ||
        quoted.family != in.fields.family || quoted.isLaterFragment() ||
        readTuple(quoted, key) != TupleKind::connection)
        return invalid(in, origin);
    const TupleKey answer = reversed(key);
    const auto found = table.find(answer, table.hash(answer));
    if (found.connection == nullptr || found.connection->expires <= m_now) return invalid(in, origin);
    const TupleKey &expected = found.connection->tuple(found.direction);
    if (expected.dst[0] != in.key.dst[0] || expected.dst[1] != in.key.dst[1]) return invalid(in, origin);
    if (found.connection->isTranslated()) {
        // Which gateway is better for a translated packet, its sender cannot use.
        if (in.fields.family == IpFamily::v4 && base::loadByte(in.fields.at(0)) == kRedirect) return PacketAction::drop;
        translateError(*found.connection, found.direction, in.fields, quoted);
    }
    return PacketAction::forward;
}

ConnectionView PacketEngine::Impl::view(const Connection &connection) const {
    ConnectionView view;
    view.id = connection.id;
    view.original = toTuple(connection.original);
    view.reply = toTuple(connection.reply);
    if (connection.original.protocol == Protocol::tcp) view.state = viewOf(static_cast<TcpState>(connection.state));
    if (connection.original.protocol == Protocol::sctp) view.state = viewOf(static_cast<SctpState>(connection.state));
    view.timeout = std::chrono::seconds(std::max<std::int64_t>(connection.expires - m_now, 0) / kSecond);
    view.seenReply = connection.seenReply;
    view.assured = connection.assured;
    view.sourceNat = connection.sourceNat;
    view.destinationNat = connection.destinationNat;
    return view;
}

std::vector<ConnectionView> PacketEngine::Impl::connections() {
    std::vector<ConnectionView> views;
    table.forEach([&](const Connection &connection) {
        if (connection.expires > m_now) views.push_back(view(connection));
    });
    std::ranges::sort(views, {}, &ConnectionView::id);
    return views;
}

PacketEngine::PacketEngine(const NodeRouting &routing, RandomSource &random, Options options)
    : m_impl(std::make_unique<Impl>(routing, random, options)) {}
PacketEngine::~PacketEngine() = default;

void PacketEngine::setPlan(const ProxyPlan &plan) {
    m_impl->setPlan(plan);
}

PacketAction PacketEngine::process(std::span<std::byte> packet, const PacketOrigin &origin, base::Timestamp now) {
    return m_impl->process(packet, origin, now);
}

void PacketEngine::processBatch(std::span<const std::span<std::byte>> packets, const PacketOrigin &origin,
                                base::Timestamp now, std::span<PacketAction> actions) {
    m_impl->processBatch(packets, origin, now, actions);
}

const std::vector<std::vector<std::byte>> &PacketEngine::generated() const {
    return m_impl->generated;
}

void PacketEngine::expire(base::Timestamp now) {
    m_impl->expire(now);
}

PacketEngine::Counters PacketEngine::counters() const {
    return m_impl->counters;
}

PacketEngine::Options PacketEngine::Options::of(const ProxyConfig &config) {
    Options options;
    const auto set = [](std::chrono::seconds &value, std::chrono::milliseconds wanted) {
        constexpr std::chrono::seconds kLongest(
            std::numeric_limits<std::int32_t>::max()); // added to any time it is one
        if (wanted.count() > 0) value = std::min(std::chrono::ceil<std::chrono::seconds>(wanted), kLongest);
    };
    set(options.tcpEstablished, config.conntrack.tcpEstablished);
    set(options.tcpCloseWait, config.conntrack.tcpCloseWait);
    set(options.udp, config.conntrack.udp);
    set(options.udpStream, config.conntrack.udpStream);
    options.tcpLiberal = config.tcpBeLiberal;
    if (const auto most = config.conntrack.maximum(1); most != 0) options.maximumConnections = most;
    return options;
}

void PacketEngine::listen(ConnectionListener listener) {
    m_impl->listener = std::move(listener);
}

std::vector<ConnectionView> PacketEngine::connections() const {
    return m_impl->connections();
}

std::size_t PacketEngine::connectionCount() const {
    return m_impl->table.size();
}

} // namespace natlens::proxycore
