#include "capture/file/point_names.h"

#include <array>
#include <fmt/format.h>

namespace natlens::file {

namespace {

bool isSuffix(const std::filesystem::path &extension) {
    constexpr std::array<std::string_view, 10> kKnown{".pcap", ".pcapng", ".cap",  ".dump", ".dmp",
                                                      ".gz",   ".zst",    ".zstd", ".lz4",  ".ntar"};
    for (const std::string_view known : kKnown)
        if (extension == known) return true;
    return false;
}

/// Names are printed on terminals, whatever a file says.
std::string printable(std::string text) {
    for (char &c : text)
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
    return text;
}

} // namespace

std::string pointNameOf(const std::filesystem::path &path) {
    if (path == "-") return "stdin";
    std::filesystem::path file = path.filename();
    if (isSuffix(file.extension())) {
        while (isSuffix(file.extension()))
            file = file.stem();
    } else {
        file = file.stem();
    }
    std::string name = printable(file.string());
    std::size_t hyphen = name.rfind('-');
    // "br-lan", "br-1f0a3c": the one family of interface names that has a hyphen of its own.
    constexpr std::string_view kBridge = "-br";
    if (hyphen != name.npos && std::string_view(name).substr(0, hyphen).ends_with(kBridge)) hyphen -= kBridge.size();
    if (hyphen == name.npos || hyphen == 0 || hyphen + 1 == name.size()) return name;
    // "dump-20240131": a date or a serial number, not an interface.
    if (name.find_first_not_of("0123456789", hyphen + 1) == name.npos) return name;
    name[hyphen] = '/';
    return name;
}

std::string PointNames::next(std::string ifName, packet::LinkType linkType) {
    ifName = printable(std::move(ifName));
    const bool isEvidence = linkType == packet::LinkType::netlink || linkType == packet::LinkType::user0;
    const std::size_t slash = ifName.find('/');
    // "merged/": a host and no interface, as recordings of natlens name it.
    const bool hostAlone = slash != ifName.npos && slash != 0 && slash + 1 == ifName.size();
    if (hostAlone && m_source != NameSource::person) return ifName.substr(0, slash);
    if (m_name.empty() || isEvidence) return ifName;
    if (m_source == NameSource::person) {
        const bool isFirst = m_count++ == 0;
        if (isFirst && m_name.find('/') != m_name.npos) return m_name;
        if (!ifName.empty()) return host() + '/' + ifName.substr(slash == ifName.npos ? 0 : slash + 1);
    }
    if (ifName.empty()) {
        ++m_nameless;
        return m_nameless == 1 ? m_name : fmt::format("{}#{}", m_name, m_nameless);
    }
    return slash != ifName.npos ? ifName : host() + '/' + ifName;
}

std::string PointNames::ofIndex(const std::string &base, std::uint32_t index, bool isLoopback) {
    const std::string host = base.substr(0, base.find('/'));
    return isLoopback && index == 1 ? host + "/lo" : fmt::format("{}/if{}", host, index);
}

} // namespace natlens::file
