// Private to capture/live: libpcap's numbers and natlens's.
#pragma once

#include "capture/packet/decode.h"

#include <pcap/pcap.h>

namespace natlens::live::detail {

// Links are numbered twice: DLT_* by each system's libpcap, LINKTYPE_* in files. On Linux only raw IP differs.
inline packet::LinkType toLinkType(int dlt) {
    return dlt == DLT_RAW ? packet::LinkType::rawIp : static_cast<packet::LinkType>(dlt);
}
inline int toDlt(packet::LinkType linkType) {
    return linkType == packet::LinkType::rawIp ? DLT_RAW : static_cast<int>(linkType);
}

/// What to tell somebody whose filter does not compile.
inline std::string filterMessage(const char *reason) {
    return std::string("not a usable packet filter: ") + reason + "; write it as for tcpdump, e.g. 'tcp port 80'";
}

} // namespace natlens::live::detail
