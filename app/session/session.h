// One source in (lab, files, live), immutable snapshots out: the only thing a front end talks to.
#pragma once

#include "app/session/capture_input.h"
#include "capture/base/result.h"
#include "tracer/path/snapshot.h"

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace natlens::session {

/// Where packets come from.
struct LabSource {
    std::string scenario;
}; ///< a name from `natlens lab list`, or a scenario file
struct FileSource {
    std::vector<std::filesystem::path> files; ///< recordings; "-" is standard input
    std::vector<PointName> points = {};       ///< what people call what some of the files show
    bool follow = false;                      ///< files are being written: wait at their ends for more until stopped
};

struct Options {
    std::string record;       ///< write the stream to this pcapng file too; "" no. Files: with a comment on each packet
    bool anonymize = false;   ///< files: `record` gets other addresses and names, no payload, and no comments
    std::string anonymizeKey; ///< files: the same text gives the same addresses; "" a random key
    bool alignClocks = true;  ///< files: correct the times of hosts whose clocks differ
    /// "[NODE=]FILE" each: Kubernetes Lists (lab: instead of the scenario's; files: instead of the recorded) and, for
    /// files, rules of nodes, which are used besides.
    std::vector<std::string> clusterFiles;
    std::string proxyConfigFile;       ///< KubeProxyConfiguration in JSON; "" the scenario's or recording's own
    std::string filter;                ///< pcap filter; "" everything
    std::string profile;               ///< lab: "picture", "document", "today"; "" the scenario's own
    std::string datapath;              ///< lab: "nftables", "iptables", "engine"; "" the default (nftables)
    bool simulated = false;            ///< lab: no kernel, no privileges, virtual time
    std::uint64_t seed = 0;            ///< lab: random choices of its own (simulated: all there are)
    bool interactive = false;          ///< lab: play the scenario's steps, then stay until told to stop
    bool playSteps = true;             ///< lab: false builds only
    bool replayAtCaptureSpeed = false; ///< files: pace packets as they were captured (GUI)
    bool keepStream = true; ///< lab, standard input: keep the raw stream on disk, so that saveRecording() works
    /// Files: with more pairs of addresses than this not all paths are kept (tracer::Tracer::Options::keepLegs).
    std::size_t keepLegs = 20'000;
    /// Files: when somebody will first look at a view, counted from the start. Until then nothing is spent on any, but
    /// for the last.
    std::chrono::milliseconds firstLook{0};
    std::filesystem::path program; ///< the `natlens` program to start the lab with; "" finds it (see lab_process.h)
};

/// One line of what the scenario expected and what was observed ("ends by comparing").
struct Comparison {
    std::string expected, observed;
    bool met = false;
};

/// A request that the lab's client made, as the client itself saw it.
struct ClientAnswer {
    std::string from, to;      ///< "client", "http://10.240.0.5:32080/"
    int status = 0;            ///< HTTP status, 0 when there was no answer
    std::string clientAddress; ///< "client_address=" of the echo page
    std::string error;         ///< "timed out", "connection refused", ""
    std::string text;          ///< the whole body
};

/// A service whose traffic policy a person may flip, and a pod that may be moved.
struct ServiceControl {
    std::string name;
    std::string externalTrafficPolicy;
    unsigned endpoints = 0;
};
struct PodControl {
    std::string name;
    std::string node;
    std::string ip;
    bool client = false;
};

/// State of the lab, empty for other sources.
struct LabStatus {
    bool running = false; ///< built and answering
    std::string scenario, summary;
    std::string enterHint;            ///< how to enter it: "natlens lab exec node2 -- bash"
    std::vector<std::string> clients; ///< hosts that can send requests
    std::vector<std::string> targets; ///< "http://10.240.0.5:32080/" and so on, of the scenario's service
    std::vector<std::string> nodes;
    std::vector<ServiceControl> services;
    std::vector<PodControl> pods;
    std::vector<std::string> inRotation; ///< nodes that the load balancer uses now
    std::vector<std::string> log;        ///< what was done, one line each
    std::vector<std::string> faults;     ///< what was asked for and could not be done, one line each; in `log`, too
    std::vector<ClientAnswer> answers;
    std::vector<Comparison> comparisons; ///< filled when the scenario's steps have been played
    bool stepsDone = false;
};

/// Everything a front end shows at one moment. Never changes after publication.
struct View {
    std::uint64_t version = 0;
    std::shared_ptr<const tracer::Snapshot> traced; ///< never null
    LabStatus lab = {};
    bool ended = false; ///< the source has ended
    std::string problem =
        {};                ///< one clear line when something went wrong ("recording breaks off at byte ..."), else ""
    int problemStatus = 0; ///< exit status that goes with `problem` (DESIGN section 5)
    std::vector<std::string> remarks = {}; ///< at the end: what was passed over, one line each
    double progress = 1;                   ///< files: part read, 0..1
    bool finishing = false;                ///< files: all is read, and what it comes to is being worked out
    std::uint64_t bytes = 0;               ///< read so far
};

/// A running source. Its thread reads the stream and traces; view() may be called from any thread at any rate and never
/// waits for it. Destroying the session ends the lab with everything in it.
class Session final {
public:
    [[nodiscard]] static base::Result<std::unique_ptr<Session>> open(const LabSource &source, const Options &options);
    [[nodiscard]] static base::Result<std::unique_ptr<Session>> open(const FileSource &source, const Options &options);
    ~Session();
    Session(const Session &) = delete;
    Session &operator=(const Session &) = delete;

    /// The newest published state.
    [[nodiscard]] std::shared_ptr<const View> view() const;
    /// Waits until a view newer than `version` is there or the time is over.
    [[nodiscard]] std::shared_ptr<const View> waitForChange(std::uint64_t version,
                                                            std::chrono::milliseconds atMost) const;

    // Commands to a running lab; errors come back as lines of LabStatus::log.
    void sendRequest(const std::string &fromHost, const std::string &url);
    void setExternalTrafficPolicy(const std::string &service, const std::string &policy); ///< "Cluster" or "Local"
    void movePod(const std::string &pod, const std::string &node);
    void scale(unsigned replicas); ///< endpoints of the scenario's service, 0..6
    void playSteps();              ///< the scenario's steps once more
    void stop();                   ///< ends the source; the view's `ended` follows

    /// Copies everything read so far to a pcapng file.
    [[nodiscard]] base::Status saveRecording(const std::filesystem::path &path) const;

private:
    class Impl;
    explicit Session(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> m_impl;
};

/// A scenario of the lab.
struct ScenarioInfo {
    std::string name, summary;
};
/// What `natlens lab-process --list` says; empty if that program cannot be run.
[[nodiscard]] std::vector<ScenarioInfo> scenarios();

} // namespace natlens::session
