// HTTP/1.1 as bytes, as far as the lab's clients and servers speak it: GET without a body, answers with a length.
#pragma once

#include "app/lab/http_server.h"
#include "capture/base/timestamp.h"

#include <optional>
#include <string>
#include <string_view>

namespace natlens::lab::sim {

/// "http://10.240.0.5:32080/path" in its parts; nothing when it is something else.
struct HttpUrl {
    packet::SocketAddress server;
    std::string host, target; ///< "10.240.0.5:32080", "/path?query"
};
[[nodiscard]] std::optional<HttpUrl> parseUrl(const std::string &url);

/// What curl sends.
[[nodiscard]] std::string requestText(const HttpUrl &url);
/// Nothing until the headers are complete (or when they are not HTTP).
[[nodiscard]] std::optional<HttpRequest> parseRequest(std::string_view text, const packet::SocketAddress &peer);

[[nodiscard]] std::string answerText(const HttpAnswer &answer, base::Timestamp now);
/// Status and body; nothing until all of the body is there.
[[nodiscard]] std::optional<HttpAnswer> parseAnswer(std::string_view text);

} // namespace natlens::lab::sim
