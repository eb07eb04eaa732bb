#pragma once

#include <string>

#include "pgeist/walk/key_sql.hpp"

namespace pgeist::walk {

/// `value` of a key's column so that its text on the client reads back as the same value, by read_back(): a type's
/// output function gives that, which is what the server sends; a cast to text may be anybody's. `"char"` above 127 is
/// no text in most encodings, and goes as a number.
[[nodiscard]] std::string readable(const key_column& column, const std::string& value);

/// SQL for the value that `text`, itself SQL (`$1`), stands for.
[[nodiscard]] std::string read_back(const key_column& column, const std::string& text);

/// `a.k1, a.k2`, readable.
[[nodiscard]] std::string readable_log_columns(const key& key, const std::string& alias);

/// `a.k1 = b.k1 AND …` between two relations that both carry the log's columns.
[[nodiscard]] std::string log_equals_log(const key& key, const std::string& left, const std::string& right);

/// Whether the key in `a.k1, a.k2` comes after the bound in `$1` … in the order of the walked index.
[[nodiscard]] std::string is_after_bound(const key& key, const std::string& alias);

/// Whether a key is one from `$number` … to `$number+columns` …, both taken in.
[[nodiscard]] std::string within(const key& key, side of, const std::string& alias, std::size_t number);

/// The key as columns k1, k2 … that stand for the read side's.
[[nodiscard]] key as_logged(const key& key);

/// The key in the opposite order.
[[nodiscard]] key reversed(const key& key);

}  // namespace pgeist::walk
