// Looks at the beginning of one direction of a TCP stream for what HTTP says there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace natlens::tracer {

/// What the first kibibyte of a stream said, as far as it was captured.
struct HttpFirstLines {
    std::string method, target; ///< of a request line (RFC 9112 section 3)
    int status = 0;             ///< of a status line
    std::string clientAddress;  ///< "client_address=" of the echo server's page
    std::string host;           ///< of the request's header fields, as far as they came with the request line
    std::string forwardedFor;   ///< X-Forwarded-For, likewise
    bool headersSeen = false;   ///< the request's header fields were all there
    unsigned proxyVersion = 0;  ///< of a PROXY protocol header before the request; 0 none
    std::string proxySource;    ///< the client's address in it
    /// The request's header fields but for those that are a proxy's own, hashed: name above, value below; sorted.
    std::vector<std::uint32_t> fields;
    std::int64_t bodyLength = -1; ///< an answer's Content-Length; -1: not seen
    std::uint32_t body = 0;       ///< hash of the beginning of its body; 0: not seen

    bool operator==(const HttpFirstLines &) const = default;
};

/// Puts segments in sequence order (they may come late, twice or overlapping) and reads the first lines as soon as they
/// are complete. Holds at most 1 KiB, and only until it knows what it wanted to know.
class HttpPeek final {
public:
    static constexpr std::size_t kLimit = 1024;

    explicit HttpPeek(std::uint32_t firstSequence)
        : m_base(firstSequence) {}

    /// `sequence` is the TCP sequence number of bytes[0].
    void add(std::uint32_t sequence, std::span<const std::byte> bytes);
    [[nodiscard]] bool done() const { return m_done; }
    /// Every byte before this sequence number is there.
    [[nodiscard]] bool completeTo(std::uint32_t sequence) const { return sequence - m_base <= m_filled; }
    [[nodiscard]] const HttpFirstLines &lines() const { return m_lines; }
    [[nodiscard]] bool found() const {
        return m_lines.status != 0 || !m_lines.method.empty() || m_lines.proxyVersion != 0;
    }

    /// The bytes look like the beginning of an HTTP request or response, or of a PROXY protocol header before one.
    [[nodiscard]] static bool looksLikeHttp(std::span<const std::byte> bytes);

private:
    void parse();
    void parseRequest(std::string_view text, std::string_view line);
    void parseAnswer(std::string_view text);
    void finish();

    std::uint32_t m_base;
    std::string m_bytes; ///< from m_base on; only the first m_filled are without gaps
    std::size_t m_filled = 0;
    std::size_t m_laterBegin = 0, m_laterEnd = 0; ///< one island beyond a gap
    bool m_done = false;
    HttpFirstLines m_lines;
};

} // namespace natlens::tracer
