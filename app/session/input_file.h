// A whole input file as text, of whatever kind the file is.
#pragma once

#include "capture/base/result.h"

#include <memory>
#include <string>
#include <string_view>

namespace natlens::session {

/// A copy: whatever happens to the file afterwards, the text stays.
class InputFile final {
public:
    /// Larger files are refused: nothing that natlens reads as text is that large.
    static constexpr std::size_t kLargest = (std::size_t{1} << 30) - 1;

    /// Reads all of `path`; "-" is standard input. A FIFO is read to its end, but not waited for when nobody opens it
    /// for writing. What does not begin as JSON ends after the first MiB: a device would go on for ever. Errors
    /// (invalidInput, subject: the path): missing, not readable, a folder, larger than kLargest, shortened meanwhile.
    [[nodiscard]] static base::Result<InputFile> read(const std::string &path);

    /// Reads the first `size` bytes of an open file that is known to be at least that long, in as many threads as make
    /// it faster. Errors: as above.
    [[nodiscard]] static base::Result<InputFile> readWhole(int descriptor, std::size_t size, const std::string &path);

    [[nodiscard]] std::string_view text() const { return m_memory ? m_whole : std::string_view(m_portions); }

private:
    std::string m_portions;
    std::shared_ptr<const void> m_memory;
    std::string_view m_whole;
};

} // namespace natlens::session
