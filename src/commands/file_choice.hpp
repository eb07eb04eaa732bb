#pragma once

#include "pgeist/commands/commands.hpp"
#include "pgeist/steps/choose.hpp"

namespace pgeist::commands {

/// What each statement of a file will be done by, and what of it cannot be done, before anything is run.
/// `session`: in no transaction. @throws error (refused) naming lines
[[nodiscard]] awaitable<steps::choice> choose_for_file(pg::connection& session, const plan::migration_file& file,
                                                       const run::settings& chosen);

/// @throws error (refused) naming the lines of what is refused, if anything is
void throw_if_refused(const plan::migration_file& file, const steps::choice& made);

/// The change, where the file is nothing but one copy.
[[nodiscard]] std::optional<plan::change_request> only_copy(const plan::migration_file& file,
                                                            const steps::choice& made);

}  // namespace pgeist::commands
