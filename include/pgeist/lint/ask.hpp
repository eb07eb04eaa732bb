#pragma once

#include <vector>

#include "pgeist/lint/lint.hpp"
#include "pgeist/pg/connection.hpp"

namespace pgeist::lint {

/// Asks a server all that check() can use: what is in its catalogs, what each statement does (tried on stand-ins, see
/// probe::try_statements(), all files of a directory as one), who is in the way, and whether it can read what pgeist's
/// parser cannot. Sets the version in `options`.
///
/// Leaves nothing behind, takes nothing stronger than ACCESS SHARE on the user's relations, and that for moments; runs
/// nothing that the user wrote but definitions on stand-ins. On a standby, behind a pooler, and as a role that may not
/// make temporary tables nothing is tried: server_facts::nothing_tried says why.
/// @throws pg::sql_error when the connection is lost; cancelled
[[nodiscard]] awaitable<answers> ask(pg::connection& session, const std::vector<source>& files,
                                     const std::vector<ddl::migration>& migrations, settings& options);

}  // namespace pgeist::lint
