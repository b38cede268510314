#include "app/session/evidence.h"

#include "capture/netlink/conntrack_message.h"
#include "capture/netlink/message.h"

namespace natlens::session {

std::optional<tracer::TranslationEvent> translationEvent(const file::PacketView &packet, const std::string &host) {
    const auto unwrapped = netlink::unwrap(packet.data);
    if (!unwrapped) return std::nullopt;
    const auto message = netlink::decodeConntrack(unwrapped->message);
    if (!message) return std::nullopt;
    tracer::TranslationEvent event;
    event.time = packet.time;
    event.packet = packet.number;
    event.host = host;
    switch (message->kind) {
    case netlink::ConntrackMessage::Kind::created: event.kind = tracer::TranslationEvent::Kind::created; break;
    case netlink::ConntrackMessage::Kind::updated: event.kind = tracer::TranslationEvent::Kind::updated; break;
    case netlink::ConntrackMessage::Kind::destroyed: event.kind = tracer::TranslationEvent::Kind::destroyed; break;
    }
    event.original = message->original;
    event.reply = message->reply;
    event.seenReply = message->seenReply();
    return event;
}

std::optional<tracer::RuleTraceEvent> ruleTraceEvent(const file::PacketView &packet, const std::string &host,
                                                     const netlink::InterfaceNames &names) {
    const auto unwrapped = netlink::unwrap(packet.data);
    if (!unwrapped) return std::nullopt;
    auto message = netlink::decodeTrace(unwrapped->message, names);
    if (!message) return std::nullopt;
    tracer::RuleTraceEvent event;
    event.time = packet.time;
    event.packet = packet.number;
    event.host = host;
    event.traceId = message->traceId;
    switch (message->type) {
    case netlink::TraceMessage::Type::unknown: event.kind = tracer::RuleTraceEvent::Kind::unknown; break;
    case netlink::TraceMessage::Type::policy: event.kind = tracer::RuleTraceEvent::Kind::policy; break;
    case netlink::TraceMessage::Type::returned: event.kind = tracer::RuleTraceEvent::Kind::returned; break;
    case netlink::TraceMessage::Type::rule: event.kind = tracer::RuleTraceEvent::Kind::rule; break;
    }
    event.table = std::move(message->table);
    event.chain = std::move(message->chain);
    event.ruleHandle = message->ruleHandle;
    // A policy step has no verdict of its own: the chain's policy is it.
    event.verdict = message->verdict.empty() ? std::move(message->policy) : std::move(message->verdict);
    event.target = std::move(message->jumpTarget);
    event.inInterface = std::move(message->inInterface);
    event.outInterface = std::move(message->outInterface);
    event.tuple = message->tuple;
    return event;
}

} // namespace natlens::session
