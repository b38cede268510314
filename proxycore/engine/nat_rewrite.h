// Puts the translated addresses and ports into a packet; checksums follow by difference (RFC 1624).
#pragma once

#include "proxycore/engine/packet_fields.h"

namespace natlens::proxycore {

/// Fills in sourceNat, destinationNat and the checksum differences from the two tuples.
void prepareTranslation(Connection &connection);

/// Translates a packet that travels in `direction` of the connection.
void translate(const Connection &connection, unsigned direction, const PacketFields &fields);
/// A later fragment: it has addresses only.
void translateFragment(const Connection &connection, unsigned direction, const PacketFields &fields);
/// An ICMP error that travels in `direction` because it quotes a packet of the other one. `quoted` lies in `outer`.
void translateError(const Connection &connection, unsigned direction, const PacketFields &outer,
                    const PacketFields &quoted);

} // namespace natlens::proxycore
