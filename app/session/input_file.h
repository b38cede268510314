// A whole input file as text, of whatever kind the file is.
#pragma once

#include "capture/base/result.h"

#include <memory>
#include <string>
#include <string_view>

namespace natlens::session {

/// Unchanged for the lifetime of this object, as long as nobody shortens the file meanwhile.
class InputFile final {
public:
    /// Larger files are refused: nothing that natlens reads as text is that large.
    static constexpr std::size_t kLargest = (std::size_t{1} << 30) - 1;

    /// Reads all of `path`; "-" is standard input. A regular file is mapped, not copied. A FIFO is read to its end, but
    /// not waited for when nobody opens it for writing. What does not begin as JSON ends after the first MiB: a device
    /// would go on for ever. Errors (invalidInput, subject: the path): missing, not readable,
    /// a folder, larger than kLargest.
    [[nodiscard]] static base::Result<InputFile> read(const std::string &path);

    [[nodiscard]] std::string_view text() const { return m_mapping ? m_mapped : std::string_view(m_copy); }

private:
    std::string m_copy;
    std::shared_ptr<const void> m_mapping;
    std::string_view m_mapped;
};

} // namespace natlens::session
