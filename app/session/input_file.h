// A whole input file as text, of whatever kind the file is.
#pragma once

#include "capture/base/mapped_file.h"
#include "capture/base/result.h"

#include <optional>
#include <string>
#include <string_view>

namespace natlens::session {

class InputFile final {
public:
    /// Larger files are refused: nothing that natlens reads as text is that large.
    static constexpr std::size_t kLargest = (std::size_t{1} << 30) - 1;

    /// Reads all of `path`; "-" is standard input. A regular file is mapped, not copied. A FIFO is read to its end, but
    /// not waited for when nobody opens it for writing. What begins neither as JSON nor as a listing of rules ends
    /// after the first MiB: a device would go on for ever. Errors (invalidInput, subject: the path): missing, not
    /// readable, a folder, larger than kLargest.
    [[nodiscard]] static base::Result<InputFile> read(const std::string &path);

    /// Of a file that is rewritten meanwhile the old or the new is seen, or some of both.
    [[nodiscard]] std::string_view text() const { return m_mapped ? m_mapped->text() : std::string_view(m_copy); }

    /// To be asked when the text has been used: an error (invalidInput) when some of it was not there, because the file
    /// was shortened meanwhile. Zeros were read in its place, and what came of it is not worth telling.
    [[nodiscard]] base::Status wasWhole() const;

private:
    std::string m_path, m_copy;
    std::optional<base::MappedFile> m_mapped;
};

} // namespace natlens::session
