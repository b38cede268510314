// A pcap filter applied to packets that have already been captured.
#pragma once

#include "capture/base/result.h"
#include "capture/packet/decode.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

namespace natlens::live {

/// A compiled pcap-filter(7) expression. Immutable: any number of threads may use it.
class OfflineFilter final {
public:
    /// For packets of one link type. invalidInput with the compiler's reason when `text` is not a filter expression, or
    /// cannot apply to this link type ("ether host" on raw IP). "" matches everything.
    [[nodiscard]] static base::Result<OfflineFilter> compile(const std::string &text, packet::LinkType linkType);

    OfflineFilter(OfflineFilter &&) noexcept;
    OfflineFilter &operator=(OfflineFilter &&) noexcept;
    ~OfflineFilter();

    [[nodiscard]] bool matches(std::span<const std::byte> captured, std::uint32_t originalLength) const;

private:
    struct Program;
    explicit OfflineFilter(std::unique_ptr<Program> program);
    std::unique_ptr<Program> m_program;
};

/// The same as OfflineFilter::compile(), under the name by which options are checked.
[[nodiscard]] base::Result<OfflineFilter> compileFilter(const std::string &text, packet::LinkType linkType);

} // namespace natlens::live
