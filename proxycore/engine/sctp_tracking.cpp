#include "proxycore/engine/sctp_tracking.h"

#include "capture/packet/sctp_chunk.h"

namespace natlens::proxycore {

namespace {

using enum SctpState;
using Chunk = packet::SctpChunk::Type;
using enum packet::SctpChunk::Type;

/// Where a chunk leads; `isReply`: it comes from the side that was asked.
SctpState after(SctpState state, Chunk chunk, bool isReply) {
    switch (chunk) {
    case init: return !isReply && (state == closed || state == heartbeatSent || state == none) ? cookieWait : state;
    case initAck: return isReply && (state == closed || state == cookieWait) ? cookieWait : state;
    case abort: return closed;
    case cookieEcho: return state == cookieWait ? cookieEchoed : state;
    case cookieAck: return state == cookieEchoed ? established : state;
    case error: return isReply && state == cookieEchoed ? closed : state;
    case shutdown: return state != established ? state : isReply ? shutdownReceived : shutdownSent;
    case shutdownAck:
        return state == established && isReply                                              ? state
               : state == established || state == shutdownSent || state == shutdownReceived ? shutdownAckSent
                                                                                            : state;
    case shutdownComplete: return state == shutdownAckSent ? closed : state;
    case heartbeat: return state == none ? heartbeatSent : state;
    case heartbeatAck: return state == heartbeatSent && isReply ? established : state;
    case data:
    case sack: break;
    }
    return state;
}

std::int64_t timeoutOf(SctpState state) {
    switch (state) {
    case none:
    case closed: return 10 * kSecond;
    case cookieWait:
    case cookieEchoed:
    case shutdownSent:
    case shutdownReceived:
    case shutdownAckSent: return 3 * kSecond;
    case established: return 210 * kSecond;
    case heartbeatSent: return 30 * kSecond;
    }
    return 10 * kSecond;
}

} // namespace

bool trackSctp(Connection &connection, unsigned direction, const PacketFields &fields, bool isFirst, std::int64_t now) {
    constexpr std::uint32_t kHeader = 12;
    constexpr int kMostChunks = 64;
    auto state = isFirst ? none : static_cast<SctpState>(connection.state);
    const SctpState before = state;
    std::uint32_t at = kHeader;
    int chunks = 0;
    for (; at + 4 <= fields.transportLength() && chunks < kMostChunks; ++chunks) {
        const auto chunk = static_cast<Chunk>(base::loadByte(fields.at(at)));
        const std::uint32_t length = base::loadBig16(fields.at(at + 2));
        if (length < 4) return false;
        // What answers something cannot begin a connection.
        if (isFirst && chunks == 0 &&
            (chunk == data || chunk == initAck || chunk == cookieEcho || chunk == cookieAck || chunk == shutdownAck ||
             chunk == shutdownComplete || chunk == abort))
            return false;
        state = after(state, chunk, direction == 1);
        at += (length + 3) & ~3U;
    }
    if (chunks == 0 || (isFirst && state == none)) return false;
    connection.state = static_cast<std::uint8_t>(state);
    connection.expires = now + timeoutOf(state);
    if (before == cookieEchoed && state == established && direction == 1) connection.assured = true;
    return true;
}

ConnectionState viewOf(SctpState state) {
    switch (state) {
    case none:
    case closed: return ConnectionState::none;
    case cookieWait: return ConnectionState::sctpCookieWait;
    case cookieEchoed: return ConnectionState::sctpCookieEchoed;
    case established: return ConnectionState::sctpEstablished;
    case shutdownSent: return ConnectionState::sctpShutdownSent;
    case shutdownReceived: return ConnectionState::sctpShutdownReceived;
    case shutdownAckSent: return ConnectionState::sctpShutdownAckSent;
    case heartbeatSent: return ConnectionState::sctpHeartbeatSent;
    }
    return ConnectionState::none;
}

} // namespace natlens::proxycore
