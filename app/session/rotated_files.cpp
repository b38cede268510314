#include "app/session/rotated_files.h"

#include "capture/file/point_names.h"

#include <algorithm>
#include <array>
#include <fmt/format.h>
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
struct BaseName {
    std::string text;
    bool hadTime = false; ///< a second capture can have written a file beside it
};

BaseName baseOf(const std::filesystem::path &path) {
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
        return {name + extension.substr(0, letters)};
    for (const char *pattern : {"_99999_99999999999999", "?99999999?999999", "?99999999999999", "?9999-99-99?99?99?99",
                                "?9999999999"}) // the last one is -G's %s
        if (const auto length = tailLike(name, pattern); length != 0)
            return {name.substr(0, name.size() - length) + extension, true};
    return {name + extension};
}

/// A moment more than this before the end of a file is within it, whatever order packets were written in.
constexpr std::chrono::milliseconds kBorder{50};
/// A capture that ended so many times closer to the beginning of a file than any other is the one that it continues.
constexpr int kClearly = 10;

/// Files that one capture wrote, as far as times tell.
struct Capture {
    base::Timestamp last;
    std::vector<std::size_t> files;
};

/// The only capture that a file which begins at `first` can continue; null if there is none, or more than one.
Capture *continuedAt(base::Timestamp first, std::vector<Capture> &captures) {
    using std::chrono::nanoseconds;
    const auto gapOf = [&](const Capture &capture) { return std::max(first - capture.last, nanoseconds(0)); };
    std::vector<Capture *> possible;
    for (Capture &capture : captures)
        if (capture.last <= first + nanoseconds(kBorder)) possible.push_back(&capture);
    if (possible.empty()) return nullptr;
    std::ranges::sort(possible, {}, [&](const Capture *capture) { return gapOf(*capture); });
    const bool clear = possible.size() == 1 || kClearly * gapOf(*possible[0]) < gapOf(*possible[1]);
    return clear ? possible[0] : nullptr;
}

/// "d/node1-eth0.pcap" as "d/node1#2-eth0.pcap": another host.
std::string numbered(const std::string &series, std::size_t number) {
    const std::filesystem::path path(series);
    const std::string point = file::pointNameOf(path);
    std::string name = path.filename().string();
    name.insert(std::min(point.find('/'), point.size()), fmt::format("#{}", number));
    return (path.parent_path() / name).string();
}

} // namespace

std::vector<std::string> seriesOf(const std::vector<std::filesystem::path> &files) {
    std::vector<std::string> series;
    std::map<std::string, unsigned> members;
    for (const auto &path : files) {
        series.push_back(path == "-" ? std::string()
                                     : (path.parent_path().lexically_normal() / baseOf(path).text).string());
        ++members[series.back()];
    }
    for (std::string &name : series)
        if (members[name] < 2) name.clear();
    return series;
}

std::vector<std::string> tellSeriesApart(std::vector<std::string> &series,
                                         const std::vector<std::filesystem::path> &files,
                                         const std::function<std::optional<TimeSpan>(std::size_t)> &spanOf) {
    struct Member {
        std::size_t file;
        TimeSpan span;
    };
    std::map<std::string, std::vector<Member>> all;
    for (std::size_t i = 0; i < files.size(); ++i)
        if (!series[i].empty() && baseOf(files[i]).hadTime)
            if (const auto span = spanOf(i)) all[series[i]].push_back({i, *span});
    std::vector<std::string> remarks;
    for (auto &[name, members] : all) {
        // Not by the order in which they were given.
        std::ranges::sort(members, {}, [&](const Member &m) { return std::pair(m.span.first, files[m.file]); });
        std::vector<Capture> captures;
        for (const Member &member : members) {
            Capture *capture = continuedAt(member.span.first, captures);
            if (capture == nullptr) capture = &captures.emplace_back();
            capture->last = member.span.last;
            capture->files.push_back(member.file);
        }
        if (captures.size() < 2) continue;
        std::string names;
        for (std::size_t number = 2; number <= captures.size(); ++number) {
            const auto &own = captures[number - 1].files;
            for (const std::size_t file : own)
                series[file] = numbered(name, number);
            names += fmt::format("{}{} is {}", names.empty() ? "" : ", ", files[own.front()].filename().string(),
                                 file::pointNameOf(series[own.front()]));
        }
        remarks.push_back(fmt::format("files named like {} overlap in time: {} captures wrote them, and each is a host "
                                      "of its own ({}). Name them with --point FILE=node/interface.",
                                      name, captures.size(), names));
    }
    return remarks;
}

} // namespace natlens::session
