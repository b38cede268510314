// From a scenario's JSON to what is done to hosts. For the .cpp files of scenarios only.
#pragma once

#include "app/lab/host_action.h"

#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

namespace natlens::lab {

class ScenarioFields;

/// The action that "do" names; nothing when it names none. Wrong fields throw BadField.
[[nodiscard]] std::optional<HostAction> readHostAction(const ScenarioFields &fields);

/// A scenario may begin with another ("base") and say only what is different. `source` gives the JSON text of a
/// built-in scenario ("" when there is none).
[[nodiscard]] nlohmann::json withBase(nlohmann::json scenario,
                                      const std::function<std::string(const std::string &name)> &source);

} // namespace natlens::lab
