#pragma once

#include <string>

namespace pgeist::catalog {

/// `a view`; for a `pg_class.relkind` that no user knows by a name: `not a table`.
[[nodiscard]] std::string kind_name(char relkind);

/// Whether what is in the schema is the server's or pgeist's own.
[[nodiscard]] bool is_system_schema(const std::string& schema);

}  // namespace pgeist::catalog
