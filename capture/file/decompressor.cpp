#include "capture/file/decompressor.h"

#include "capture/base/byte_order.h"

#include <algorithm>
#include <fmt/format.h>
#include <limits>
#include <lz4frame.h>
#include <vector>
#define ZLIB_CONST // input is not written to
#include <zlib.h>
#include <zstd.h>

namespace natlens::file::detail {

namespace {

constexpr std::size_t kPortion = 64U << 10;

base::Status damaged(std::string_view format, std::uint64_t offset, std::string_view why) {
    return base::fail(base::ErrorCode::invalidInput, fmt::format("the {} data is damaged: {}", format, why),
                      "read capture", fmt::format("at byte {}", offset));
}

/// RFC 1952.
class Gzip final : public Decompressor {
public:
    Gzip()
        : m_ready(inflateInit2(&m_stream, kWindowBits) == Z_OK) {}
    ~Gzip() override { inflateEnd(&m_stream); }
    Gzip(const Gzip &) = delete;
    Gzip &operator=(const Gzip &) = delete;

    base::Status feed(std::span<const std::byte> bytes, const Take &take) override {
        while (!bytes.empty()) {
            if (m_between && !startMember(bytes)) {
                if (!m_padding) return damaged(name(), m_offset, "what follows the last member is not gzip");
                return {};
            }
            const auto part = std::min<std::size_t>(bytes.size(), std::numeric_limits<uInt>::max());
            m_stream.next_in = reinterpret_cast<const Bytef *>(bytes.data());
            m_stream.avail_in = static_cast<uInt>(part);
            if (auto status = inflateAll(take); !status) return status;
            const std::size_t used = part - m_stream.avail_in;
            m_offset += used;
            bytes = bytes.subspan(used);
        }
        return {};
    }
    bool complete() const override { return m_between; }
    std::string_view name() const override { return "gzip"; }

private:
    static constexpr int kWindowBits = 15 + 16; // the largest window; a gzip header, not zlib's

    /// False if what follows the last member is padding (`bytes` are eaten then: tapes and some writers fill up with
    /// zeros) or no member at all.
    bool startMember(std::span<const std::byte> &bytes) {
        const auto end = std::ranges::find_if(bytes, [](std::byte b) { return b != std::byte{0}; });
        const auto zeros = static_cast<std::size_t>(end - bytes.begin());
        m_padding = m_padding || zeros != 0;
        m_offset += zeros;
        bytes = bytes.subspan(zeros);
        if (bytes.empty()) return false;
        if (bytes.front() != std::byte{0x1f}) {
            m_padding = false;
            return false;
        }
        m_padding = m_between = false;
        inflateReset(&m_stream);
        return true;
    }

    /// Until the input is used up or a member has ended.
    base::Status inflateAll(const Take &take) {
        if (!m_ready) return damaged(name(), m_offset, "zlib has no memory");
        const uInt before = m_stream.avail_in;
        do {
            m_stream.next_out = reinterpret_cast<Bytef *>(m_out.data());
            m_stream.avail_out = static_cast<uInt>(m_out.size());
            const int result = inflate(&m_stream, Z_SYNC_FLUSH);
            if (const std::size_t made = m_out.size() - m_stream.avail_out; made != 0)
                if (auto status = take(std::span(m_out).first(made)); !status) return status;
            if (result == Z_STREAM_END) {
                m_between = true;
                return {};
            }
            if (result != Z_OK && result != Z_BUF_ERROR)
                return damaged(name(), m_offset + before - m_stream.avail_in,
                               m_stream.msg ? m_stream.msg : "no memory, or a dictionary is needed");
        } while (m_stream.avail_out == 0 || m_stream.avail_in != 0);
        return {};
    }

