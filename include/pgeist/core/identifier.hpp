#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace pgeist {

/// `name` as an SQL identifier, always in double quotes, so that no keyword list is needed.
[[nodiscard]] std::string quote_identifier(std::string_view name);

/// `value` as an SQL string literal, valid whatever `standard_conforming_strings` says.
[[nodiscard]] std::string quote_literal(std::string_view value);

/// `items` joined with `separator`.
[[nodiscard]] std::string join(const std::vector<std::string>& items, std::string_view separator);

/// A schema-qualified name of a relation or another schema object, as the catalogs spell it (no quotes).
struct qualified_name {
    std::string schema;
    std::string name;

    /// Quoted for SQL: `"schema"."name"`.
    [[nodiscard]] std::string sql() const;
    /// For messages: quotes only where SQL needs them.
    [[nodiscard]] std::string display() const;
    friend bool operator==(const qualified_name&, const qualified_name&) = default;
};

/// `name` for messages: in quotes only if it is not a plain lower-case identifier.
[[nodiscard]] std::string display_identifier(std::string_view name);

/// Reads `NAME` or `SCHEMA.NAME` as SQL does: unquoted parts fold to lower case, quoted ones stay.
/// `schema` is empty when the text has one part.
/// @throws usage_error when the text is not one or two identifiers.
[[nodiscard]] qualified_name parse_qualified_name(std::string_view text);

}  // namespace pgeist
