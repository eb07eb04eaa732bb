#pragma once

#include <optional>
#include <string>

#include "pgeist/fill/spec.hpp"

namespace pgeist::fill {

/// An `UPDATE t SET … [WHERE …]` or `DELETE FROM t WHERE …` over one table as a request; nothing for what a fill cannot
/// do: FROM, USING, RETURNING, WITH, an alias, SET of several columns at once, WHERE CURRENT OF, a DELETE of all rows.
/// @throws error (refused) when the text cannot be cut into tokens
[[nodiscard]] std::optional<request> request_of(const std::string& statement);

}  // namespace pgeist::fill
