#pragma once

#include "blueprint.hpp"
#include "pgeist/catalog/table.hpp"
#include "pgeist/pg/connection.hpp"
#include "pgeist/plan/blueprint.hpp"
#include "pgeist/plan/change_request.hpp"
#include "pgeist/tasks/rewrite/preparation.hpp"

// What pgeist makes for itself. An event trigger of the user's may refuse that, or change what was made: the shadow's
// builder tells which it was for the shadow, and these for all else. In the transaction that is open.
namespace pgeist::rewrite {

/// What keeps pgeist's own objects from being dropped, in no transaction.
/// @throws error (failed) naming the event trigger that `problem` came from; else `problem` itself
[[nodiscard]] awaitable<void> throw_not_dropped(pg::connection& session, pg::sql_error problem);

/// make_blueprints(), where what it does not name itself is named, too.
[[nodiscard]] awaitable<std::vector<prepared>> build_shadows(pg::connection& session,
                                                             std::vector<wanted_shadow> wanted);

/// Makes the change log and the trigger functions. @throws error (refused) naming the event trigger that is in the way
[[nodiscard]] awaitable<void> make_log(pg::connection& session, const plan::blueprint& plan);

/// Where there are event triggers: makes, changes and drops all that a run would make for itself, on an empty copy of
/// the source, and takes it back. Before the log is made; the job's schema must be there.
/// @throws error (refused) naming the event trigger that is in the way
[[nodiscard]] awaitable<void> try_own_objects(pg::connection& session, const plan::blueprint& plan,
                                              std::optional<transfer::spec> back);

}  // namespace pgeist::rewrite
