// An nft listing (ours or the kernel's) in the normal form of tests/data/cluster: blocks of lines, elements sorted.
#pragma once

#include <algorithm>
#include <map>
#include <regex>
#include <sstream>
#include <string>
#include <vector>

namespace natlens::test {

using Blocks = std::map<std::string, std::vector<std::string>>;

namespace detail {

inline std::string replaced(std::string text, const std::string &from, const std::string &to) {
    for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
        text.replace(at, from.size(), to);
    return text;
}

inline std::string normalLine(std::string line) {
    line = replaced(std::move(line), "priority dstnat - 10;", "priority -110;");
    line = replaced(std::move(line), "priority dstnat;", "priority -100;");
    line = replaced(std::move(line), "priority srcnat;", "priority 100;");
    line = replaced(std::move(line), "priority filter;", "priority 0;");
    // What is written as "addr . port" is listed without it by nft 1.0.6.
    line = replaced(std::move(line), " addr . port to ", " to ");
    const std::regex minutes("^timeout (\\d+)m$"), hours("^timeout (\\d+)h$");
    std::smatch match;
    if (std::regex_match(line, match, minutes)) return "timeout " + std::to_string(60 * std::stoi(match[1])) + "s";
    if (std::regex_match(line, match, hours)) return "timeout " + std::to_string(3600 * std::stoi(match[1])) + "s";
    return line;
}

inline std::vector<std::string> split(const std::string &text) {
    std::vector<std::string> parts;
    std::size_t at = 0;
    for (std::size_t end; (end = text.find(", ", at)) != std::string::npos; at = end + 2)
        parts.push_back(text.substr(at, end - at));
    parts.push_back(text.substr(at));
    return parts;
}

} // namespace detail

/// The blocks of one table, e.g. normalForm(text, "ip kube-proxy"). Elements become lines "element ...", sorted, at the
/// end.
inline Blocks normalForm(const std::string &listing, const std::string &table) {
    Blocks blocks;
    std::istringstream lines(listing);
    std::vector<std::string> *current = nullptr;
    std::string line;
    bool inTable = false;
    while (std::getline(lines, line)) {
        while (!line.empty() && line.back() == ',') { // elements go on in the next line
            std::string next;
            if (!std::getline(lines, next)) break;
            line += " " + next.substr(std::min(next.find_first_not_of(" \t"), next.size()));
        }
        if (line == "table " + table + " {")
            inTable = true;
        else if (line == "}")
            inTable = false;
        if (!inTable) continue;
        const auto first = line.find_first_not_of('\t');
        if (first == std::string::npos) continue;
        const auto text = line.substr(first);
        const bool opens = first == 1 && text.ends_with(" {");
        if (opens) {
            current = &blocks[text.substr(0, text.size() - 2)];
        } else if (first == 1 && text == "}") {
            current = nullptr;
        } else if (current != nullptr) {
            if (text.starts_with("elements = { ")) {
                auto elements = detail::split(text.substr(13, text.size() - 15));
                std::sort(elements.begin(), elements.end());
                for (const auto &element : elements)
                    current->push_back("element " + element);
            } else if (!text.starts_with("size ")) {
                current->push_back(detail::normalLine(text));
            }
        }
    }
    return blocks;
}

} // namespace natlens::test
