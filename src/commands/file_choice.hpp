#pragma once

#include "pgeist/commands/commands.hpp"
#include "pgeist/plan/group_request.hpp"
#include "pgeist/steps/choose.hpp"

namespace pgeist::commands {

/// What each statement of a file will be done by, and what of it cannot be done, before anything is run.
/// `session`: in no transaction. @throws error (refused) naming lines
[[nodiscard]] awaitable<steps::choice> choose_for_file(pg::connection& session, const file_request& what,
                                                       const run::settings& chosen);

/// `name:line: ` for messages; empty where there are no lines.
[[nodiscard]] std::string place_in(const file_request& what, std::size_t line);

/// @throws error (refused) naming the lines of what is refused, if anything is
void throw_if_refused(const file_request& what, const steps::choice& made);

/// The copies, where there is nothing but one, or one group.
[[nodiscard]] std::optional<plan::group_request> only_copy(const file_request& what, const steps::choice& made);

}  // namespace pgeist::commands
