// A path while it is being made. For the .cpp files of PathBuilder only.
#pragma once

#include "tracer/stitch/path_builder.h"

namespace natlens::tracer {

struct PathBuilder::Draft {
    const Connection &connection;
    Path path = {};
    std::vector<Visit> request = {}, reply = {};
    Shown requestShown = {}, replyShown = {};
    double dropConfidence = 0;
    bool dropTraced = false; ///< the kernel's rule trace says so
};

} // namespace natlens::tracer
