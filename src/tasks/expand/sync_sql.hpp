#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "bound_expressions.hpp"
#include "pgeist/fill/spec.hpp"
#include "pgeist/tasks/expand/spec.hpp"

// The trigger that keeps old and new columns in step. It decides by values and never by column lists, uses no dynamic
// SQL, and runs with the rights of who writes. It has no WHEN: the server reads such a condition anew for each
// statement, which costs an update of one row as much as the call that it saves, and twice where it does not.
namespace pgeist::expand {

/// The new columns that --up gives, as a fill would set them, by the names of now. With guards: a row whose old columns
/// are what --down makes of the new ones is right already, though --up may give others. @param unfilled whether new
/// columns that are all as they were added are to be set even then; groups without --down are only set then
[[nodiscard]] std::vector<fill::assignment> guarded_sets(const spec& of, bool unfilled);

/// CREATE OR REPLACE FUNCTION. @param counter OID of the sequence that counts conflicts
[[nodiscard]] std::string function_sql(const spec& of, std::int64_t counter);

/// The functions that it calls; they stay as they are, whatever becomes of it. Empty unless `spec::bound`.
[[nodiscard]] std::string expressions_sql(spec of);

/// CREATE TRIGGER, ENABLE ALWAYS.
[[nodiscard]] std::string trigger_sql(const spec& of);

}  // namespace pgeist::expand
