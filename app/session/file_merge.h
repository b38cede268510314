// Several recordings read as one source, in time order.
#pragma once

#include "app/session/capture_input.h"
#include "capture/file/capture_stream.h"

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace natlens::session {

/// Asked between portions (at most 256 KiB of one file).
struct MergeHooks {
    std::function<bool(std::uint64_t bytesRead)> goOn;        ///< false ends reading without an error
    std::function<void(std::span<const std::byte>)> raw = {}; ///< sees every byte, in the order of reading
    /// Puts a stage behind the reader of each input (by number), before the merge: it may change times.
    std::function<std::unique_ptr<file::StreamSink>(std::size_t input, file::StreamSink &next)> stage = {};
    /// The inputs are one file, opened several times, and each stage passes on a part of it: capture points and packets
    /// keep the numbers that they have in the file.
    bool oneFile = false;
    /// Where the next portion goes; of one plain file most packets that are delivered until goOn() lie in there.
    std::function<std::vector<std::byte> &()> buffer = {};
    /// If set, files are not over at their ends: other programs are writing them. Called, with goOn after it, whenever
    /// there is nothing to read; waits a little. Only goOn ends the reading then (and the end of what is no file).
    std::function<void(std::chrono::milliseconds)> waitForMore = {};
};

/// Reads all inputs to their ends. Capture points continue from file to file. One file is delivered exactly as it is;
/// of several, the next packet is always the earliest of the files' next packets (so each keeps its own order), and
/// numbers are given in that order, as `mergecap` would number them. Of growing files one that has been silent for a
/// while is not waited for.
/// Uses read(), not mmap: a recording that is cut while it is read must not end in SIGBUS; and pipes work alike.
/// On a fault in one file the others are still read to their ends; the first fault is returned, its subject naming the
/// file.
[[nodiscard]] base::Status readMerged(std::vector<CaptureInput> &inputs, file::StreamSink &sink,
                                      const MergeHooks &hooks);

} // namespace natlens::session
