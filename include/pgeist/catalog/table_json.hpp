#pragma once

#include <string>

#include "pgeist/catalog/table.hpp"

namespace pgeist::catalog {

/// A table's description as JSON, to be stored: without pgeist's own triggers, and without what cannot be carried.
[[nodiscard]] std::string to_json(const table& value);
/// @throws error (failed) when the text is no such description
[[nodiscard]] table table_from_json(const std::string& text);

}  // namespace pgeist::catalog
