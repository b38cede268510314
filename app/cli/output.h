// Standard output and standard error of the command line: what a person sees, and what scripts read.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace natlens::cli {

enum class Style { plain, bold, good, bad, warning, muted };

/// Writes to standard output. When the reader has gone (EPIPE) the rest is swallowed: `natlens ... | head` ends
/// quietly. Any other failure is kept for finish(). Lives on the main thread.
class Output final {
public:
    Output();
    void write(std::string_view text);
    /// `text` in a colour, where standard output is a terminal and NO_COLOR is not set (no-color.org).
    [[nodiscard]] std::string styled(Style style, std::string_view text) const;
    /// Of the terminal that is written to; nothing for a file or a pipe, whose readers want a finding on one line.
    [[nodiscard]] std::optional<int> columns() const { return m_columns; }
    /// For pictures, which have a width in any case.
    [[nodiscard]] int pictureColumns() const { return m_pictureColumns; }
    void flush();
    /// The reader of standard output has gone.
    [[nodiscard]] bool closed() const { return m_closed; }
    /// Flushes. `status`, or 2 with a line on standard error if something could not be written.
    [[nodiscard]] int finish(int status);

private:
    void failed();
    bool m_colours = false, m_closed = false;
    int m_error = 0;
    std::optional<int> m_columns;
    int m_pictureColumns = 100;
};

/// One line on standard error.
void complain(std::string_view line);

/// Writes a whole file. False, having said why on standard error, if that fails.
[[nodiscard]] bool writeFile(const std::string &path, std::string_view text, std::string_view command);

/// Whether the locale can show box-drawing characters.
[[nodiscard]] bool unicodeLocale();

/// Columns of the terminal that standard output is, COLUMNS before that; nothing for a file or a pipe.
[[nodiscard]] std::optional<int> terminalColumns();
/// Lines of at most `columns`, those after the first one indented; as it is without `columns`. No line end at the end.
[[nodiscard]] std::string wrapped(const std::string &text, std::size_t indent, std::optional<int> columns);
/// Each line so, as a list of options is read: what does not fit goes on below the description.
[[nodiscard]] std::string wrappedHelp(std::string_view text, std::optional<int> columns);

/// A line on standard error that replaces itself; nothing unless standard error is a terminal and the work has lasted
/// longer than a second.
class Progress final {
public:
    explicit Progress(bool wanted);
    ~Progress();
    Progress(const Progress &) = delete;
    Progress &operator=(const Progress &) = delete;
    void show(std::string_view text);
    void clear();

private:
    bool m_wanted, m_shown = false;
    long long m_start; ///< steady clock, milliseconds
};

} // namespace natlens::cli
