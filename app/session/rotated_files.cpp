#include "app/session/rotated_files.h"

#include <algorithm>
#include <array>
#include <map>
#include <string_view>

namespace natlens::session {

namespace {

bool isDigit(char c) {
    return c >= '0' && c <= '9';
}

/// How long a tail of `name` looks like `pattern`, in which '9' stands for a digit and '?' for one character between
/// two numbers; 0 when it does not.
std::size_t tailLike(std::string_view name, std::string_view pattern) {
    if (name.size() <= pattern.size()) return 0;
    const std::string_view tail = name.substr(name.size() - pattern.size());
    for (std::size_t i = 0; i < pattern.size(); ++i) {
        const bool fits = pattern[i] == '9'   ? isDigit(tail[i])
                          : pattern[i] == '?' ? std::string_view("-_.:T ").find(tail[i]) != std::string_view::npos
                                              : tail[i] == pattern[i];
        if (!fits) return 0;
    }
    return pattern.size();
}

/// The name without its number and time; the name itself where it has none.
std::string baseOf(const std::filesystem::path &path) {
    std::filesystem::path file = path.filename();
    for (const char *packed : {".gz", ".zst", ".zstd", ".lz4"})
        if (file.extension() == packed) {
            file = file.stem();
            break;
        }
    std::string extension = file.extension().string(), name = file.stem().string();
    const auto letters = extension.find_last_not_of("0123456789") + 1;
    // ".pcap12", but not "capture.node2" and "capture.eth1", which are two places.
    constexpr std::array<std::string_view, 6> kCaptures{".pcap", ".cap", ".pcapng", ".dump", ".dmp", ".ntar"};
    if (letters < extension.size() &&
        std::ranges::find(kCaptures, std::string_view(extension).substr(0, letters)) != kCaptures.end())
        return name + extension.substr(0, letters);
    for (const char *pattern : {"_99999_99999999999999", "?99999999?999999", "?99999999999999", "?9999-99-99?99?99?99",
                                "?9999999999"}) // the last one is -G's %s
        if (const auto length = tailLike(name, pattern); length != 0)
            return name.substr(0, name.size() - length) + extension;
    return name + extension;
}

} // namespace

std::vector<std::string> seriesOf(const std::vector<std::filesystem::path> &files) {
    std::vector<std::string> series;
    std::map<std::string, unsigned> members;
    for (const auto &path : files) {
        series.push_back(path == "-" ? std::string() : (path.parent_path().lexically_normal() / baseOf(path)).string());
        ++members[series.back()];
    }
    for (std::string &name : series)
        if (members[name] < 2) name.clear();
    return series;
}

} // namespace natlens::session
