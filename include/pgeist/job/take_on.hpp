#pragma once

#include <cstdint>
#include <vector>

#include "pgeist/core/identifier.hpp"
#include "pgeist/job/record.hpp"
#include "pgeist/job/tenure.hpp"
#include "pgeist/pg/connection.hpp"

namespace pgeist::job {

/// @throws error (refused) when a dump of another database has brought the job here
[[nodiscard]] awaitable<void> require_not_restored(pg::connection& session, const record& what);

/// Takes on a job, and those of its group, that an earlier process has left: ends what is left of that one on the
/// server, begins a new tenure of each, and waits until nothing of before is at work on the tables that they write
/// (`written`; what is gone, the job itself will tell). In no transaction; the advisory locks of all of them must be
/// held. The session keeps a lock_timeout of a minute. Locks: SHARE ROW EXCLUSIVE on those tables for a moment.
[[nodiscard]] awaitable<void> take_on(pg::connection& session, std::int64_t job, const std::vector<record>& others,
                                      const std::vector<qualified_name>& written, requests what);

}  // namespace pgeist::job
