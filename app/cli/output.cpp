#include "app/cli/output.h"

#include "tracer/diagram/text_grid.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

namespace natlens::cli {
namespace {

long long nowMilliseconds() {
    using namespace std::chrono;
    return duration_cast<milliseconds>(steady_clock::now().time_since_epoch()).count();
}

bool terminal(int fd) {
    const char *type = std::getenv("TERM");
    return ::isatty(fd) == 1 && type && std::string_view(type) != "dumb";
}

} // namespace

Output::Output() {
    const char *noColour = std::getenv("NO_COLOR");
    m_colours = terminal(STDOUT_FILENO) && !(noColour && *noColour);
    const auto columns = terminalColumns();
    if (::isatty(STDOUT_FILENO) == 1) m_columns = columns;
    m_pictureColumns = columns.value_or(m_pictureColumns);
}

void Output::failed() {
    if (errno == EPIPE)
        m_closed = true;
    else if (m_error == 0)
        m_error = errno;
}

void Output::write(std::string_view text) {
    if (m_closed || m_error != 0 || text.empty()) return;
    if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size()) failed();
}

void Output::flush() {
    if (m_closed || m_error != 0) return;
    if (std::fflush(stdout) != 0) failed();
}

std::string Output::styled(Style style, std::string_view text) const {
    static constexpr const char *kCodes[] = {"", "1", "32", "31", "33", "2"};
    const char *code = kCodes[static_cast<int>(style)];
    if (!m_colours || *code == '\0') return std::string(text);
    return fmt::format("\x1b[{}m{}\x1b[0m", code, text);
}

int Output::finish(int status) {
    flush();
    if (m_error == 0) return status;
    errno = m_error;
    complain(fmt::format("natlens: writing to standard output failed: {}", std::strerror(m_error)));
    return 2;
}

void complain(std::string_view line) {
    std::string text(line);
    for (char &c : text)
        if (c == '\n') c = ' ';
    text += '\n';
    std::fwrite(text.data(), 1, text.size(), stderr);
}

bool writeFile(const std::string &path, std::string_view text, std::string_view command) {
    std::FILE *file = std::fopen(path.c_str(), "we");
    bool good = file && std::fwrite(text.data(), 1, text.size(), file) == text.size();
    int error = errno;
    if (file && std::fclose(file) != 0 && good) {
        good = false;
        error = errno;
    }
    if (!good) complain(fmt::format("{}: write {}: {}", command, path, std::strerror(error)));
    return good;
}

bool unicodeLocale() {
    for (const char *name : {"LC_ALL", "LC_CTYPE", "LANG"}) { // the order in which locale(7) looks
        const char *value = std::getenv(name);
        if (!value || !*value) continue;
        const std::string_view text(value);
        return text.find("UTF-8") != text.npos || text.find("utf8") != text.npos || text.find("utf-8") != text.npos;
    }
    return false;
}

std::optional<int> terminalColumns() {
    int columns = 0;
    if (const char *wanted = std::getenv("COLUMNS")) {
        const std::string_view text(wanted);
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), columns);
        if (error == std::errc() && end == text.data() + text.size() && columns > 0) return columns;
    }
    struct winsize size {};
    if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
    return std::nullopt;
}

std::string wrapped(const std::string &text, std::size_t indent, std::optional<int> columns) {
    constexpr int kNarrowest = 60;
    if (!columns) return text;
    return diagram::wrapIndented(text, std::max(*columns, kNarrowest), static_cast<int>(indent));
}

std::string wrappedHelp(std::string_view text, std::optional<int> columns) {
    std::string out;
    while (!text.empty()) {
        const std::string line(text.substr(0, text.find('\n')));
        text.remove_prefix(std::min(line.size() + 1, text.size()));
        const std::size_t begin = std::min(line.find_first_not_of(' '), line.size());
        const std::size_t gap = line.find("  ", begin);
        const std::size_t description =
            gap == line.npos ? begin : std::min(line.find_first_not_of(' ', gap), line.size());
        // The option itself is never broken.
        std::string folded = wrapped(std::string(description, ' ') + line.substr(description), description, columns);
        out += folded.replace(0, description, line, 0, description) + "\n";
    }
    return out;
}

Progress::Progress(bool wanted)
    : m_wanted(wanted && terminal(STDERR_FILENO))
    , m_start(nowMilliseconds()) {}
Progress::~Progress() {
    clear();
}

void Progress::show(std::string_view text) {
    const long long elapsed = nowMilliseconds() - m_start;
    if (!m_wanted || elapsed < 1000) return;
    const std::string line = fmt::format("\r\x1b[K{} ({} s)", text, elapsed / 1000);
    std::fwrite(line.data(), 1, line.size(), stderr);
    std::fflush(stderr);
    m_shown = true;
}

void Progress::clear() {
    if (!m_shown) return;
    std::fputs("\r\x1b[K", stderr);
    std::fflush(stderr);
    m_shown = false;
}

} // namespace natlens::cli
