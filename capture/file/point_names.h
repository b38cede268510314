// What capture points are called, from what a file says of them and from the file's own name.
#pragma once

#include "capture/packet/decode.h"

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace natlens::file {

/// The capture point that a classic pcap file stands for: its name without folder and suffixes (".pcap", ".pcap.gz"),
/// with the last hyphen between host and interface where what stands behind it looks like an interface
/// ("gke-pool-1-eth0.pcap" is "gke-pool-1/eth0", "kind-worker2.pcap" a host), or what stands before it is a numbered
/// host ("n1-vp1.pcap" is "n1/vp1"). "-" is "stdin".
[[nodiscard]] std::string pointNameOf(const std::filesystem::path &path);
/// "eth0", "ens5", "any", but not "node2" or "capture".
[[nodiscard]] bool looksLikeInterface(std::string_view name);

/// Names are printed on terminals, whatever a file says: control characters become question marks.
[[nodiscard]] std::string printable(std::string text);

/// Whose word counts where file name and interface name both say something.
enum class NameSource : std::uint8_t { fileName, person };

/// Names the points of one file, "host/interface" each. natlens' own recordings have such names in them; others have
/// "eth0", which is the interface of the host that the file is named after, or nothing, which the file's name has to
/// stand for, with a number from the second one on: mergecap makes such files of classic pcaps, and each interface is
/// another capture then. A name that a person gave replaces the first interface's, and every interface's host.
class PointNames final {
public:
    PointNames() = default;
    PointNames(std::string name, NameSource source)
        : m_name(std::move(name))
        , m_source(source) {}

    /// Of the only point of a classic pcap.
    [[nodiscard]] const std::string &whole() const { return m_name; }
    /// Of the next interface of a pcapng, in all sections. Evidence (netlink, cluster state) keeps its name.
    [[nodiscard]] std::string next(std::string ifName, packet::LinkType linkType);
    /// Of one interface within a capture of all of them (`tcpdump -i any`) that is called `base`.
    [[nodiscard]] static std::string ofIndex(const std::string &base, std::uint32_t index, bool isLoopback);

private:
    [[nodiscard]] std::string host() const { return m_name.substr(0, m_name.find('/')); }

    std::string m_name;
    NameSource m_source = NameSource::fileName;
    unsigned m_count = 0, m_nameless = 0; ///< interfaces so far
};

} // namespace natlens::file
