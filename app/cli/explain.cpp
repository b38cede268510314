#include "app/cli/commands.h"
#include "app/cli/output.h"
#include "app/session/questions.h"

#include <fmt/format.h>

namespace natlens::cli {
namespace {

session::PlanSource planSource(const PlanOptions &options) {
    return {options.clusters, options.proxyConfig, options.node, options.nodeAddresses, options.mode, options.profile};
}

int tell(const char *name, const base::Result<session::Answer> &answer, bool quiet) {
    if (!answer) {
        complain(fmt::format("{}: {}", name, answer.error().sentence()));
        return base::exitStatus(answer.error());
    }
    if (!quiet)
        for (const auto &remark : answer->remarks) complain(fmt::format("{}: {}", name, remark));
    Output output;
    output.write(answer->text);
    return output.finish(0);
}

} // namespace

int explain(const Explain &arguments) {
    return tell("natlens explain",
                session::answer(session::ExplainQuestion{planSource(arguments.plan), arguments.from, arguments.to,
                                                         arguments.protocol, arguments.inputInterface,
                                                         arguments.json}),
                arguments.plan.quiet);
}

int rules(const Rules &arguments) {
    return tell("natlens rules",
                session::answer(
                    session::RulesQuestion{planSource(arguments.plan), arguments.format, arguments.family}),
                arguments.plan.quiet);
}

} // namespace natlens::cli
