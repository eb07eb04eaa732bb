#pragma once

#include <string>

#include "pgeist/job/tenure.hpp"
#include "pgeist/pg/connection.hpp"

// What the files of this folder share: how rows of schema pgeist are written.
namespace pgeist::job {

/// For what is told while the job runs: where the database's encoding lacks a character of a text, it is written
/// without it, since no run is to end for that. In no transaction.
[[nodiscard]] awaitable<pg::result> write(pg::connection& session, std::string sql, pg::parameters values);

/// Values for write().
template <class... Values>
[[nodiscard]] pg::parameters values_of(const Values&... values) {
    return {pg::to_parameter(values)...};
}

/// The whole state schema went with the last job: somebody cleaned up just now.
[[nodiscard]] bool is_state_gone(const pg::sql_error& failure);

/// @throws error (already_running)
[[noreturn]] void throw_not_ours(std::int64_t job);

/// @throws error (already_running) when a statement of the tenure has changed no row
void require_ours(tenure mine, const pg::result& changed);

}  // namespace pgeist::job
