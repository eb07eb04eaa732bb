#pragma once

#include "pgeist/job/tenure.hpp"
#include "pgeist/pg/connection.hpp"
#include "pgeist/report/observer.hpp"

namespace pgeist::run {

/// Does for a job that was interrupted after its swap what the table would lack for ever once the job is forgotten:
/// foreign keys that the swap added NOT VALID are validated. What cannot be done is told, with the SQL to do it, and
/// does not stop the clean-up. Nothing for jobs in other phases. Locks: SHARE UPDATE EXCLUSIVE, ROW SHARE on the
/// referenced tables, under short timeouts. @throws sql_error when the connection is lost; error (already_running) when
/// the job is no longer ours
[[nodiscard]] awaitable<void> finish_what_was_swapped(pg::connection& session, job::tenure mine,
                                                      report::observer& observer);

}  // namespace pgeist::run
