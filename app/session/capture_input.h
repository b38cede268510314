// One capture file of a source, open.
#pragma once

#include "capture/base/result.h"
#include "capture/base/unique_fd.h"
#include "capture/file/point_names.h"

#include <filesystem>
#include <string>
#include <vector>

namespace natlens::session {

/// A name that a person gives to what a file shows: --point FILE=node/interface.
struct PointName {
    std::string file, name;
};

/// One open input.
struct CaptureInput {
    std::string name; ///< for people
    base::UniqueFd fd;
    std::uint64_t size = 0; ///< 0 when it cannot be known (a pipe)
    bool canGrow = false;   ///< a regular file, to which another program may add
    std::string pointName;  ///< of its capture points, see file::PointNames and pointNamesOf()
    file::NameSource nameSource = file::NameSource::fileName;
    std::string series; ///< shared with the other files of one capture, which show the same points; "" none

    /// "-" is standard input. A folder, a missing or unreadable file is an error (exit status 2).
    [[nodiscard]] static base::Result<CaptureInput> open(const std::filesystem::path &path);
    /// Takes the name that a person gave to what this file shows, if there is one.
    void nameBy(const std::vector<PointName> &names);
};

/// Whoever names one file of a series (rotated_files.h, one entry a file) names them all.
void nameWholeSeries(std::vector<PointName> &names, const std::vector<std::filesystem::path> &files,
                     const std::vector<std::string> &series);

/// An error if one of the names is for none of the files, or says nothing.
[[nodiscard]] base::Status checkPointNames(const std::vector<PointName> &names,
                                           const std::vector<std::filesystem::path> &files);

} // namespace natlens::session
