// One function per command; each in a file of its own name (rules: in explain.cpp). They return the exit status.
#pragma once

#include "app/cli/arguments.h"

namespace natlens::cli {

[[nodiscard]] int labList();
[[nodiscard]] int labRun(const LabRun &arguments);
[[nodiscard]] int labUp(const LabUp &arguments);
[[nodiscard]] int labExec(const LabExec &arguments);
[[nodiscard]] int replay(const Replay &arguments);
[[nodiscard]] int render(const Render &arguments);
[[nodiscard]] int explain(const Explain &arguments);
[[nodiscard]] int rules(const Rules &arguments);
[[nodiscard]] int doctor();

} // namespace natlens::cli
