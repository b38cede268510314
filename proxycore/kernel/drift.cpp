#include "proxycore/kernel/drift.h"

namespace natlens::proxycore {

std::string_view toString(Drift::Kind kind) {
    switch (kind) {
    case Drift::Kind::missing: return "missing";
    case Drift::Kind::changed: return "changed";
    case Drift::Kind::foreign: return "foreign";
    }
    return "";
}

std::string Drift::sentence() const {
    return std::string(toString(kind)) + " " + object + (text.empty() ? "" : ": " + text);
}

} // namespace natlens::proxycore
