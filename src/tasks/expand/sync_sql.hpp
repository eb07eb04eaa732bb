#pragma once

#include <functional>
#include <string>
#include <vector>

#include "pgeist/fill/spec.hpp"
#include "pgeist/tasks/expand/spec.hpp"

// The trigger that keeps old and new columns in step. It decides by values and never by column lists, uses no dynamic
// SQL, and runs with the rights of who writes.
namespace pgeist::expand {

/// What a column of the expressions is called now.
using names = std::function<std::string(const std::string& column)>;

/// The names of now, by `spec::trial`.
[[nodiscard]] names names_of(const spec& of);

/// An expression of the spec, with these names, over the columns of `row`: `NEW`, `OLD`; empty: bare.
[[nodiscard]] std::string in_names(std::string expression, const spec& of, const names& now,
                                   const std::string& row = "NEW");

/// The new columns that --up gives, as a fill would set them, by the names of now. With guards: a row whose old columns
/// are what --down makes of the new ones is right already, though --up may give others. @param unfilled whether new
/// columns that are all as they were added are to be set even then; groups without --down are only set then
[[nodiscard]] std::vector<fill::assignment> guarded_sets(const spec& of, bool unfilled);

/// How an expression of the spec names a column.
[[nodiscard]] std::string placeholder(const std::string& column);

/// CREATE OR REPLACE FUNCTION. @param counter OID of the sequence that counts conflicts
[[nodiscard]] std::string function_sql(const spec& of, std::int64_t counter);

/// CREATE TRIGGER, ENABLE ALWAYS.
[[nodiscard]] std::string trigger_sql(const spec& of);

}  // namespace pgeist::expand
