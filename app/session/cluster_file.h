// The Kubernetes List that a person hands over with --cluster.
#pragma once

#include "capture/base/result.h"

#include <filesystem>
#include <string>

namespace natlens::session {

/// Reads the file and checks that it is JSON and holds Kubernetes objects. Errors name the place: "line 3, column 7"
/// for JSON, a JSON pointer ("/items/4") for objects. The text is returned as it is.
[[nodiscard]] base::Result<std::string> readClusterFile(const std::filesystem::path &path);

/// Reads any JSON file that must hold an object of this `kind` ("KubeProxyConfiguration").
[[nodiscard]] base::Result<std::string> readJsonObject(const std::filesystem::path &path, const std::string &kind);

} // namespace natlens::session
