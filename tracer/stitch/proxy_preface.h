// The PROXY protocol: what a proxy says of its client before it passes the client's bytes on.
#pragma once

#include "capture/packet/address.h"

#include <cstddef>
#include <string_view>

namespace natlens::tracer {

/// A PROXY protocol header (HAProxy's proxy-protocol.txt, sections 2.1 and 2.2).
struct ProxyPreface {
    unsigned version = 0;                      ///< 1 or 2; 0: the bytes begin with none
    std::size_t length = 0;                    ///< in bytes
    packet::SocketAddress source, destination; ///< the client's connection; none where the proxy speaks for itself
};

/// The longest header that is looked for: version 1 has at most 107 bytes, version 2 with addresses and the usual
/// extensions (RFC-like TLVs: TLS, authority) stays below this.
inline constexpr std::size_t kLongestPreface = 232;

/// What the beginning of a stream is.
struct PrefaceRead {
    ProxyPreface preface;
    bool incomplete = false; ///< could become one with more bytes
};
[[nodiscard]] PrefaceRead readPreface(std::string_view text);

} // namespace natlens::tracer
