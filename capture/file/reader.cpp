#include "capture/file/reader.h"

#include "capture/base/byte_order.h"
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
        : m_delivery{sink, options.firstPoint, options.firstPacket}
        , m_pointName(std::move(options.pointName)) {}

    base::Status feed(std::span<const std::byte> bytes) {
        if (m_error) return std::unexpected(*m_error);
        m_fed += bytes.size();

        // First complete the unit that earlier portions began; only its missing bytes are copied.
        while (!m_pending.empty()) {
            const std::size_t missing = std::min(m_needed - m_pending.size(), bytes.size());
            m_pending.insert(m_pending.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(missing));
            bytes = bytes.subspan(missing);
            if (m_pending.size() < m_needed) return {};
            const Step step = next(m_pending);
            if (m_error) return std::unexpected(*m_error);
            if (step.consumed != 0) m_pending.clear(); // it held exactly this unit
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

    base::Status finish() {
        if (m_error) return std::unexpected(*m_error);
        if (m_parser && m_pending.empty()) return {};
        const std::string unit = m_parser ? m_parser->unitName(m_pending) : "the file header";
        std::string text = m_fed == 0 ? "the capture is empty: it has not even a file header"
                                      : fmt::format("breaks off at byte {}, inside {}; {} packets were read", m_fed,
                                                    unit, m_delivery.packets);
        m_error =
            base::Error{base::ErrorCode::truncated, std::move(text), "read capture", fmt::format("at byte {}", m_fed)};
        return std::unexpected(*m_error);
    }

    [[nodiscard]] std::uint64_t fed() const { return m_fed; }
    [[nodiscard]] const detail::Delivery &delivery() const { return m_delivery; }

private:
    Step next(std::span<const std::byte> bytes) {
        if (!m_parser && !chooseParser(bytes)) return Step::want(m_needed = 4);
        const Step step = m_parser->next(bytes, m_offset);
        m_offset += step.consumed;
        m_needed = step.needed;
        if (step.consumed == 0 && m_parser->failure()) m_error = m_parser->failure();
        return step;
    }

    /// False if the bytes do not suffice to tell the format, or (m_error) it is none that we know.
    bool chooseParser(std::span<const std::byte> bytes) {
        if (bytes.size() < 4) return false;
        if (base::loadNative<std::uint32_t>(bytes.data()) == pcapng::kSectionHeader) {
            m_parser = std::make_unique<detail::PcapngParser>(m_delivery);
        } else if (detail::PcapParser::recognises(bytes.data())) {
            m_parser = std::make_unique<detail::PcapParser>(m_delivery, m_pointName);
        } else {
            m_error = detail::errorAt(base::ErrorCode::invalidInput, 0,
                                      fmt::format("begins with {:#010x}, which is neither pcap nor pcapng; "
                                                  "a compressed file must be unpacked first",
                                                  base::loadBig32(bytes.data())));
        }
        return m_parser != nullptr;
    }

    detail::Delivery m_delivery;
    std::string m_pointName;
    std::unique_ptr<detail::Parser> m_parser;
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
