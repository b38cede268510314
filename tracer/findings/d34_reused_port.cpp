// D34: a SYN is answered by a bare acknowledgement, then comes a reset: the port was reused too soon.
#include "tracer/findings/helpers.h"

#include "capture/packet/decode.h"

namespace natlens::tracer {

namespace {

std::optional<Finding> find(const FindingInput &input);

} // namespace

const Diagnosis kD34{
    .code = "D34",
    .title = "A source port is used again while the server still remembers it",
    .severity = Severity::warning,
    .what = "The server answers a SYN with a bare acknowledgement of an older connection (a challenge), the client "
            "resets, and only a "
            "later SYN succeeds.",
    .why = "The server's socket of an earlier connection with the same address and port is still in TIME_WAIT. Source "
           "translation "
           "with few ports, or several clients behind one address, makes that likely.",
    .field = "source translation's choice of ports; TIME_WAIT on the server",
    .fix = "Use more ports or addresses for source translation, keep connections open (keep-alive), or keep client "
           "addresses.",
    .cost = "None worth mentioning.",
    .evidence = "the SYN, an acknowledgement without SYN before any SYN-ACK, and the reset that follows",
    .reference = "https://github.com/cilium/cilium/issues/45863",
    .find = find,
};

namespace {

std::optional<Finding> find(const FindingInput &input) {
    const Path &path = input.path;
    if (path.protocol != Protocol::tcp || input.evidence == nullptr) return std::nullopt;
    const auto &sights = input.evidence->sights();
    std::vector<const Sight *> givenUp; // few, where a connection is seen at very many places
    for (const Sight &sight : sights)
        if (sight.direction == Direction::request && sight.syn && !sight.openings.empty() &&
            sight.reset.nanoseconds != 0)
            givenUp.push_back(&sight);
    for (const Sight &reply : sights) {
        // The challenge: an acknowledgement, and the SYN-ACK (if ever) later.
        if (reply.direction != Direction::reply || reply.icmp || !(reply.tcpFlags & packet::TcpFlags::ack)) continue;
        const bool synLater = reply.syn && !reply.openings.empty() && reply.openings.front().time > reply.first;
        if (reply.syn && !synLater) continue;
        if (reply.reset.nanoseconds != 0 && reply.reset <= reply.first) continue;
        for (const Sight *asked : givenUp) {
            const Sight &request = *asked;
            if (request.openings.front().time > reply.first || request.reset < reply.first) continue;
            if (request.host != reply.host || request.interface != reply.interface || request.leg != reply.leg ||
                request.attempt != reply.attempt)
                continue;
            // The reset came before anything succeeded.
            if (reply.syn ? request.reset > reply.openings.front().time : request.payloadBytes != 0) continue;
            Finding result = finding(
                kD34,
                fmt::format("{} answered the SYN from {} with an acknowledgement of an older connection, and was "
                            "reset: the same "
                            "address and port had been used a moment before and its socket is still in TIME_WAIT.",
                            reply.src.toString(), reply.dst.toString()));
            addEvidence(result, request.firstPacket);
            addEvidence(result, reply.firstPacket);
            addEvidence(result, request.resetPacket);
            return result;
        }
    }
    return std::nullopt;
}

} // namespace

} // namespace natlens::tracer
