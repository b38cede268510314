// What the libraries below make of a packet record: netlink messages to evidence.
#pragma once

#include "capture/file/capture_stream.h"
#include "capture/netlink/trace_message.h"
#include "tracer/stitch/evidence.h"

#include <optional>
#include <string>

namespace natlens::session {

/// A conntrack message as an event of the tracer; nothing if it cannot be read.
[[nodiscard]] std::optional<tracer::TranslationEvent> translationEvent(const file::PacketView &packet,
                                                                       const std::string &host);
/// An NFT_MSG_TRACE message as an event of the tracer; nothing if it cannot be read.
[[nodiscard]] std::optional<tracer::RuleTraceEvent>
ruleTraceEvent(const file::PacketView &packet, const std::string &host, const netlink::InterfaceNames &names);

} // namespace natlens::session
