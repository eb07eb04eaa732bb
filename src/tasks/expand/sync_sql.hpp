#pragma once

#include <functional>
#include <string>

#include "pgeist/tasks/expand/spec.hpp"

// The trigger that keeps old and new columns in step. It decides by values and never by column lists, uses no dynamic
// SQL, and runs with the rights of who writes.
namespace pgeist::expand {

/// What a column of the expressions is called now.
using names = std::function<std::string(const std::string& column)>;

/// The names of now, by `spec::trial`.
[[nodiscard]] names names_of(const spec& of);

/// An expression of the spec, with these names.
[[nodiscard]] std::string in_names(std::string expression, const spec& of, const names& now);

/// How an expression of the spec names a column.
[[nodiscard]] std::string placeholder(const std::string& column);

/// CREATE OR REPLACE FUNCTION. @param counter OID of the sequence that counts conflicts
[[nodiscard]] std::string function_sql(const spec& of, std::int64_t counter);

/// CREATE TRIGGER, ENABLE ALWAYS.
[[nodiscard]] std::string trigger_sql(const spec& of);

}  // namespace pgeist::expand
