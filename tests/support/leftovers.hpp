#pragma once

#include <string>
#include <vector>

#include "support/sync_connection.hpp"

namespace pgeist::test {

/// Everything of pgeist's that is in the database: schemas, tables, functions, triggers, types, constraints,
/// publications, event triggers, advisory locks, prepared transactions and sessions; and indexes left invalid.
/// Waits a moment for sessions that are ending. Empty means a clean database.
std::vector<std::string> objects_left_behind(sync_connection& connection);

/// The same without the job list (schema `pgeist`), which stays after a run as its history.
std::vector<std::string> objects_left_besides_history(sync_connection& connection);

}  // namespace pgeist::test
