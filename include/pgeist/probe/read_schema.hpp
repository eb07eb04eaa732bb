#pragma once

#include <string>
#include <vector>

#include "pgeist/pg/connection.hpp"
#include "pgeist/probe/schema.hpp"

namespace pgeist::probe {

/// What the server's catalogs say of everything that is named in the texts, and of what hangs together with it, with
/// sizes. Reads catalogs only, on a standby too, and as a role that has no right on the tables; the sizes of tables
/// that somebody has locked are taken from the last VACUUM or ANALYZE.
///
/// `session`: in no transaction. `search_path`: the user's schemas, for names without one.
/// @throws pg::sql_error; cancelled
[[nodiscard]] awaitable<schema> read_schema(pg::connection& session, std::vector<std::string> texts,
                                            std::vector<std::string> search_path);

}  // namespace pgeist::probe
