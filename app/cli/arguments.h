// The command line as data. arguments.cpp is the only file that knows CLI11.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace natlens::cli {

/// Options that `lab run`, `lab up` and `replay` share.
struct SourceOptions {
    bool json = false;
    std::string diagram; ///< "document", "unicode", "" none asked for
    std::string record, proxyConfig, filter;
    std::vector<std::string> clusters; ///< --cluster [NODE=]FILE
    bool quiet = false;
    std::string report;               ///< write a Markdown report to this file; "" none
    std::vector<std::string> command; ///< the words of the command line, for the report
};

struct LabOptions {
    std::string scenario;
    std::string datapath, profile;
    std::uint64_t seed = 0;
    bool simulated = false;
    std::string readyFile; ///< `lab up` only
};

struct LabList {};
struct LabRun {
    LabOptions lab;
    SourceOptions source;
};
struct LabUp {
    LabOptions lab;
    SourceOptions source;
};
struct LabExec {
    std::string host;
    std::vector<std::string> command;
    int lab = 0;
};
struct PointName {
    std::string file, name; ///< --point FILE=node/interface
};
struct Replay {
    std::vector<std::string> files;
    std::vector<PointName> points;
    bool follow = false;
    SourceOptions source;
    std::string clock = "auto"; ///< "auto", "none"
    bool anonymize = false;
    std::string anonymizeKey; ///< "" a random one
};
struct Render {
    std::vector<std::string> files;
    std::vector<PointName> points;
    std::string clock = "auto";
    std::string format, output, theme = "light", filter;
    std::vector<std::string> clusters;
};
/// Whose proxy plan: shared by `explain` and `rules`.
struct PlanOptions {
    std::string proxyConfig, node, mode, profile;
    std::vector<std::string> clusters, nodeAddresses;
    bool quiet = false;
};
struct Explain {
    PlanOptions plan;
    std::string from, to, protocol = "tcp", inputInterface;
    bool json = false;
};
struct Rules {
    PlanOptions plan;
    std::string format, family = "ipv4";
};
struct Doctor {};

/// Nothing to run: help, the version, or a mistake.
struct Finished {
    int status = 0;
    std::string text; ///< for standard output when status is 0, else one line for standard error
};

using Arguments = std::variant<Finished, LabList, LabRun, LabUp, LabExec, Replay, Render, Explain, Rules, Doctor>;

[[nodiscard]] Arguments parseArguments(int argc, const char *const *argv);

} // namespace natlens::cli
