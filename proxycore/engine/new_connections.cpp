// The first packet of a connection: rules, endpoint, source; and what a change of plan does to connections.
#include "proxycore/engine/engine_core.h"
#include "proxycore/engine/nat_rewrite.h"
#include "proxycore/engine/reject.h"
#include "proxycore/engine/sctp_tracking.h"
#include "proxycore/plan/stale_udp.h"

namespace natlens::proxycore {

namespace {

constexpr std::int64_t kUdpStream = 2 * kSecond;

FirstPacket firstPacket(const TupleKey &key, const PacketOrigin &origin) {
    FirstPacket packet{key.protocol,
                       {addressOf(key.family, key.src), 0},
                       {addressOf(key.family, key.dst), 0},
                       origin.inputInterface,
                       origin.locallyGenerated};
    if (key.isIcmp()) return packet;
    packet.source.port = base::bigToNative(key.srcPort);
    packet.destination.port = base::bigToNative(key.dstPort);
    return packet;
}

} // namespace

PacketAction PacketEngine::Impl::begin(Incoming &in, const PacketOrigin &origin) {
    const TupleKey &key = in.key;
    Connection fresh;
    if (key.protocol == Protocol::tcp) {
        TcpSegment segment;
        if (!readSegment(in.fields, segment) || !startTcp(fresh, segment, m_tcp, m_now)) return invalid(in, origin);
    } else if (key.protocol == Protocol::sctp) {
        if (!trackSctp(fresh, 0, in.fields, true, m_now)) return invalid(in, origin);
    } else if (key.isIcmp() && !isIcmpQuery(key.protocol, base::loadByte(in.fields.at(0)))) {
        return invalid(in, origin); // an answer that nobody asked for
    }

    Wish wish;
    if (in.wish) {
        wish = *std::exchange(in.wish, std::nullopt);
    } else {
        const FirstPacket packet = firstPacket(key, origin);
        const Choice choice = choose(in.side->index, packet);
        if (choice.verdict == Verdict::dropped) return PacketAction::drop;
        if (choice.verdict == Verdict::rejected) return reject(in);
        if (choice.verdict == Verdict::forwarded && choice.frontEnd->via == Via::nodePort &&
            packet.destination.ip.isLoopback())
            ++counters.localhostNodePorts;
        if (!arrange(in, origin, choice, packet.source.ip, wish)) return PacketAction::drop;
    }
    if (!allocatePort(table, wish.reply, wish.choice, m_random, wish.drawn) || table.isFull())
        return PacketAction::drop;

    Connection &connection = table.insert(key, wish.reply);
    switch (key.protocol) {
    case Protocol::sctp:
    case Protocol::tcp:
        connection.tcp = fresh.tcp;
        connection.state = fresh.state;
        connection.expires = fresh.expires;
        break;
    case Protocol::udp:
        connection.streamSince = m_now + kUdpStream;
        connection.expires = m_now + std::chrono::nanoseconds(m_options.udp).count();
        break;
    case Protocol::icmp:
    case Protocol::icmpv6: connection.expires = m_now + kIcmp; break;
    default: connection.expires = m_now + kOther; break;
    }
    table.schedule(connection);
    prepareTranslation(connection);
    if (connection.isTranslated()) translate(connection, 0, in.fields);
    m_current = &connection;
    m_currentDirection = 0;
    notify(ConnectionChange::added, connection);
    return PacketAction::forward;
}

void PacketEngine::Impl::decideAhead(std::span<Incoming> group, const PacketOrigin &origin) {
    for (Incoming &in : group) {
        if (in.reading != Reading::packet || in.kind != TupleKind::connection) return;
        const auto found = table.find(in.key, in.hash);
        const bool lives = found.connection != nullptr && found.connection->expires > m_now;
        TcpSegment segment;
        const bool opens = in.key.protocol == Protocol::tcp && readSegment(in.fields, segment) &&
                           segment.event == TcpEvent::syn && !segment.hasAck;
        if (lives && !opens) continue; // draws nothing
        if (lives || !opens) return;
        // An earlier one of the group may make the connection that this one belongs to.
        for (const Incoming *other = group.data(); other != &in; ++other)
            if (other->hash == in.hash || (other->wish && other->wish->reply == in.key)) return;
        const FirstPacket packet = firstPacket(in.key, origin);
        const Choice choice = choose(in.side->index, packet);
        if (choice.verdict != Verdict::forwarded) continue; // draws nothing
        // When it is their turn these remember the client, or are counted.
        if (choice.line == nullptr && choice.service->affinity.count() > 0) return;
        if (packet.destination.ip.isLoopback()) return;
        Wish wish;
        if (!arrange(in, origin, choice, packet.source.ip, wish)) return;
        if (wish.choice == PortChoice::random) wish.drawn = drawPort(wish.reply, m_random);
        in.wish = wish;
        table.prefetchSlot(table.hash(wish.reply));
    }
}

bool PacketEngine::Impl::arrange(const Incoming &in, const PacketOrigin &origin, const Choice &choice,
                                 const IpAddress &source, Wish &wish) {
    const auto &behaviour = in.side->index.plan().behaviour;
    TupleKey sent = in.key;
    bool masquerade = false;
    if (choice.verdict == Verdict::forwarded) {
        const packet::SocketAddress &endpoint = pick(*in.side, choice, source);
        storeAddress(endpoint.ip, sent.dst);
        sent.dstPort = base::bigToNative(endpoint.port);
        masquerade = choice.masquerade || isHairpin(in.side->index, in.key.protocol, endpoint, source);
        if (masquerade) {
            const NodeRoute route = m_routing.route(endpoint.ip);
            // Masquerade happens where packets leave the node: one from outside to a process on it keeps its source.
            if (route.local && !origin.locallyGenerated)
                masquerade = false;
            else if (!route.reachable || route.source.family != in.key.family)
                return false;
            else
                storeAddress(route.source, sent.src);
        }
    }
    wish.reply = reversed(sent);
    wish.choice = masquerade && behaviour.fullyRandomPorts ? PortChoice::random : PortChoice::keepIfFree;
    return true;
}

const packet::SocketAddress &PacketEngine::Impl::pick(Side &side, const Choice &choice, const IpAddress &client) {
    const auto oneOf = [this](std::size_t count) {
        return count == 1 ? 0 : m_random.below(static_cast<std::uint32_t>(count));
    };
    if (choice.line != nullptr) return choice.line->addresses[oneOf(choice.line->count)];
    const auto &endpoints = *choice.endpoints;
    const bool sticks = choice.service->affinity.count() > 0;
    const bool recalls = sticks && (!choice.localEndpoints || side.index.plan().behaviour.localAffinity);
    const PlannedEndpoint *picked = recalls ? side.affinity.recall(*choice.service, endpoints, client, m_now) : nullptr;
    if (picked == nullptr) picked = &endpoints[oneOf(endpoints.size())];
    if (sticks) side.affinity.remember(*choice.service, picked->address, client, m_now, side.index.plan().behaviour);
    return picked->address;
}

PacketAction PacketEngine::Impl::reject(const Incoming &in) {
    // As the kernel does: an address of the node that was asked answers itself; for others the node answers with the
    // address by which it reaches the sender.
    auto source = addressOf(in.key.family, in.key.dst);
    if (!in.side->index.plan().isLocalAddress(source)) {
        const NodeRoute back = m_routing.route(addressOf(in.key.family, in.key.src));
        if (back.reachable && back.source.family == in.key.family) source = back.source;
    }
    if (auto answer = portUnreachable(in.fields, source)) generated.push_back(std::move(*answer));
    return PacketAction::reject;
}

void PacketEngine::Impl::setPlan(const ProxyPlan &plan) {
    Side &side = sideOf(plan.family);
    const bool isFirst = !std::exchange(side.isSet, true);
    const auto gone = isFirst ? std::set<IpAddress>{} : goneUdpAddresses(side.index.plan(), plan);
    const auto changes = side.index.update(plan);
    for (const auto &service : changes.removed)
        side.affinity.follow(service->name, side.index.plan().find(service->name));
    const auto isUdp = [](const auto &service) { return service->name.protocol == Protocol::udp; };
    if (isFirst || std::ranges::any_of(changes.removed, isUdp) || std::ranges::any_of(changes.added, isUdp))
        removeStaleUdp(side, plan.family);
    if (gone.empty()) return;
    table.forEach(Protocol::udp, [&](Connection &connection) {
        if (gone.contains(toTuple(connection.original).dst.ip)) destroy(connection);
    });
}

void PacketEngine::Impl::removeStaleUdp(const Side &side, IpFamily family) {
    table.forEach(Protocol::udp, [&](Connection &connection) {
        const auto original = toTuple(connection.original);
        if (connection.original.family != family) return;
        const auto hit = side.index.findAnywhere(Protocol::udp, original.dst);
        if (hit.service == nullptr) return;
        // Endpoints that serve count even where a policy does not use them: what runs may go on.
        if (isStaleUdp(side.index.plan().behaviour, *hit.service, hit.frontEnd->via, original.dst,
                       toTuple(connection.reply).src))
            destroy(connection);
    });
}

} // namespace natlens::proxycore
