#include "proxycore/kernel/nft_changes.h"
#include "proxycore/kernel/nft_print.h"

#include <nlohmann/json.hpp>

namespace natlens::proxycore::nft {

namespace {

using Json = nlohmann::json;

std::string tableText(IpFamily family) {
    return fmt::format("{} {}", familyName(family), kTable);
}

std::string elementsText(const std::vector<const Element *> &elements, bool keyOnly, std::string_view separator) {
    std::string text;
    for (const auto *element : elements) {
        if (!text.empty()) text += separator;
        text += elementText(*element, keyOnly);
    }
    return text;
}

/// Statements end with "; ": in a block each stands on its own line.
std::string blockLines(const std::string &body) {
    std::string text;
    bool quoted = false;
    std::string line;
    for (const char c : body) {
        if (c == '"') quoted = !quoted;
        if (c == ' ' && line.empty()) continue;
        const bool ends = c == ';' && !quoted && !line.starts_with("type filter") && !line.starts_with("type nat");
        if (ends) {
            text += "\t\t" + line + "\n";
            line.clear();
        } else {
            line += c;
        }
    }
    // The type line of a base chain keeps its policy on the same line, as nft prints it.
    while (line.ends_with(' '))
        line.pop_back();
    if (!line.empty()) text += "\t\t" + line + "\n";
    return text;
}

std::string fullText(const Changes &changes) {
    const auto table = tableText(changes.family);
    std::string text =
        fmt::format("table {0}\ndelete table {0}\ntable {0} {{\n\tcomment \"{1}\"\n", table, kTableComment);
    std::map<std::string_view, std::vector<const Element *>> elements;
    for (const auto &[set, list] : bySet(changes.added))
        elements[set] = list;
    for (const auto &set : changes.sets) {
        text += fmt::format("\n\t{} {} {{\n{}", set.verdictMap ? "map" : "set", set.name,
                            blockLines(setBodyText(set, changes.family)));
        if (const auto found = elements.find(set.name); found != elements.end())
            text += "\t\telements = { " + elementsText(found->second, false, ",\n\t\t\t     ") + " }\n";
        text += "\t}\n";
    }
    for (const auto &chain : changes.chains) {
        text += fmt::format("\n\tchain {} {{\n{}", chain.name, blockLines(chainBodyText(chain)));
        for (const auto &rule : chain.rules)
            text += "\t\t" + ruleText(rule, changes.family) + "\n";
        text += "\t}\n";
    }
    return text + "}\n";
}

std::string incrementText(const Changes &changes) {
    const auto table = tableText(changes.family);
    std::string text;
    for (const auto &set : changes.sets)
        text += fmt::format("add {} {} {} {{ {}}}\n", set.verdictMap ? "map" : "set", table, set.name,
                            setBodyText(set, changes.family));
    for (const auto &chain : changes.chains) {
        const auto body = chainBodyText(chain);
        text += fmt::format("add chain {} {}{}\n", table, chain.name, body.empty() ? "" : " { " + body + "}");
        text += fmt::format("flush chain {} {}\n", table, chain.name);
    }
    for (const auto &[set, list] : bySet(changes.removed))
        text += fmt::format("delete element {} {} {{ {} }}\n", table, set, elementsText(list, true, ", "));
    for (const auto &[set, list] : bySet(changes.added))
        text += fmt::format("add element {} {} {{ {} }}\n", table, set, elementsText(list, false, ", "));
    for (const auto &chain : changes.chains)
        for (const auto &rule : chain.rules)
            text += fmt::format("add rule {} {} {}\n", table, chain.name, ruleText(rule, changes.family));
    for (const auto &name : changes.staleChains)
        text += fmt::format("flush chain {} {}\n", table, name);
    for (const auto &name : changes.staleSets)
        text += fmt::format("delete set {} {}\n", table, name);
    return text;
}

Json named(IpFamily family, std::string_view name) {
    return {{"family", familyName(family)}, {"table", kTable}, {"name", name}};
}

Json elementsJson(const Changes &changes, std::string_view set, const std::vector<const Element *> &list,
                  bool keyOnly) {
    Json elements = Json::array();
    for (const auto *element : list)
        elements.push_back(elementJson(*element, keyOnly));
    Json body = named(changes.family, set);
    body["elem"] = std::move(elements);
    return {{"element", std::move(body)}};
}

} // namespace

std::string toText(const Changes &changes) {
    return changes.replaceTable ? fullText(changes) : incrementText(changes);
}

std::string toJson(const Changes &changes) {
    // Order matters: an element may only name a chain that exists by then.
    Json commands = Json::array();
    const auto family = changes.family;
    const auto command = [&](const char *verb, Json object) { commands.push_back({{verb, std::move(object)}}); };
    if (changes.replaceTable) {
        const Json plain = {{"table", {{"family", familyName(family)}, {"name", kTable}}}};
        Json commented = plain;
        commented["table"]["comment"] = kTableComment;
        command("add", plain);
        command("delete", plain);
        command("add", std::move(commented));
    }
    for (const auto &chain : changes.chains) {
        command("add", chainJson(chain, family));
        if (!changes.replaceTable) command("flush", {{"chain", named(family, chain.name)}});
    }
    for (const auto &set : changes.sets)
        command("add", setJson(set, family));
    for (const auto &[set, list] : bySet(changes.removed))
        command("delete", elementsJson(changes, set, list, true));
    for (const auto &[set, list] : bySet(changes.added))
        command("add", elementsJson(changes, set, list, false));
    for (const auto &chain : changes.chains)
        for (const auto &rule : chain.rules) {
            Json body = {{"family", familyName(family)}, {"table", kTable}, {"chain", chain.name}};
            body["expr"] = ruleJson(rule, family);
            if (!rule.comment.empty()) body["comment"] = rule.comment;
            command("add", {{"rule", std::move(body)}});
        }
    for (const auto &name : changes.staleChains)
        command("flush", {{"chain", named(family, name)}});
    for (const auto &name : changes.staleSets)
        command("delete", {{"set", named(family, name)}});
    return Json{{"nftables", std::move(commands)}}.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string cleanUpText(IpFamily family, const std::vector<std::string> &chains) {
    std::string text;
    const auto table = tableText(family);
    for (const auto &name : chains)
        text += fmt::format("delete chain {} {}\n", table, name);
    return text;
}

} // namespace natlens::proxycore::nft
