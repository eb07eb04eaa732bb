#pragma once

#include <string>

/// Values as they are in memory: what is equal without being the same bytes (numeric 1.0 and 1.00) differs. Types are
/// named as format_type prints them with search_path = pg_catalog.
namespace pgeist::transfer {

/// A type's name without its length: `numeric(12,2)` is numeric, `time(3) with time zone` time with time zone. For
/// people and for choosing functions; see loose_type() for SQL.
[[nodiscard]] std::string without_length(const std::string& type);

/// The type that a value is cast to before it is assigned to a column of `type`, which then does what an assignment
/// does and a cast to `type` would not: refuses what is too long.
[[nodiscard]] std::string loose_type(const std::string& type);

/// SQL: whether two values of `type` differ; never null. By the type's `=` where that is true for the same bytes only
/// (much the cheapest), as text byte by byte, by what would be sent to a binary client, or else by their image.
[[nodiscard]] std::string image_differs(const std::string& type, const std::string& left, const std::string& right);

/// The same, but numbers of another scale (1.0 and 1.00) are the same value: for values that were converted there and
/// back.
[[nodiscard]] std::string value_differs(const std::string& type, const std::string& left, const std::string& right);

/// Whether each value of `from` is one of `to`, and an assignment back gives it again or fails. (Assigned to a
/// varchar(n), blanks beyond its length are cut without a word: so that a longer one, or text, is no such type.)
[[nodiscard]] bool is_exact_widening(const std::string& from, const std::string& to);

}  // namespace pgeist::transfer
