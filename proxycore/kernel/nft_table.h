// The table kube-proxy as netlink messages describe it, whether they come from the kernel or go there.
#pragma once

#include "capture/base/result.h"
#include "proxycore/kernel/nft_objects.h"
#include "proxycore/kernel/nft_socket.h"

#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace natlens::proxycore::nft {

using Bytes = std::vector<std::byte>;

struct TableExpression {
    std::string name;                ///< "lookup", "payload", ...
    std::map<int, Bytes> attributes; ///< NFTA_<expression>_*, the kind of value left open

    bool operator==(const TableExpression &) const = default;
};

struct TableRule {
    std::vector<TableExpression> expressions;
    std::string comment;
    std::uint64_t handle = 0; ///< 0: not from the kernel
};

struct TableChain {
    std::string type; ///< "filter", "nat"; "" for an ordinary chain
    std::uint32_t hook = 0, priority = 0, policy = 0;
    std::vector<TableRule> rules;

    /// Equal but for the rules.
    [[nodiscard]] bool sameFrame(const TableChain &other) const {
        return std::tie(type, hook, priority, policy) == std::tie(other.type, other.hook, other.priority, other.policy);
    }
};

struct TableElement {
    Bytes key;
    std::uint32_t flags = 0;
    Bytes data;                           ///< of a map with values
    std::optional<std::uint32_t> verdict; ///< code, of a map with verdicts
    std::string chain, comment;

    auto operator<=>(const TableElement &) const = default;
};

struct TableSet {
    std::uint32_t flags = 0, keyType = 0, keyLength = 0;
    std::uint64_t timeout = 0, handle = 0;
    std::vector<TableElement> elements; ///< sorted
    bool elementsRead = false;

    [[nodiscard]] bool isAnonymous() const;
    [[nodiscard]] bool isFilledByRules() const;
    [[nodiscard]] bool isMap() const;
    [[nodiscard]] bool sameFrame(const TableSet &other) const {
        return std::tie(flags, keyType, keyLength, timeout) ==
               std::tie(other.flags, other.keyType, other.keyLength, other.timeout);
    }
};

struct Table {
    bool exists = false;
    std::uint32_t flags = 0;
    std::uint64_t handle = 0; ///< no other table has or had it; handles within a table begin anew with it
    std::map<std::string, TableChain> chains;
    std::map<std::string, TableSet> sets;
};

/// What a batch makes when the kernel has no table.
[[nodiscard]] Table tableOf(const Batch &batch);
/// What the kernel has. Elements are read of those anonymous sets that `wants` names, and of every set that has a name.
/// Other changes may come between the parts of the listing.
[[nodiscard]] base::Result<Table> readTable(Socket &socket, IpFamily family,
                                            const std::function<bool(const Table &, const TableSet &)> &wants);

/// A number behind those of all anonymous sets named "__map<number>" or "__set<number>".
[[nodiscard]] std::uint32_t nextAnonymous(const Table &table);

/// An element as an object, of the sets that have names. Nothing when the key has another length than it should.
[[nodiscard]] std::optional<Element> elementOf(std::string_view set, KeyType key, IpFamily family,
                                               const TableElement &element);

} // namespace natlens::proxycore::nft
