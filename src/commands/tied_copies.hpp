#pragma once

#include <optional>

#include "pgeist/commands/commands.hpp"
#include "pgeist/plan/group_request.hpp"
#include "pgeist/steps/choose.hpp"

namespace pgeist::commands {

/// Of several `--table`: each is copied, whatever is to be said against its statements by themselves.
[[nodiscard]] steps::choice copy_all_tables(const file_request& what);

/// Of several `--table`: a table of which a part needs a copy is copied whole, and so is one with --set or --key.
void copy_whole_tables(const file_request& what, steps::choice& made);

/// Copies of tables that foreign keys tie to each other become one step, a group: of a file those that are neighbours,
/// of several `--table` wherever they stand. `session`: in no transaction.
[[nodiscard]] awaitable<void> join_tied_copies(pg::connection& session, const file_request& what, steps::choice& made);

/// The choice, once more, where statements are refused that stand in a row of ALTER TABLEs of tables that refer to each
/// other: what one table cannot do by itself they may do together, by copies. `alone`: the choice that refuses them.
/// Nothing where that does not help.
[[nodiscard]] awaitable<std::optional<steps::choice>> choose_together(pg::connection& session,
                                                                      const plan::migration_file& file,
                                                                      const steps::question& asked,
                                                                      const steps::choice& alone);

/// What a step copies, of a copy.
[[nodiscard]] plan::group_request copies_of(const steps::step& what);

}  // namespace pgeist::commands
