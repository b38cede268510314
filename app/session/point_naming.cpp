#include "app/session/point_naming.h"

#include "capture/file/point_names.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>

namespace natlens::session {

namespace {

std::filesystem::path folderOf(const std::filesystem::path &file) {
    std::error_code ignored;
    return std::filesystem::absolute(file, ignored).lexically_normal().parent_path();
}

/// The name of a folder, or of the one so many levels above it.
std::string nameOf(std::filesystem::path folder, unsigned level) {
    for (; level != 0; --level)
        folder = folder.parent_path();
    return file::printable(folder.filename().string());
}

/// The level, from the innermost, at which all folders have names of their own.
std::optional<unsigned> tellingLevel(const std::set<std::filesystem::path> &folders) {
    constexpr unsigned kDeepest = 8;
    for (unsigned level = 0; level < kDeepest; ++level) {
        std::set<std::string> names;
        for (const auto &folder : folders)
            names.insert(nameOf(folder, level));
        if (names.size() == folders.size() && !names.contains("")) return level;
    }
    return std::nullopt;
}

} // namespace

std::vector<std::string> pointNamesOf(const std::vector<std::filesystem::path> &files,
                                      const std::vector<std::string> &series) {
    std::vector<std::string> names;
    std::vector<std::filesystem::path> folders;
    std::set<std::filesystem::path> collections; ///< folders with files that say themselves whose they are
    for (std::size_t i = 0; i < files.size(); ++i) {
        names.push_back(file::pointNameOf(series[i].empty() ? files[i] : std::filesystem::path(series[i])));
        folders.push_back(files[i] == "-" ? std::filesystem::path() : folderOf(files[i]));
        if (names[i].find('/') != names[i].npos || !file::looksLikeInterface(names[i])) collections.insert(folders[i]);
    }
    for (std::size_t i = 0; i < files.size(); ++i)
        if (const std::string host = nameOf(folders[i], 0);
            files.size() > 1 && !host.empty() && !collections.contains(folders[i]))
            names[i] = host + '/' + names[i];
    struct Host {
        std::vector<std::size_t> files;
        std::map<std::string, std::set<std::filesystem::path>> points; ///< by name: the folders that have one
    };
    std::map<std::string, Host> hosts;
    for (std::size_t i = 0; i < files.size(); ++i) {
        if (folders[i].empty()) continue;
        Host &host = hosts[names[i].substr(0, names[i].find('/'))];
        host.files.push_back(i);
        host.points[names[i]].insert(folders[i]);
    }
    for (const auto &[name, host] : hosts) {
        if (std::ranges::none_of(host.points, [](const auto &point) { return point.second.size() > 1; })) continue;
        std::set<std::filesystem::path> all;
        for (const std::size_t i : host.files)
            all.insert(folders[i]);
        const auto level = tellingLevel(all);
        if (!level) continue;
        for (const std::size_t i : host.files) {
            const std::string folder = nameOf(folders[i], *level);
            const std::size_t slash = names[i].find('/');
            names[i] = slash == names[i].npos ? file::pointNameOf(folder) : folder + names[i].substr(slash);
        }
    }
    return names;
}

} // namespace natlens::session
