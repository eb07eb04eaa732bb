#pragma once

#include <string>
#include <vector>

#include "pgeist/pg/connection.hpp"

namespace pgeist::catalog {

/// An event trigger of the user's that is fired by what pgeist makes and drops for itself.
struct event_trigger {
    std::string name;      ///< quoted
    std::string event;     ///< ddl_command_start, ddl_command_end or sql_drop
    std::string function;  ///< without its schema
};

/// Those that are enabled, by name.
[[nodiscard]] awaitable<std::vector<event_trigger>> read_event_triggers(pg::connection& session);

/// The one whose function an error came from, as the error's context tells; null when it tells of none of them.
[[nodiscard]] const event_trigger* raised_by(const std::vector<event_trigger>& all, const pg::sql_error& problem);

/// Names of those that may have changed what was made, joined by `or`; empty when there are none.
[[nodiscard]] std::string may_have_changed(const std::vector<event_trigger>& all);

}  // namespace pgeist::catalog
