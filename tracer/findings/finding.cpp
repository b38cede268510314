#include "tracer/findings/finding.h"

#include <algorithm>

namespace natlens::tracer {

std::span<const Diagnosis *const> diagnoses() {
#define NATLENS_DIAGNOSIS(code) &k##code,
    static constexpr const Diagnosis *kAll[] = {
#include "tracer/findings/diagnoses.inc"
    };
#undef NATLENS_DIAGNOSIS
    return kAll;
}

std::vector<Finding> findAll(const FindingInput &input) {
    std::vector<Finding> findings;
    for (const Diagnosis *diagnosis : diagnoses()) {
        if (diagnosis->find == nullptr) continue;
        // What has a name of its own explains a difference between observed and predicted.
        const bool explained = std::ranges::any_of(
            findings, [](const Finding &f) { return f.severity != Severity::info && f.code != "D01"; });
        if (diagnosis->code == "P01" && explained) continue;
        if (auto found = diagnosis->find(input)) findings.push_back(std::move(*found));
    }
    return findings;
}

std::vector<Finding> findProxied(const FindingInput &input) {
    std::vector<Finding> findings;
    for (const Diagnosis *diagnosis : diagnoses())
        if (diagnosis->findProxied != nullptr)
            if (auto found = diagnosis->findProxied(input)) findings.push_back(std::move(*found));
    return findings;
}

Finding finding(const Diagnosis &diagnosis, std::string text) {
    Finding finding;
    finding.code = diagnosis.code;
    finding.severity = diagnosis.severity;
    finding.text = std::move(text);
    finding.fix = diagnosis.fix;
    finding.field = diagnosis.field;
    finding.cost = diagnosis.cost;
    finding.reference = diagnosis.reference;
    return finding;
}

std::string findingsManual() {
    std::string text =
        "# Findings\n\n"
        "What natlens concludes about connections. Each finding names its code, what happened and why, the packets "
        "that\n"
        "show it, the smallest change that helps and what that costs. It is said only when its evidence is there.\n"
        "`natlens lab run findings/CODE` brings it about, `findings/CODE-healthy` is the same without the fault.\n"
        "This page is checked against the program's own texts by a test.\n";
    for (const Diagnosis *d : diagnoses()) {
        text += fmt::format("\n## {} {}\n\nSeverity: {}. {}\n\n", d->code, d->title, toString(d->severity), d->what);
        text += fmt::format("* **Why**: {}\n* **Decided by**: {}\n* **Evidence**: {}\n* **Smallest change**: {}\n",
                            d->why, d->field, d->evidence, d->fix);
        text += fmt::format("* **Cost**: {}\n* **More**: <{}>\n", d->cost.empty() ? "none" : d->cost, d->reference);
    }
    return text;
}

} // namespace natlens::tracer
