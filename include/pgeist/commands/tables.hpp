#pragma once

#include <vector>

#include "pgeist/commands/commands.hpp"
#include "pgeist/plan/change_request.hpp"

namespace pgeist::commands {

/// `--table T --alter …` more than once, or with `--with-references`.
struct tables_request {
    std::vector<plan::change_request> changes;  ///< in order; a table may be named more than once
    bool with_references = false;
};

/// `pgeist run`: tables that foreign keys tie to each other, and more than one of which needs a copy, are a group; the
/// rest is done in order, as a migration file is. A change that is left alone is run as by start().
/// @throws error (refused) naming the table that cannot be changed with the others
[[nodiscard]] awaitable<exit_code> start_tables(pg::connect_options options, tables_request what, run::settings chosen,
                                                report::observer& observer);

/// The same for `pgeist plan`.
[[nodiscard]] awaitable<plan_result> plan_tables(pg::connect_options options, tables_request what,
                                                 run::settings chosen);

/// The same for `pgeist rehearse`.
[[nodiscard]] awaitable<exit_code> rehearse_tables(pg::connect_options options, tables_request what,
                                                   run::settings chosen, rehearsal_request how,
                                                   report::observer& observer);

}  // namespace pgeist::commands
