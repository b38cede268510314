#include "proxycore/engine/tcp_tracking.h"

#include "capture/packet/decode.h"

namespace natlens::proxycore {

namespace {

using packet::TcpFlags;
using enum TcpState;
namespace Flag = TcpSideFlag;

constexpr std::int64_t kRetransmitted = 300 * kSecond, kUnacknowledged = 300 * kSecond;
constexpr std::uint8_t kMostRetransmissions = 3;
constexpr std::uint32_t kSmallestAckWindow = 66'000;

bool before(std::uint32_t a, std::uint32_t b) {
    return static_cast<std::int32_t>(a - b) < 0;
}
bool after(std::uint32_t a, std::uint32_t b) {
    return before(b, a);
}

/// Where a segment leads; besides the states: not ours to judge, and impossible.
constexpr auto kIgnore = static_cast<TcpState>(kTcpStates), kInvalid = static_cast<TcpState>(kTcpStates + 1);

/// [state][SYN, SYN+ACK, FIN, ACK, RST], for the side that opened the connection. Rows in the order of TcpState.
constexpr TcpState kFromOpener[kTcpStates][5] = {
    {synSent, kInvalid, kInvalid, established, kInvalid}, // none: an ACK picks a connection up
    {synSent, kInvalid, kInvalid, kInvalid, close},       // synSent: the SYN again
    {kIgnore, synReceived, finWait, established, close},  // synReceived: the handshake's last ACK
    {kIgnore, kInvalid, finWait, established, close},     // established
    {kIgnore, kInvalid, lastAck, closeWait, close},       // finWait
    {kIgnore, kInvalid, lastAck, closeWait, close},       // closeWait
    {kIgnore, kInvalid, lastAck, timeWait, close},        // lastAck
    {synSent, kInvalid, timeWait, timeWait, close},       // timeWait: a SYN begins anew
    {synSent, kInvalid, close, close, close},             // close
    {synSent2, synReceived, kInvalid, kInvalid, close},   // synSent2
};
/// The same for the side that was asked.
constexpr TcpState kFromOther[kTcpStates][5] = {
    {kInvalid, kInvalid, kInvalid, kInvalid, kInvalid}, // none
    {synSent2, synReceived, kInvalid, kIgnore, close},  // synSent: an ACK answers something older
    {kInvalid, kIgnore, finWait, synReceived, close},   // synReceived
    {kInvalid, kIgnore, finWait, established, close},   // established
    {kInvalid, kIgnore, lastAck, closeWait, close},     // finWait
    {kInvalid, kIgnore, lastAck, closeWait, close},     // closeWait
    {kInvalid, kIgnore, lastAck, timeWait, close},      // lastAck
    {synSent, kIgnore, timeWait, timeWait, close},      // timeWait
    {kInvalid, kIgnore, close, close, close},           // close
    {synSent2, synReceived, kInvalid, kIgnore, close},  // synSent2
};

std::int64_t timeoutOf(TcpState state, const TcpSettings &settings) {
    switch (state) {
    case none:
    case synSent:
    case synSent2:
    case finWait:
    case timeWait: return 120 * kSecond;
    case synReceived: return 60 * kSecond;
    case established: return settings.established.count() * kSecond;
    case closeWait: return settings.closeWait.count() * kSecond;
    case lastAck: return 30 * kSecond;
    case close: return 10 * kSecond;
    }
    return 120 * kSecond;
}

/// Calls `option(kind, data, length of data)` for each option.
template<class Option>
void forEachOption(const TcpSegment &segment, Option &&option) {
    std::uint32_t at = 0;
    while (at < segment.optionsLength) {
        const std::uint8_t kind = base::loadByte(segment.options + at);
        if (kind == 0) return;
        if (kind == 1) {
            ++at;
            continue;
        }
        if (at + 2 > segment.optionsLength) return;
        const std::uint32_t length = base::loadByte(segment.options + at + 1);
        if (length < 2 || at + length > segment.optionsLength) return;
        option(kind, segment.options + at + 2, length - 2);
        at += length;
    }
}

void readSynOptions(const TcpSegment &segment, std::uint8_t &flags, std::uint8_t &scale) {
    flags = 0;
    scale = 0;
    forEachOption(segment, [&](std::uint8_t kind, const std::byte *data, std::uint32_t length) {
        if (kind == 4 && length == 0) flags |= Flag::sackPermitted;
        if (kind != 3 || length != 1) return;
        scale = std::min<std::uint8_t>(base::loadByte(data), 14);
        flags |= Flag::windowScale;
    });
}

/// The highest sequence number that a selective acknowledgement reaches.
std::uint32_t highestSack(const TcpSegment &segment) {
    std::uint32_t highest = segment.ack;
    if (segment.optionsLength == 12 && base::loadBig32(segment.options) == 0x0101080a)
        return highest; // timestamps only
    forEachOption(segment, [&](std::uint8_t kind, const std::byte *data, std::uint32_t length) {
        if (kind != 5 || length % 8 != 0) return;
        for (std::uint32_t block = 0; block < length; block += 8)
            if (const auto edge = base::loadBig32(data + block + 4); after(edge, highest)) highest = edge;
    });
    return highest;
}

void startSide(TcpSide &side, TcpSide &other, const TcpSegment &segment) {
    side.end = side.maxEnd = segment.end;
    side.maxWindow = std::max<std::uint32_t>(segment.window, 1);
    const std::uint8_t kept = side.flags & Flag::closeInit;
    readSynOptions(segment, side.flags, side.scale);
    side.flags |= kept;
    if ((side.flags & other.flags & Flag::windowScale) == 0) side.scale = other.scale = 0;
}

/// Whether the segment fits what both sides have sent and offered; keeps account of it when it does.
bool fitsWindows(TcpTracking &tcp, TcpState state, unsigned direction, const TcpSegment &segment, bool liberal) {
    TcpSide &sender = tcp.sides[direction], &receiver = tcp.sides[1 - direction];
    // Not as a changed copy of the segment, which would wait for what has just been written.
    std::uint32_t seq = segment.seq, end = segment.end, ack = segment.ack, sack = segment.sack;
    const bool isSyn = segment.event == TcpEvent::syn || segment.event == TcpEvent::synAck;
    if ((receiver.flags & Flag::sackPermitted) != 0 && segment.hasAck && segment.optionsLength > 0)
        sack = highestSack(segment);

    if (sender.maxWindow == 0) {
        if (isSyn) {
            startSide(sender, receiver, segment);
            if (!segment.hasAck) return true; // simultaneous open
        } else {                              // the first we see of this side is in mid-stream
            sender.end = end;
            sender.maxWindow = std::max<std::uint32_t>(std::uint32_t{segment.window} << sender.scale, 1);
            sender.maxEnd = end + sender.maxWindow;
            if (receiver.maxWindow == 0)
                receiver.end = receiver.maxEnd = sack;
            else if (sack == receiver.end + 1)
                ++receiver.end; // answers a keep-alive
        }
    } else if (isSyn && after(end, sender.end) &&
               ((state == synSent && direction == 0) || (state == synReceived && direction == 1))) {
        startSide(sender, receiver, segment); // tried again with another sequence number
        if (direction == 1 && !segment.hasAck) return true;
    }

    const bool resetWithoutAck = segment.event == TcpEvent::rst && ack == 0;
    if (!segment.hasAck || resetWithoutAck) ack = sack = receiver.end;
    if (segment.event == TcpEvent::rst && seq == 0 && state == synSent) seq = end = sender.end;

    const std::uint32_t ackWindow = std::max(sender.maxWindow, kSmallestAckWindow);
    const bool fits = before(seq, sender.maxEnd + 1) &&
                      (receiver.maxWindow == 0 || after(end, sender.end - receiver.maxWindow - 1)) &&
                      before(sack, receiver.end + 1) && after(sack, receiver.end - ackWindow - 1);
    if (!fits) return liberal || (sender.flags & Flag::liberal) != 0;

    const std::uint32_t window = isSyn ? segment.window : std::uint32_t{segment.window} << sender.scale;
    sender.maxWindow = std::max(sender.maxWindow, window + (sack - ack));
    if (after(end, sender.end)) {
        sender.end = end;
        sender.flags |= Flag::unacknowledged;
    }
    if (segment.hasAck && ((sender.flags & Flag::maxAckSet) == 0 || after(ack, sender.maxAck))) {
        sender.maxAck = ack;
        sender.flags |= Flag::maxAckSet;
    }
    if (receiver.maxWindow != 0 && after(end, sender.maxEnd)) receiver.maxWindow += end - sender.maxEnd;
    if (after(sack + window, receiver.maxEnd - 1)) receiver.maxEnd = sack + window + (window == 0 ? 1 : 0);
    if (ack == receiver.end) receiver.flags &= static_cast<std::uint8_t>(~Flag::unacknowledged);

    if (segment.event != TcpEvent::ack) return true;
    const bool again = tcp.lastDirection == direction && tcp.lastSeq == seq && tcp.lastAck == ack &&
                       tcp.lastEnd == end && tcp.lastWindow == segment.window;
    if (again)
        tcp.retransmissions = static_cast<std::uint8_t>(std::min(tcp.retransmissions + 1, 255));
    else
        tcp.retransmissions = 0;
    tcp.lastDirection = static_cast<std::uint8_t>(direction);
    tcp.lastSeq = seq;
    tcp.lastAck = ack;
    tcp.lastEnd = end;
    tcp.lastWindow = segment.window;
    return true;
}

/// Passes, but neither side need believe it: a SYN into a connection that only we think is alive, and what answers it.
void noteIgnored(TcpTracking &tcp, TcpState state, unsigned direction, const TcpSegment &segment) {
    tcp.lastEvent = segment.event;
    tcp.lastDirection = static_cast<std::uint8_t>(direction);
    tcp.lastSeq = segment.seq;
    tcp.lastAck = segment.ack;
    tcp.lastEnd = segment.end;
    tcp.lastWindow = segment.window;
    if (segment.event != TcpEvent::syn || direction != 0) return;
    readSynOptions(segment, tcp.lastFlags, tcp.lastScale);
    if (state == lastAck) tcp.lastFlags |= Flag::challengeAck;
}

enum class ResetJudgement : std::uint8_t { closes, keeps, invalid, answersIgnored };

/// A reset must be believed only if the side that gets it would (RFC 5961).
ResetJudgement judgeReset(const Connection &connection, TcpState state, unsigned direction, const TcpSegment &segment) {
    const TcpTracking &tcp = connection.tcp;
    const TcpSide &other = tcp.sides[1 - direction];
    auto judgement = ResetJudgement::closes;
    const bool isEstablished = connection.assured && state == established;
    if ((other.flags & Flag::maxAckSet) != 0) {
        if (segment.seq == 0 && !isEstablished) return ResetJudgement::closes; // answers a SYN let through above
        if (before(segment.seq, other.maxAck)) return ResetJudgement::invalid;
        if (!isEstablished || segment.seq == other.maxAck) return ResetJudgement::closes;
        const bool follows =
            tcp.lastEvent == TcpEvent::ack && tcp.lastDirection == direction && segment.seq == tcp.lastEnd;
        if (follows) return ResetJudgement::closes;
        judgement = ResetJudgement::keeps; // the receiver will ask with a challenge ACK
    }
    const bool answers = ((connection.seenReply && tcp.lastEvent == TcpEvent::syn) ||
                          (!connection.assured && tcp.lastEvent == TcpEvent::ack)) &&
                         segment.ack == tcp.lastEnd;
    return answers ? ResetJudgement::answersIgnored : judgement;
}

} // namespace

bool readSegment(const PacketFields &fields, TcpSegment &segment) {
    if (fields.transportLength() < 20) return false;
    const std::byte *header = fields.at(0);
    const std::uint32_t size = (base::loadByte(header + 12) >> 4) * 4U;
    if (size < 20 || size > fields.transportLength()) return false;
    const unsigned flags =
        base::loadByte(header + 13) & (TcpFlags::fin | TcpFlags::syn | TcpFlags::rst | TcpFlags::ack);
    const bool urgent = (base::loadByte(header + 13) & TcpFlags::urg) != 0;
    switch (flags) {
    case TcpFlags::syn: segment.event = TcpEvent::syn; break;
    case TcpFlags::syn | TcpFlags::ack:
        if (urgent) return false;
        segment.event = TcpEvent::synAck;
        break;
    case TcpFlags::rst:
    case TcpFlags::rst | TcpFlags::ack:
        if (urgent) return false;
        segment.event = TcpEvent::rst;
        break;
    case TcpFlags::fin | TcpFlags::ack: segment.event = TcpEvent::fin; break;
    case TcpFlags::ack: segment.event = TcpEvent::ack; break;
    default: return false;
    }
    segment.hasAck = (flags & TcpFlags::ack) != 0;
    segment.seq = base::loadBig32(header + 4);
    segment.ack = segment.sack = base::loadBig32(header + 8);
    segment.end = segment.seq + (fields.transportLength() - size) + (segment.event <= TcpEvent::fin ? 1U : 0U);
    segment.window = base::loadBig16(header + 14);
    segment.options = header + 20;
    segment.optionsLength = size - 20;
    return true;
}

bool startTcp(Connection &connection, const TcpSegment &segment, const TcpSettings &settings, std::int64_t now) {
    const TcpState state = kFromOpener[0][static_cast<std::size_t>(segment.event)];
    if (state == kInvalid || (state != synSent && !settings.loose)) return false;
    connection.tcp = {};
    TcpSide &sender = connection.tcp.sides[0];
    if (state == synSent) {
        TcpSide nobody;
        nobody.flags = Flag::windowScale; // whether scaling holds is known when the answer comes
        startSide(sender, nobody, segment);
    } else {
        sender.end = segment.end;
        sender.maxWindow = std::max<std::uint32_t>(segment.window, 1);
        sender.maxEnd = segment.end + sender.maxWindow;
        // What was agreed in the handshake is not known.
        sender.flags = connection.tcp.sides[1].flags = Flag::sackPermitted | Flag::liberal;
    }
    connection.tcp.lastEvent = segment.event;
    connection.state = static_cast<std::uint8_t>(state);
    connection.expires = now + (state == synSent ? timeoutOf(state, settings) : kUnacknowledged);
    return true;
}

TcpVerdict trackTcp(Connection &connection, unsigned direction, const TcpSegment &segment, const TcpSettings &settings,
                    std::int64_t now) {
    TcpTracking &tcp = connection.tcp;
    auto old = static_cast<TcpState>(connection.state);
    const auto event = static_cast<std::size_t>(segment.event);
    TcpState next = (direction == 0 ? kFromOpener : kFromOther)[static_cast<std::size_t>(old)][event];
    bool judged = false;

    if (next == synSent && old >= timeWait) {
        const bool closing = ((tcp.sides[0].flags | tcp.sides[1].flags) & Flag::closeInit) != 0;
        if (closing || (tcp.lastDirection == direction && tcp.lastEvent == TcpEvent::rst)) return TcpVerdict::reopen;
        next = kIgnore;
    }
    if (next == kInvalid) return TcpVerdict::invalid;
    if (next == kIgnore) {
        const bool answersIgnored = segment.event == TcpEvent::synAck && tcp.lastEvent == TcpEvent::syn &&
                                    tcp.lastDirection != direction && segment.ack == tcp.lastEnd;
        if (!answersIgnored) {
            noteIgnored(tcp, old, direction, segment);
            return TcpVerdict::ignore;
        }
        // The SYN that we did not believe was real: both sides begin anew.
        TcpSide &asker = tcp.sides[1 - direction];
        asker = {.end = tcp.lastEnd,
                 .maxEnd = tcp.lastEnd,
                 .maxWindow = std::max<std::uint32_t>(tcp.lastWindow, 1),
                 .maxAck = 0,
                 .scale = tcp.lastScale,
                 .flags = static_cast<std::uint8_t>(tcp.lastFlags & ~Flag::challengeAck)};
        tcp.sides[direction] = {};
        old = synSent;
        next = synReceived;
    }
    if (next == timeWait && old == lastAck && segment.event == TcpEvent::ack && tcp.lastDirection != direction &&
        tcp.lastEvent == TcpEvent::syn && (tcp.lastFlags & Flag::challengeAck) != 0) {
        tcp.lastFlags &= static_cast<std::uint8_t>(~Flag::challengeAck);
        return TcpVerdict::invalid; // acknowledges no FIN: it is the challenge that a needless SYN provoked
    }
    if (next == close && segment.event == TcpEvent::rst) {
        switch (judgeReset(connection, old, direction, segment)) {
        case ResetJudgement::closes: break;
        case ResetJudgement::keeps: next = old; break;
        case ResetJudgement::invalid: return TcpVerdict::invalid;
        case ResetJudgement::answersIgnored: judged = true; break;
        }
    }
    if (!judged && !fitsWindows(tcp, old, direction, segment, settings.liberal)) return TcpVerdict::invalid;

    tcp.lastEvent = segment.event;
    tcp.lastDirection = static_cast<std::uint8_t>(direction);
    if (next == finWait && old != finWait) tcp.sides[direction].flags |= Flag::closeInit;
    connection.state = static_cast<std::uint8_t>(next);
    if (segment.event == TcpEvent::rst && !connection.seenReply) return TcpVerdict::abandon;

    std::int64_t timeout = timeoutOf(next, settings);
    const bool unacknowledged = ((tcp.sides[0].flags | tcp.sides[1].flags) & Flag::unacknowledged) != 0;
    if (tcp.retransmissions >= kMostRetransmissions)
        timeout = std::min(timeout, kRetransmitted);
    else if (segment.event == TcpEvent::rst)
        timeout = timeoutOf(close, settings);
    else if (unacknowledged)
        timeout = std::min(timeout, kUnacknowledged);
    else if (tcp.lastWindow == 0)
        timeout = std::min(timeout, kRetransmitted);
    if (!connection.seenReply && next == established) timeout = std::min(timeout, kUnacknowledged); // picked up
    if (connection.seenReply && (old == synReceived || old == established) && next == established)
        connection.assured = true;
    connection.expires = now + timeout;
    return TcpVerdict::accept;
}

ConnectionState viewOf(TcpState state) {
    switch (state) {
    case none: return ConnectionState::none;
    case synSent:
    case synSent2: return ConnectionState::synSent;
    case synReceived: return ConnectionState::synReceived;
    case established: return ConnectionState::established;
    case finWait: return ConnectionState::finWait;
    case closeWait: return ConnectionState::closeWait;
    case lastAck: return ConnectionState::lastAck;
    case timeWait: return ConnectionState::timeWait;
    case close: return ConnectionState::close;
    }
    return ConnectionState::none;
}

} // namespace natlens::proxycore
