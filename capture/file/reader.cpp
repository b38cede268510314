#include "capture/file/reader.h"

#include "capture/base/byte_order.h"
#include "capture/file/decompressor.h"
#include "capture/file/foreign_formats.h"
#include "capture/file/pcap_parser.h"
#include "capture/file/pcapng_format.h"
#include "capture/file/pcapng_parser.h"

#include <fmt/format.h>
#include <vector>

namespace natlens::file {

namespace detail {

base::Error errorAt(base::ErrorCode code, std::uint64_t offset, std::string message) {
    return base::Error{code, std::move(message), "read capture", fmt::format("at byte {}", offset)};
}

Step Parser::fail(std::uint64_t offset, std::string message) {
    m_failure = errorAt(base::ErrorCode::invalidInput, offset, std::move(message));
    return Step::failed();
}

} // namespace detail

using detail::Step;

class Reader::Impl {
public:
    Impl(StreamSink &sink, Options options)
        : m_delivery{.sink = sink, .nextPoint = options.firstPoint, .nextPacket = options.firstPacket}
        , m_names(std::move(options.pointName), options.nameSource) {}

    base::Status feed(std::span<const std::byte> bytes) {
        if (m_error) return std::unexpected(*m_error);
        m_fed += bytes.size();
        if (m_begun) return unpack(bytes);

        // Four bytes tell what it is; usually the first portion has them.
        if (m_begin.empty() && bytes.size() >= kMagic) {
            begin(bytes);
            return unpack(bytes);
        }
        const std::size_t missing = std::min(kMagic - m_begin.size(), bytes.size());
        m_begin.insert(m_begin.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(missing));
        if (m_begin.size() < kMagic) return {};
        begin(m_begin);
        if (auto status = unpack(m_begin); !status) return status;
        return unpack(bytes.subspan(missing));
    }

    base::Status finish() {
        if (m_error) return std::unexpected(*m_error);
        if (!m_begun) (void)parse(m_begin);
        if (m_parser && !m_pending.empty()) {
            m_parser->endOfInput();
            m_needed = 0;
            if (auto status = parse({}); !status) return status;
        }
        const bool cutOff = m_unpacker && !m_unpacker->complete();
        if (!cutOff && m_parser && m_pending.empty()) return {};
        std::string text;
        if (m_offset == 0 && m_pending.empty() && !cutOff)
            text = "the capture is empty: it has not even a file header";
        else if (cutOff)
            text = fmt::format("the {} data breaks off at byte {}; {}", m_unpacker->name(), m_fed, packetsRead());
        else
            text = fmt::format("breaks off at byte {}, inside {}; {}", m_offset + m_pending.size(),
                               m_parser ? m_parser->unitName(m_pending) : "the file header", packetsRead());
        return keep({base::ErrorCode::truncated, std::move(text), "read capture", fmt::format("at byte {}", m_fed)});
    }

    [[nodiscard]] std::uint64_t fed() const { return m_fed; }
    [[nodiscard]] const detail::Delivery &delivery() const { return m_delivery; }

private:
    static constexpr std::size_t kMagic = 4;

    [[nodiscard]] std::string packetsRead() const {
        return fmt::format("{} {} read", m_delivery.packets, m_delivery.packets == 1 ? "packet was" : "packets were");
    }
    void begin(std::span<const std::byte> bytes) {
        m_begun = true;
        m_unpacker = detail::Decompressor::forMagic(bytes);
    }

    /// The first failure is final.
    base::Status keep(base::Error error) {
        m_error = std::move(error);
        return std::unexpected(*m_error);
    }

    base::Status unpack(std::span<const std::byte> bytes) {
        if (!m_unpacker) return parse(bytes);
        auto status = m_unpacker->feed(bytes, [this](std::span<const std::byte> unpacked) { return parse(unpacked); });
        if (status || m_error) return status;
        return keep(std::move(status).error());
    }

