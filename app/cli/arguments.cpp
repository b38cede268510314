#include "app/cli/arguments.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstring>

#ifndef NATLENS_VERSION
#define NATLENS_VERSION "0"
#endif

namespace natlens::cli {
namespace {

constexpr const char *kExitStatus =
    "Exit status: 0 done; 1 done, but what the scenario expects did not happen; 2 bad arguments or input;\n"
    "3 this machine does not allow it (see natlens doctor).";

/// What --cluster may name: a lab is built of objects.
enum class ClusterFiles : std::uint8_t { any, objects };

/// One value each time it is given: what follows may be a file to replay.
CLI::Option *repeatable(CLI::Option *option, const std::string &value) {
    return option->option_text(value)->expected(1)->allow_extra_args(false)->take_all();
}

CLI::Option *addCluster(CLI::App &command, std::vector<std::string> &files, ClusterFiles kind) {
    const std::string objects =
        "cluster state: what `kubectl get nodes,pods,services,endpointslices -A -o json` prints";
    return repeatable(
        command.add_option("--cluster", files,
                           kind == ClusterFiles::objects
                               ? objects + "; may be repeated"
                               : objects + ", or the rules of a node: `iptables-save`, `nft -j list ruleset` "
                                           "(NODE=FILE, or a file called NODE.iptables-save or NODE.nft.json); may be "
                                           "repeated; - is standard input"),
        kind == ClusterFiles::objects ? "FILE" : "[NODE=]FILE");
}

void addSourceOptions(CLI::App &command, SourceOptions &options, ClusterFiles clusterFiles) {
    auto *json = command.add_flag("--json", options.json,
                                  "JSON Lines on standard output, one path per line, and nothing else there");
    command
        .add_option(
            "--diagram", options.diagram,
            "print the picture only: `document` (the document's own, in ASCII) or `unicode` (every host and hop)")
        ->option_text("document|unicode")
        ->check(CLI::IsMember({"document", "unicode"}))
        ->excludes(json);
    command.add_option("--record", options.record, "write everything captured to this file (Wireshark opens it)")
        ->option_text("FILE.pcapng");
    addCluster(command, options.clusters, clusterFiles);
    command.add_option("--proxy-config", options.proxyConfig, "a KubeProxyConfiguration object in JSON")
        ->option_text("FILE");
    command.add_option("--filter", options.filter, "use only packets that match, in pcap filter syntax")
        ->option_text("EXPR");
    command.add_flag("--quiet", options.quiet, "no progress and no remarks; only results and errors");
}

void addLabOptions(CLI::App &command, LabOptions &options) {
    command.add_option("SCENARIO", options.scenario, "a name from `natlens lab list`, or a scenario file")->required();
    command
        .add_option("--datapath", options.datapath,
                    "what carries kube-proxy's plan out on the nodes: the kernel by the rules of nftables mode "
                    "(default) or of iptables mode, or natlens' own NAT in user space (engine)")
        ->option_text("nftables|iptables|engine")
        ->check(CLI::IsMember({"nftables", "iptables", "engine"}));
    command
        .add_option(
            "--profile", options.profile,
            "what a failed health check answers: `picture` (500, as the document's drawing), `document` (503, as "
            "kube-proxy 1.5 really did; with --datapath iptables or engine also its rules and behaviour), `today` "
            "(503, as 1.36)")
        ->option_text("picture|document|today")
        ->check(CLI::IsMember({"picture", "document", "today"}));
    command.add_flag(
        "--simulated", options.simulated,
        "no kernel and no privileges: the same lab in virtual time, its nodes run by natlens' own NAT; the "
        "same seed gives the same packets to the byte");
    command.add_option("--seed", options.seed, "seed of the lab's own random choices (default: 0)")->option_text("N");
}

void addReport(CLI::App &command, SourceOptions &options) {
    command
        .add_option("--report", options.report,
                    "write a report for an issue tracker too: summary, picture, findings, hops, clocks, captures, and "
                    "commands to look again (Markdown)")
        ->option_text("FILE.md");
}

void addClock(CLI::App &command, std::string &clock) {
    command
        .add_option("--clock", clock,
                    "files of several machines: correct their clocks by what packets seen on both sides say (auto, the "
                    "default), or take times as they are (none)")
        ->option_text("auto|none")
        ->check(CLI::IsMember({"auto", "none"}));
}

void addAnonymize(CLI::App &command, Replay &options) {
    auto *record = command.get_option("--record");
    auto *anonymize =
        command
            .add_flag("--anonymize", options.anonymize,
                      "with --record: other addresses (networks stay networks) and host names, no payload, "
                      "no comments, no rule traces and cluster state")
            ->needs(record);
    command
        .add_option("--anonymize-key", options.anonymizeKey,
                    "the same text gives the same addresses again; default: a random key that nobody keeps")
        ->option_text("TEXT")
        ->needs(anonymize);
}

void addFiles(CLI::App &command, std::vector<std::string> &files) {
    command.add_option("FILE", files, "pcap or pcapng, of one or several capture points; - is standard input")
        ->required();
}

/// FILE=node/interface. The last "=" counts: file names have them more often than interfaces.
void addPoints(CLI::App &command, std::vector<PointName> &points) {
    repeatable(command.add_option_function<std::vector<std::string>>(
                   "--point",
                   [&points](const std::vector<std::string> &texts) {
                       for (const std::string &text : texts) {
                           const auto equals = text.rfind('=');
                           if (equals == text.npos || equals == 0 || equals + 1 == text.size())
                               throw CLI::ValidationError("--point", text + ": write it as FILE=node/interface");
                           points.push_back({text.substr(0, equals), text.substr(equals + 1)});
                       }
                   },
                   "what a file shows, if its name does not say so; without /interface only the host's name; may be "
                   "repeated"),
               "FILE=node/interface");
}

void addPlanOptions(CLI::App &command, PlanOptions &options) {
    addCluster(command, options.clusters, ClusterFiles::any)->required();
    command.add_option("--node", options.node, "the node, by the name of its Node object")
        ->option_text("NAME")
        ->required();
    repeatable(command.add_option("--node-address", options.nodeAddresses,
                                  "a further address of the node, besides those in its Node object; may be repeated"),
               "IP");
    command.add_option("--proxy-config", options.proxyConfig, "a KubeProxyConfiguration object in JSON")
        ->option_text("FILE");
    command
        .add_option("--profile", options.profile,
                    "whose rules and behaviour in iptables mode: kube-proxy 1.5 of the document, or today's (default)")
        ->option_text("document|today")
        ->check(CLI::IsMember({"document", "today"}));
    command.add_flag("--quiet", options.quiet, "no remarks on input that was not understood; only results and errors");
}

void addExplain(CLI::App &command, Explain &options) {
    addPlanOptions(command, options.plan);
    command.add_option("--from", options.from, "where the packet comes from; without a port: any")
        ->option_text("IP[:PORT]")
        ->required();
    command.add_option("--to", options.to, "where it is sent")->option_text("IP:PORT")->required();
    command.add_option("--protocol", options.protocol, "default: tcp")
        ->option_text("tcp|udp|sctp")
        ->check(CLI::IsMember({"tcp", "udp", "sctp"}, CLI::ignore_case));
    command
        .add_option("--mode", options.plan.mode, "kube-proxy's mode; default: what --proxy-config says, or iptables")
        ->option_text("iptables|nftables")
        ->check(CLI::IsMember({"iptables", "nftables"}));
    command
        .add_option("--input-interface", options.inputInterface,
                    "the node's interface that the packet comes in by; matters for detectLocalMode by interface")
        ->option_text("NAME");
    command.add_flag("--json", options.json, "one object of schema natlens.explain/1 on standard output");
    command.footer(std::string("Examples:\n"
                               "  kubectl get nodes,pods,services,endpointslices -A -o json > cluster.json\n"
                               "  natlens explain --cluster cluster.json --node node1 --from 10.244.3.8 "
                               "--to 10.0.170.92:80\n"
                               "  natlens explain --cluster cluster.json --node node1 --from 192.0.2.7 "
                               "--to 10.240.0.3:32080 \\\n"
                               "      --mode nftables --json | jq .endpoints\n\n") +
                   kExitStatus);
}

void addRules(CLI::App &command, Rules &options) {
    addPlanOptions(command, options.plan);
    command
        .add_option("--format", options.format, "kube-proxy's rules in one of its modes, or the proxy plan in words")
        ->option_text("nftables|iptables|plan")
        ->required()
        ->check(CLI::IsMember({"nftables", "iptables", "plan"}));
    command.add_option("--family", options.family, "default: ipv4")
        ->option_text("ipv4|ipv6")
        ->check(CLI::IsMember({"ipv4", "ipv6"}));
    command.footer(std::string("The text loads as it is; try it in a network namespace of its own.\n\n"
                               "Examples:\n"
                               "  natlens rules --cluster cluster.json --node node1 --format nftables > rules.nft\n"
                               "  unshare --user --map-root-user --net nft -f rules.nft\n"
                               "  natlens rules --cluster cluster.json --node node1 --format iptables "
                               "| grep KUBE-SVC\n\n") +
                   kExitStatus);
}

/// One line, whatever the library wrote.
std::string oneLine(std::string text) {
    std::replace(text.begin(), text.end(), '\n', ' ');
    while (!text.empty() && (text.back() == ' ' || text.back() == '.'))
        text.pop_back();
    return text;
}

/// The innermost command that was recognised.
const CLI::App &innermost(const CLI::App &app) {
    const auto chosen = app.get_subcommands();
    return chosen.empty() ? app : innermost(*chosen.front());
}

/// "natlens lab run" for it.
std::string commandName(const CLI::App &command) {
    return command.get_parent() ? commandName(*command.get_parent()) + " " + command.get_name() : "natlens";
}

/// A word where a command is expected that is none of them, in a sentence; "" when there is no such word.
std::string unknownCommand(const CLI::App &app, const std::vector<std::string> &words) {
    const CLI::App *at = &app;
    for (const auto &word : words) {
        const auto commands = at->get_subcommands([](const CLI::App *) { return true; });
        if (commands.empty() || word.starts_with('-')) return {};
        const auto next = std::ranges::find(commands, word, [](const CLI::App *command) { return command->get_name(); });
        if (next != commands.end()) {
            at = *next;
            continue;
        }
        std::string names;
        for (const CLI::App *command : commands)
            names += (names.empty() ? "" : ", ") + command->get_name();
        const std::string name = commandName(*at);
        return fmt::format("{}: there is no command \"{}\"; there are: {}; see {} --help", name, oneLine(word), names, name);
    }
    return {};
}

} // namespace

Arguments parseArguments(int argc, const char *const *argv) {
    CLI::App app{"Shows what happens to a packet's addresses on its way through a Kubernetes Service.", "natlens"};
    app.set_version_flag("--version", std::string("natlens ") + NATLENS_VERSION, "print the version");
    app.require_subcommand(1);
    app.get_formatter()->column_width(34);
    app.footer(
        std::string("Examples:\n"
                    "  natlens lab run nodeport                      the document's first diagram, from real packets\n"
                    "  natlens lab run nodeport-local --json | jq .\n"
                    "  natlens replay node1-eth0.pcap node2-eth0.pcap\n"
                    "  natlens doctor                                what this machine allows\n\n") +
        kExitStatus);

    CLI::App *lab = app.add_subcommand("lab", "a cluster in network namespaces: client, load balancer, nodes, pods");
    lab->require_subcommand(1);
    lab->footer("Examples:\n  natlens lab list\n  natlens lab run nodeport\n  natlens lab up loadbalancer\n"
                "  natlens lab exec node2 -- ss -tn");

    CLI::App *list = lab->add_subcommand("list", "the scenarios, one line each");
    list->footer("Example:\n  natlens lab list");

    LabRun run;
    CLI::App *runCommand = lab->add_subcommand("run", "build, play the scenario's steps, report, take down");
    addLabOptions(*runCommand, run.lab);
    addSourceOptions(*runCommand, run.source, ClusterFiles::objects);
    addReport(*runCommand, run.source);
    runCommand->footer(std::string("Examples:\n"
                                   "  natlens lab run nodeport\n"
                                   "  natlens lab run nodeport-local --diagram document\n"
                                   "  natlens lab run nodeport --simulated --seed 7\n"
                                   "  natlens lab run loadbalancer-local --profile today --record lb.pcapng\n\n") +
                       kExitStatus);

    LabUp up;
    CLI::App *upCommand = lab->add_subcommand("up", "build and stay until interrupted");
    addLabOptions(*upCommand, up.lab);
    addSourceOptions(*upCommand, up.source, ClusterFiles::objects);
    upCommand->add_option("--ready-file", up.lab.readyFile, "write this file when the lab is ready (for scripts)")
        ->option_text("PATH");
    upCommand->footer(
        std::string("Examples:\n"
                    "  natlens lab up nodeport\n"
                    "  natlens lab exec client -- curl -s http://10.240.0.5:32080/     (in another terminal)\n"
                    "  natlens lab up nodeport --json --ready-file ready > paths.jsonl &\n\n") +
        kExitStatus);

    LabExec exec;
    CLI::App *execCommand = lab->add_subcommand("exec", "run a program inside a host of a running lab");
    execCommand->add_option("NODE", exec.host, "a host of the lab: client, lb, node1, a pod")->required();
    execCommand->add_option("--lab", exec.lab, "process id of the lab, where several run (default: the newest)")
        ->option_text("PID")
        ->check(CLI::PositiveNumber);
    execCommand->footer("The command follows after --; its exit status is passed on.\n\nExamples:\n"
                        "  natlens lab exec node2 -- nft list ruleset\n"
                        "  natlens lab exec client -- bash");

    Replay replay;
    CLI::App *replayCommand = app.add_subcommand("replay", "recorded captures of one or several capture points");
    addFiles(*replayCommand, replay.files);
    addPoints(*replayCommand, replay.points);
    replayCommand->add_flag("--follow", replay.follow,
                            "the files are still being written: wait at their ends for more, until interrupted");
    addSourceOptions(*replayCommand, replay.source, ClusterFiles::any);
    addReport(*replayCommand, replay.source);
    addClock(*replayCommand, replay.clock);
    addAnonymize(*replayCommand, replay);
    replayCommand->footer(
        std::string("pcap and pcapng, also compressed with gzip or zstd. A classic pcap file is a capture point\n"
                    "named as the file: node2-eth0.pcap is node2/eth0.\n\n"
                    "Examples:\n"
                    "  natlens replay recording.pcapng\n"
                    "  natlens replay node1-eth0.pcap node2-eth0.pcap --cluster cluster.json\n"
                    "  natlens replay node1-eth0.pcap --cluster node1=iptables-save.txt --cluster cluster.json\n"
                    "  natlens replay monday.pcap.gz --point monday.pcap.gz=node2/eth0\n"
                    "  natlens replay --follow node1-eth0.pcap\n"
                    "  natlens replay *.pcap --report report.md\n"
                    "  natlens replay client.pcapng node2.pcapng --record annotated.pcapng     (opens in Wireshark)\n"
                    "  natlens replay capture.pcapng --record public.pcapng --anonymize\n"
                    "  ssh node2 tcpdump -i eth0 -U -w - | natlens replay - --json\n\n") +
        kExitStatus);

    Render render;
    CLI::App *renderCommand = app.add_subcommand("render", "draw recorded captures");
    addFiles(*renderCommand, render.files);
    addPoints(*renderCommand, render.points);
    renderCommand->add_option("--format", render.format, "what to write; json is one path per line")
        ->option_text("document|unicode|svg|json")
        ->required()
        ->check(CLI::IsMember({"document", "unicode", "svg", "json"}));
    renderCommand->add_option("-o,--output", render.output, "write to this file instead of standard output")
        ->option_text("FILE");
    renderCommand->add_option("--theme", render.theme, "colours of svg")
        ->option_text("light|dark|high-contrast")
        ->check(CLI::IsMember({"light", "dark", "high-contrast"}));
    addCluster(*renderCommand, render.clusters, ClusterFiles::any);
    renderCommand->add_option("--filter", render.filter, "use only packets that match, in pcap filter syntax")
        ->option_text("EXPR");
    addClock(*renderCommand, render.clock);
    renderCommand->footer("Examples:\n"
                          "  natlens render recording.pcapng --format svg -o paths.svg\n"
                          "  natlens render recording.pcapng --format document");

    Explain explain;
    CLI::App *explainCommand = app.add_subcommand("explain", "what a node does to a packet, and why");
    addExplain(*explainCommand, explain);

    Rules rules;
    CLI::App *rulesCommand = app.add_subcommand("rules", "the rules that kube-proxy writes on a node");
    addRules(*rulesCommand, rules);

    CLI::App *doctor = app.add_subcommand("doctor", "what this machine allows, and how to get the rest");
    doctor->footer("Exit status: 0, or 3 if the lab cannot run here.\n\nExample:\n  natlens doctor");

    // Everything behind "--" is the command of `lab exec`, untouched.
    std::vector<std::string> words(argv + std::min(argc, 1), argv + argc);
    const bool isExec = words.size() >= 2 && words[0] == "lab" && words[1] == "exec";
    const auto separator = isExec ? std::find(words.begin(), words.end(), "--") : words.end();
    if (separator != words.end()) {
        exec.command.assign(separator + 1, words.end());
        words.erase(separator, words.end());
    }
    if (auto unknown = unknownCommand(app, words); !unknown.empty()) return Finished{2, std::move(unknown)};
    std::reverse(words.begin(), words.end()); // CLI11 takes them from the back
    try {
        app.parse(words);
    } catch (const CLI::CallForVersion &version) {
        return Finished{0, std::string(version.what()) + "\n"};
    } catch (const CLI::CallForHelp &) {
        const CLI::App &asked = innermost(app);
        const CLI::App *parent = asked.get_parent();
        return Finished{0, asked.help(parent ? commandName(*parent) : "")};
    } catch (const CLI::ParseError &error) {
        const std::string name = oneLine(commandName(innermost(app)));
        return Finished{2, name + ": " + oneLine(error.what()) + "; see " + name + " --help"};
    }
    if (*list) return LabList{};
    run.source.command.assign(argv, argv + argc);
    replay.source.command.assign(argv, argv + argc);
    if (*runCommand) return run;
    if (*upCommand) return up;
    if (*replayCommand) return replay;
    if (*renderCommand) return render;
    if (*explainCommand) return explain;
    if (*rulesCommand) return rules;
    if (*doctor) return Doctor{};
    if (exec.command.empty())
        return Finished{2, "natlens lab exec: write -- and a command after the host, e.g. natlens lab exec " +
                               exec.host + " -- bash"};
    return exec;
}

} // namespace natlens::cli
