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

/// What make_blueprint() leaves: the plan, and what it noticed on the way.
struct prepared {
    plan::blueprint blueprint;
    /// Set when the change leaves the definition as it is: the run has nothing to do. Says why.
    std::optional<std::string> nothing_to_do;
    std::vector<std::string> warnings;
    std::vector<plan::statement> statements;    ///< by which the shadow was made, before the user's clauses
    std::optional<plan::revert_plan> way_back;  ///< of a --revertible run
    std::vector<std::string> way_back_told;     ///< for people, a line a column
};

/// Makes the schemas pgeist_<job> and pgeist_<job>_old and in the first the empty shadow of `source`, runs the user's
/// clauses on it, reads the result back and strips the shadow of everything that the copy must not meet (indexes,
/// foreign keys, triggers). Called in an open transaction: `run` commits it, `plan` rolls it back.
///
/// Locks: ACCESS SHARE on the source; nothing on any other table.
/// @throws error with exit code `refused` when the change is not valid or something of the source cannot be carried;
/// the
///     message names the clause or the object. The transaction has then failed and must be rolled back.
[[nodiscard]] awaitable<prepared> make_blueprint(pg::connection& conn, const catalog::table& source,
                                                 const plan::change_request& change, std::int64_t job,
                                                 const run::settings& chosen);

/// Why the table is already what the change would make it; nothing when it is not. As above: to be rolled back.
[[nodiscard]] awaitable<std::optional<std::string>> find_applied(pg::connection& conn, const catalog::table& source,
                                                                 const plan::change_request& change, std::int64_t job);

}  // namespace pgeist::rewrite
