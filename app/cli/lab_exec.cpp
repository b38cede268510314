#include "app/cli/commands.h"
#include "app/cli/output.h"
#include "app/session/lab_entry.h"

#include <fmt/format.h>

namespace natlens::cli {

int labExec(const LabExec &arguments) {
    const auto status = session::enterLab(arguments.host, arguments.command, arguments.lab);
    if (status) return *status;
    complain(fmt::format("natlens lab exec: {}", status.error().sentence()));
    return base::exitStatus(status.error());
}

} // namespace natlens::cli
