// What a reader makes of bytes that come in portions of one size.
#pragma once

#include "capture/file/recording_sink.h"

#include <algorithm>
#include <vector>

namespace natlens::test {

struct Outcome {
    QStringList lines;
    base::Status status;
    std::uint64_t offset = 0, packets = 0;
    int code() const { return status ? -1 : int(status.error().code); }
    QString sentence() const { return status ? QString() : QString::fromStdString(status.error().sentence()); }
};

inline Outcome readIn(std::size_t portion, std::span<const std::byte> bytes) {
    RecordingSink sink;
    file::Reader reader(sink, {"node1/eth0", 0, 1});
    Outcome outcome;
    while (!bytes.empty() && outcome.status) {
        // A heap copy of exactly this size: the address sanitizer sees a read past its end.
        const std::vector<std::byte> part(bytes.begin(),
                                          bytes.begin() + std::ptrdiff_t(std::min(portion, bytes.size())));
        outcome.status = reader.feed(part);
        bytes = bytes.subspan(part.size());
    }
    if (outcome.status) outcome.status = reader.finish();
    outcome.lines = sink.lines;
    outcome.offset = reader.offset();
    outcome.packets = reader.packets();
    return outcome;
}

} // namespace natlens::test
