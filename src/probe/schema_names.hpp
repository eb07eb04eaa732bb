#pragma once

#include <string>

/// Names of relations as schema keeps them: `schema.name`, quoted where SQL needs it.
namespace pgeist::probe {

[[nodiscard]] std::string written(const std::string& space, const std::string& name);
/// The schema's part of a name that is written by written().
[[nodiscard]] std::string space_of(const std::string& relation);
[[nodiscard]] std::string bare_name(const std::string& relation);

}  // namespace pgeist::probe