    z_stream m_stream{};
    bool m_ready;
    bool m_between = true; ///< no member has begun, or the last one has ended
    bool m_padding = false;
    std::uint64_t m_offset = 0; ///< compressed bytes taken
    std::vector<std::byte> m_out = std::vector<std::byte>(kPortion);
};

/// RFC 8878. Skippable frames are skipped by the library.
class Zstd final : public Decompressor {
public:
    base::Status feed(std::span<const std::byte> bytes, const Take &take) override {
        if (!m_stream) return damaged(name(), m_offset, "zstd has no memory");
        ZSTD_inBuffer in{bytes.data(), 0, 0};
        bool more = true; // the last call filled the output: the library may hold more
        while (in.pos < bytes.size() || more) {
            // No more than a block at a time: what a call has unpacked before it meets damage is lost, and a whole small
            // frame is unpacked in one call. What the library wishes is a block and the three bytes that begin the next.
            in.size = std::min(in.pos + (m_wish > kBlockHeader ? m_wish - kBlockHeader : m_wish), bytes.size());
            ZSTD_outBuffer out{m_out.data(), m_out.size(), 0};
            const std::size_t left = ZSTD_decompressStream(m_stream.get(), &out, &in);
            if (out.pos != 0)
                if (auto status = take(std::span(m_out).first(out.pos)); !status) return status;
            if (ZSTD_isError(left)) return damaged(name(), m_offset + in.pos, ZSTD_getErrorName(left));
            m_between = left == 0;
            m_wish = std::max<std::size_t>(left, 1);
            more = out.pos == out.size && !m_between;
        }
        m_offset += bytes.size();
        return {};
    }
    bool complete() const override { return m_between; }
    std::string_view name() const override { return "zstd"; }

private:
    struct Free {
        void operator()(ZSTD_DStream *stream) const { ZSTD_freeDStream(stream); }
    };
    std::unique_ptr<ZSTD_DStream, Free> m_stream{ZSTD_createDStream()};
    bool m_between = false; ///< the last frame is complete
    static constexpr std::size_t kBlockHeader = 3;
    std::size_t m_wish = 1; ///< bytes that the library asks for next
    std::uint64_t m_offset = 0;
    std::vector<std::byte> m_out = std::vector<std::byte>(kPortion);
};

/// The frame format of LZ4 (lz4_Frame_format.md of its sources), version 1.6.
class Lz4 final : public Decompressor {
public:
    Lz4() {
        LZ4F_dctx *made = nullptr;
        if (!LZ4F_isError(LZ4F_createDecompressionContext(&made, LZ4F_VERSION))) m_context.reset(made);
    }

    base::Status feed(std::span<const std::byte> bytes, const Take &take) override {
        if (!m_context) return damaged(name(), m_offset, "lz4 has no memory");
        bool more = true; // the last call filled the output: the library may hold more
        while (!bytes.empty() || more) {
            // A block alone, whatever the portions: the library wishes for the header behind it, too, and where that
            // is damaged the block would be lost.
            const std::size_t wish = m_wish > kBlockHeader ? m_wish - kBlockHeader : m_wish;
            std::size_t used = std::min(wish, bytes.size()), made = m_out.size();
            const std::size_t left =
                LZ4F_decompress(m_context.get(), m_out.data(), &made, bytes.data(), &used, nullptr);
            if (LZ4F_isError(left)) return damaged(name(), m_offset, LZ4F_getErrorName(left));
            if (made != 0)
                if (auto status = take(std::span(m_out).first(made)); !status) return status;
            m_offset += used;
            bytes = bytes.subspan(used);
            if (used != 0 || made != 0) m_between = left == 0;
            m_wish = left == 0 ? kSmallestHeader : left;
            more = made == m_out.size() && !m_between;
            if (used == 0 && made == 0 && !more) break; // nothing to do for now
        }
        return {};
    }
    bool complete() const override { return m_between; }
    std::string_view name() const override { return "lz4"; }

private:
    static constexpr std::size_t kSmallestHeader = 7, kBlockHeader = 4;
    struct Free {
        void operator()(LZ4F_dctx *context) const { LZ4F_freeDecompressionContext(context); }
    };
    std::unique_ptr<LZ4F_dctx, Free> m_context;
    bool m_between = false; ///< the last frame is complete
    std::size_t m_wish = kSmallestHeader;
    std::uint64_t m_offset = 0;
    std::vector<std::byte> m_out = std::vector<std::byte>(kPortion);
};

} // namespace

std::unique_ptr<Decompressor> Decompressor::forMagic(std::span<const std::byte> begin) {
    if (begin.size() < 4) return nullptr;
    const std::uint32_t magic = base::loadBig32(begin.data());
    if (magic >> 8 == 0x1f8b08) return std::make_unique<Gzip>(); // method 8, deflate: there is no other
    if (magic == 0x28b52ffd || (magic & 0xf0ffffff) == 0x502a4d18) return std::make_unique<Zstd>();
    if (magic == 0x04224d18) return std::make_unique<Lz4>();
    return nullptr;
}

} // namespace natlens::file::detail