    base::Status parse(std::span<const std::byte> bytes) {
        // First complete the unit that earlier portions began; only its missing bytes are copied.
        while (!m_pending.empty()) {
            if (m_pending.size() < m_needed) {
                const std::size_t missing = std::min(m_needed - m_pending.size(), bytes.size());
                m_pending.insert(m_pending.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(missing));
                bytes = bytes.subspan(missing);
                if (m_pending.size() < m_needed) return {};
            }
            const Step step = next(m_pending);
            if (m_error) return std::unexpected(*m_error);
            if (step.consumed == 0 && m_needed <= m_pending.size()) return {};
            m_pending.erase(m_pending.begin(), m_pending.begin() + static_cast<std::ptrdiff_t>(step.consumed));
        }
        while (!bytes.empty()) {
            const Step step = next(bytes);
            if (m_error) return std::unexpected(*m_error);
            if (step.consumed == 0) {
                m_pending.assign(bytes.begin(), bytes.end());
                break;
            }
            bytes = bytes.subspan(step.consumed);
        }
        return {};
    }

    Step next(std::span<const std::byte> bytes) {
        if (!m_parser && !chooseParser(bytes)) return Step::want(m_needed = kMagic);
        const Step step = m_parser->next(bytes, m_offset);
        m_offset += step.consumed;
        m_needed = step.needed;
        if (step.consumed == 0 && m_parser->failure()) {
            m_error = m_parser->failure();
            if (m_unpacker) m_error->subject += " of what was unpacked";
        }
        return step;
    }

    /// False if the bytes do not suffice to tell the format, or (m_error) it is none that we know.
    bool chooseParser(std::span<const std::byte> bytes) {
        if (bytes.size() < kMagic) return false;
        if (base::loadNative<std::uint32_t>(bytes.data()) == pcapng::kSectionHeader) {
            m_parser = std::make_unique<detail::PcapngParser>(m_delivery, m_names);
        } else if (detail::PcapParser::recognises(bytes.data())) {
            m_parser = std::make_unique<detail::PcapParser>(m_delivery, m_names.whole());
        } else {
            std::string known = detail::foreignFormat(bytes);
            if (m_unpacker && detail::Decompressor::forMagic(bytes)) known = "this is compressed once more; unpack it";
            if (known.empty())
                known = fmt::format("this is no capture: it begins with {:#010x}, which is neither pcap nor pcapng",
                                    base::loadBig32(bytes.data()));
            m_error = detail::errorAt(base::ErrorCode::invalidInput, 0, std::move(known));
        }
        return m_parser != nullptr;
    }

    detail::Delivery m_delivery;
    PointNames m_names;
    std::unique_ptr<detail::Decompressor> m_unpacker; ///< null: not compressed
    std::unique_ptr<detail::Parser> m_parser;
    std::vector<std::byte> m_begin; ///< the first bytes, until there are four
    bool m_begun = false;
    std::vector<std::byte> m_pending; ///< the beginning of a unit that is not complete yet
    std::size_t m_needed = 0;         ///< how long m_pending must become before it is looked at again
    std::uint64_t m_offset = 0;       ///< of the unit to be parsed next
    std::uint64_t m_fed = 0;
    std::optional<base::Error> m_error;
};

Reader::Reader(StreamSink &sink, Options options)
    : m_impl(std::make_unique<Impl>(sink, std::move(options))) {}
Reader::~Reader() = default;

base::Status Reader::feed(std::span<const std::byte> bytes) {
    return m_impl->feed(bytes);
}
base::Status Reader::finish() {
    return m_impl->finish();
}
std::uint64_t Reader::offset() const {
    return m_impl->fed();
}
std::uint64_t Reader::packets() const {
    return m_impl->delivery().packets;
}
std::uint32_t Reader::nextPoint() const {
    return m_impl->delivery().nextPoint;
}
std::uint64_t Reader::nextPacket() const {
    return m_impl->delivery().nextPacket;
}

} // namespace natlens::file
