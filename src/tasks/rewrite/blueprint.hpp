#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "pgeist/catalog/table.hpp"
#include "pgeist/pg/connection.hpp"
#include "pgeist/plan/blueprint.hpp"
#include "pgeist/plan/change_request.hpp"
#include "pgeist/plan/revert_plan.hpp"
#include "pgeist/settings/settings.hpp"

namespace pgeist::rewrite {

/// What make_blueprints() leaves for each table: the plan, and what it noticed on the way.
struct prepared {
    plan::blueprint blueprint;
    /// Set when the change leaves the definition as it is: the run has nothing to do. Says why.
    std::optional<std::string> nothing_to_do;
    std::vector<std::string> warnings;
    std::vector<plan::statement> statements;    ///< by which the shadow was made, before the user's clauses
    std::optional<plan::revert_plan> way_back;  ///< of a --revertible run
    std::vector<std::string> way_back_told;     ///< for people, a line a column
};

/// A table whose shadow is to be made. What it refers to outlives the making.
struct wanted_shadow {
    const catalog::table* source = nullptr;
    const plan::change_request* change = nullptr;
    std::int64_t job = 0;
    const run::settings* chosen = nullptr;
};

/// Makes the schemas pgeist_<job> and pgeist_<job>_old and in the first the empty shadow of `source`, runs the user's
/// clauses on it, reads the result back and strips the shadow of everything that the copy must not meet (indexes,
/// foreign keys, triggers). Called in an open transaction: `run` commits it, `plan` rolls it back.
/// Several tables are those that are exchanged together: each one's shadow stands for it in the others' eyes, and what
/// lies between them is planned once.
///
/// Locks: ACCESS SHARE on the source; nothing on any other table.
/// @throws error with exit code `refused` when the change is not valid or something of the source cannot be carried;
/// the
///     message names the clause or the object. The transaction has then failed and must be rolled back.
/// @returns one for each. Of several of which some have nothing to do the blueprints are not complete: they are to be
/// asked for again without those
[[nodiscard]] awaitable<std::vector<prepared>> make_blueprints(pg::connection& conn, std::vector<wanted_shadow> wanted);

/// Why the table is already what the change would make it; nothing when it is not. As above: to be rolled back.
[[nodiscard]] awaitable<std::optional<std::string>> find_applied(pg::connection& conn, const catalog::table& source,
                                                                 const plan::change_request& change, std::int64_t job);

}  // namespace pgeist::rewrite
