#include "app/lab/connection_events.h"

#include "capture/netlink/conntrack_message.h"
#include "capture/netlink/message.h"

namespace natlens::lab {
namespace {

using netlink::ConntrackMessage;
using proxycore::ConnectionChange;
using proxycore::ConnectionState;

/// enum tcp_conntrack of the kernel; 0 for connections without TCP's states.
std::uint8_t tcpState(ConnectionState state) {
    switch (state) {
    case ConnectionState::synSent: return 1;
    case ConnectionState::synReceived: return 2;
    case ConnectionState::established: return 3;
    case ConnectionState::finWait: return 4;
    case ConnectionState::closeWait: return 5;
    case ConnectionState::lastAck: return 6;
    case ConnectionState::timeWait: return 7;
    case ConnectionState::close: return 8;
    default: return 0;
    }
}

ConntrackMessage::Kind kindOf(ConnectionChange change) {
    switch (change) {
    case ConnectionChange::added: return ConntrackMessage::Kind::created;
    case ConnectionChange::updated: return ConntrackMessage::Kind::updated;
    case ConnectionChange::destroyed: return ConntrackMessage::Kind::destroyed;
    }
    return ConntrackMessage::Kind::updated;
}

} // namespace

std::vector<std::byte> conntrackPacket(ConnectionChange change, const proxycore::ConnectionView &connection) {
    ConntrackMessage message;
    message.kind = kindOf(change);
    message.original = connection.original;
    message.reply = connection.reply;
    message.id = static_cast<std::uint32_t>(connection.id);
    message.status = ConntrackMessage::kConfirmed | (connection.seenReply ? ConntrackMessage::kSeenReply : 0) |
                     (connection.assured ? ConntrackMessage::kAssured : 0) |
                     (connection.sourceNat ? ConntrackMessage::kSnat : 0) |
                     (connection.destinationNat ? ConntrackMessage::kDnat : 0) |
                     (change == ConnectionChange::destroyed ? ConntrackMessage::kDying : 0);
    message.tcpState = tcpState(connection.state);
    return netlink::wrap(netlink::Family::netfilter, netlink::encodeConntrack(message));
}

} // namespace natlens::lab
