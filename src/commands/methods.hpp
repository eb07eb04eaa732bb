#pragma once

#include <optional>
#include <string>

#include "pgeist/catalog/reader.hpp"
#include "pgeist/pg/connection.hpp"
#include "pgeist/plan/change_request.hpp"
#include "pgeist/settings/settings.hpp"
#include "pgeist/steps/choose.hpp"

namespace pgeist::commands {

/// By which methods a change of one table is made.
struct decision {
    bool copy = false;                   ///< all of it by a copy
    std::optional<std::string> nothing;  ///< the table has the change already: the reason
    steps::choice chosen;                ///< with a copy one step of that method
    std::optional<catalog::relation> table;
};

/// Whether `method` leaves nothing to be asked: the change is one that only a copy makes, or a copy is asked for.
[[nodiscard]] bool copies_anyway(const plan::change_request& change, const run::settings& chosen);

/// Finds out. Changes nothing. `session`: in no transaction; its temporary tables go.
/// @throws error (refused) when the texts are not what `--alter` takes, or the change cannot be made
[[nodiscard]] awaitable<decision> decide(pg::connection& session, plan::change_request change, run::settings chosen);

/// The step of a change that is copied whole. `why`: a sentence without full stop.
[[nodiscard]] steps::step copy_step(const plan::change_request& change, const std::string& table, std::string why);

/// @throws error (refused) listing all refusals
void throw_if_refused(const steps::choice& chosen);

}  // namespace pgeist::commands
