#pragma once

#include <cstdint>
#include <vector>

#include "pgeist/pg/connection.hpp"
#include "pgeist/report/observer.hpp"

namespace pgeist::swap {

/// What standbys with hot_standby_feedback say of the snapshots there: a REPEATABLE READ transaction, or a long query,
/// on a standby sees the new table as one here would (see old_snapshots). They say it every
/// wal_receiver_status_interval, ten seconds, and only one number for all: so they are waited for until that is as new
/// as the moment when waiting began, and not anew after each replay.
class standby_snapshots {
public:
    [[nodiscard]] static awaitable<standby_snapshots> older_than_now(pg::connection& session);

    /// The standbys that report a snapshot older than that. One that replays with a delay reports the same.
    [[nodiscard]] awaitable<std::vector<report::blocker>> still_held(pg::connection& session) const;

private:
    std::int64_t needed_ = 0;  ///< transaction number, 64 bits: a snapshot from there on is new enough
};

}  // namespace pgeist::swap
