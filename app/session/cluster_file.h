// A file that a person hands over with --cluster.
#pragma once

#include "capture/base/result.h"

#include <filesystem>
#include <string>
#include <string_view>

namespace natlens::session {

/// One argument of --cluster, "[NODE=]FILE": rules belong to a node.
struct ClusterArgument {
    std::string node; ///< "" when not said: neither so nor by the file's name
    std::string file;
};
/// "node1=rules.txt" is the file rules.txt of node1, unless there is a file of the whole name. A file called
/// NODE.iptables-save, NODE.ip6tables-save, NODE.iptables, NODE.ip6tables, NODE.nft.json, NODE.nft or NODE.rules says
/// its node itself.
[[nodiscard]] ClusterArgument clusterArgument(const std::string &text);

/// Checks that the text of a file is JSON and holds Kubernetes objects. Errors name the place: "line 3, column 7"
/// for JSON, a JSON pointer ("/items/4") for objects. The text is returned as it is.
[[nodiscard]] base::Result<std::string> checkClusterList(std::string_view text, const std::filesystem::path &path);

/// What can be used of such a text.
struct ClusterList {
    std::string text;   ///< a List of all objects that have a kind and a name
    std::string prefix; ///< where the text breaks off or stops being JSON: a List of the objects before; else ""
    std::string remark; ///< says where that is; else ""
};
/// The same for who would rather have some of the objects than none. An error only where there is no List, or nothing
/// in it.
[[nodiscard]] base::Result<ClusterList> usableClusterList(std::string_view text, const std::filesystem::path &path);

/// Reads any JSON file that must hold an object of this `kind` ("KubeProxyConfiguration").
[[nodiscard]] base::Result<std::string> readJsonObject(const std::filesystem::path &path, const std::string &kind);

} // namespace natlens::session
