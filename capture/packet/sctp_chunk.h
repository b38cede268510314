// What SCTP's chunks are called.
#pragma once

#include <cstdint>

namespace natlens::packet {

/// The types of RFC 9260 section 3.2 that anybody here acts on; a packet may hold others.
struct SctpChunk {
    enum Type : std::uint8_t {
        data = 0,
        init = 1,
        initAck = 2,
        sack = 3,
        heartbeat = 4,
        heartbeatAck = 5,
        abort = 6,
        shutdown = 7,
        shutdownAck = 8,
        error = 9,
        cookieEcho = 10,
        cookieAck = 11,
        shutdownComplete = 14,
    };
};

} // namespace natlens::packet
