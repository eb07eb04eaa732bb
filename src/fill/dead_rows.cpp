#include "dead_rows.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "pgeist/core/error.hpp"
#include "pgeist/core/units.hpp"
#include "pgeist/pg/parallel.hpp"

namespace pgeist::fill {

namespace {

using clock = deadline::clock;

constexpr auto between_looks = std::chrono::seconds(1);
constexpr auto pause = std::chrono::milliseconds(50);
/// Autovacuum comes by once in autovacuum_naptime, a minute; and only if its own threshold is reached.
constexpr auto patience = std::chrono::seconds(10);
/// A table of so many rows, on so many pages, is vacuumed within milliseconds: there is nothing to wait for.
constexpr std::int64_t few_rows = 50'000;
constexpr std::int64_t few_pages = 2'000;
/// After a VACUUM that could not remove what others may still see.
constexpr auto between_vain_vacuums = std::chrono::seconds(30);
/// So few dead rows are no bloat, whatever their share; and an open transaction of somebody who has locked a row must
/// not keep a small table from being filled.
constexpr std::int64_t harmless = 1000;
/// No smaller steps than this are made of what room there is.
constexpr std::int64_t least_step = 25;

// A table, or the leaves of a partitioned one.
constexpr const char* look_sql = R"(
    WITH leaves AS (SELECT c.oid, c.reltuples, c.relpages, c.reloptions FROM pg_class c
                     WHERE c.relkind = 'r' AND (c.oid = $1::bigint::oid
                           OR c.oid IN (SELECT relid FROM pg_partition_tree($1::bigint::oid::regclass) WHERE isleaf)))
    SELECT coalesce(sum(s.n_dead_tup), 0)::bigint AS dead,
           coalesce(sum(CASE WHEN s.n_live_tup > 0 THEN s.n_live_tup ELSE greatest(l.reltuples, 0)::bigint END), 0)::bigint AS live,
           coalesce(sum(l.relpages), 0)::bigint AS pages, coalesce(sum(s.vacuum_count + s.autovacuum_count), 0)::bigint AS vacuums,
           current_setting('autovacuum')::bool AND current_setting('track_counts')::bool
           AND NOT EXISTS (SELECT FROM leaves o, unnest(o.reloptions) AS each
                            WHERE each ~* '^autovacuum_enabled=(f|fa|fal|fals|false|n|no|of|off|0)$') AS autovacuum,
           EXISTS (SELECT FROM pg_stat_progress_vacuum p JOIN leaves o ON o.oid = p.relid
                     JOIN pg_stat_activity a ON a.pid = p.pid AND a.backend_type = 'autovacuum worker') AS at_work
      FROM leaves l LEFT JOIN pg_stat_all_tables s ON s.relid = l.oid)";

constexpr const char* oldest_sql = R"(
    SELECT format('pid %s (user %s) has had a snapshot for %s', pid, usename, date_trunc('second', clock_timestamp() - xact_start))
      FROM pg_stat_activity WHERE (backend_xmin IS NOT NULL OR backend_xid IS NOT NULL) AND pid <> pg_backend_pid() AND xact_start IS NOT NULL
       AND (datname = current_database() OR datname IS NULL)
     ORDER BY xact_start LIMIT 1)";

}  // namespace

std::int64_t room_for(const bloat& known, std::int64_t dead_after_vacuum, std::int64_t written, double most_percent) {
    const double share = most_percent / 100;
    const auto allowed = static_cast<std::int64_t>(share / (1 - share) * static_cast<double>(known.live));
    const std::int64_t dead = std::max(known.dead, dead_after_vacuum + written);
    return std::max(allowed, harmless) - dead;
}

awaitable<std::int64_t> dead_rows::fitting(pg::connection& session, std::int64_t wanted) {
    if (!work_->settings.max_dead_rows) {
        co_return wanted;
    }
    if (!known_) {
        co_await look(session);
    }
    const std::int64_t room = room_for(*known_, dead_before_, written_ + reserved_, *work_->settings.max_dead_rows);
    co_return std::min(wanted, std::max(room, least_step));
}

void dead_rows::done(std::int64_t reserved, std::int64_t written) {
    reserved_ -= reserved;
    written_ += written;
}

std::string dead_rows::share() const {
    const std::int64_t dead = std::max(known_->dead, dead_before_ + written_);
    const std::int64_t all = std::max<std::int64_t>(dead + known_->live, 1);
    return fmt::format("{:.0f}% of the rows of {} are dead",
                       100.0 * static_cast<double>(dead) / static_cast<double>(all), work_->spec.table.display());
}

awaitable<void> dead_rows::look(pg::connection& session) {
    const pg::result row = co_await session.query(look_sql, work_->spec.source_oid);
    bloat now;
    now.dead = row.integer(0, "dead");
    now.live = row.integer(0, "live");
    if (now.live == 0 && !known_) {
        now.live = work_->spec.estimated_rows;
    }
    now.small = now.live + now.dead <= few_rows && row.integer(0, "pages") <= few_pages;
    now.vacuums = row.integer(0, "vacuums");
    now.autovacuum = row.boolean(0, "autovacuum");
    now.autovacuum_at_work = row.boolean(0, "at_work");
    if (!known_ || known_->vacuums != now.vacuums) {
        dead_before_ = now.dead;
        written_ = 0;
    }
    known_ = now;
    next_look_ = clock::now() + between_looks;
}

awaitable<std::int64_t> dead_rows::reserve(pg::connection& session, std::int64_t wanted) {
    while (work_->settings.max_dead_rows) {
        if (!known_ || clock::now() >= next_look_ || waits_since_) {
            co_await look(session);
        }
        const std::int64_t room = room_for(*known_, dead_before_, written_ + reserved_, *work_->settings.max_dead_rows);
        if (!known_->autovacuum_at_work && room >= std::min(wanted, least_step)) {
            wanted = std::min(wanted, room);
            break;
        }
        if (known_->autovacuum_at_work) {
            work_->steering.waits_for(fmt::format("autovacuum is at work on {}", work_->spec.table.display()));
            co_await pg::sleep_for(10 * pause);
        } else if (reserved_ > 0) {
            co_await pg::sleep_for(pause);  // what is reserved need not be written
        } else {
            co_await wait_or_vacuum();
        }
    }
    waits_since_.reset();
    vain_since_.reset();
    not_removed_.clear();
    work_->steering.waits_for(std::nullopt);
    reserved_ += wanted;
    co_return wanted;
}

/// @throws error (lock_not_obtained) when nobody could remove them for --swap-max-wait
void dead_rows::give_up_in_time() const {
    const auto longest = work_->settings.swap_max_wait;
    if (!not_removed_.empty() && clock::now() - *vain_since_ >= longest) {
        throw error(exit_code::lock_not_obtained,
                    fmt::format("{} (--max-dead-rows allows {:g}%), and VACUUM could not remove them for "
                                "--swap-max-wait ({}): {}",
                                share(), *work_->settings.max_dead_rows, format_duration(longest), not_removed_),
                    fmt::format("chunks that are finished stay as they are; when nobody holds them any more go on "
                                "with: pgeist resume {}",
                                work_->job));
    }
}

awaitable<void> dead_rows::wait_or_vacuum() {
    const auto now = clock::now();
    waits_since_ = waits_since_.value_or(now);
    give_up_in_time();
    const bool waits = known_->autovacuum && !known_->small && now < *waits_since_ + patience;
    if (waits || now < next_vacuum_) {
        work_->steering.waits_for(fmt::format(
            "{}: {}", share(),
            not_removed_.empty() ? "waiting for autovacuum" : "VACUUM could not remove them: " + not_removed_));
        co_await pg::sleep_for(4 * pause);
    } else {
        work_->steering.waits_for(fmt::format("{}: VACUUM is at work", share()));
        co_await vacuum();
    }
}

awaitable<void> dead_rows::vacuum() {
    const auto session = co_await work_->pool.acquire();
    const std::string doing = work_->progress.detail;
    work_->progress.detail = "VACUUM " + work_->spec.table.display();
    bool blocked = false;
    co_await session->execute("SET lock_timeout = '1s'");
    try {
        // Without cutting off the file's end, which would want ACCESS EXCLUSIVE.
        co_await session->execute(fmt::format("VACUUM (TRUNCATE false) {}", work_->spec.table.sql()));
    } catch (const pg::sql_error& problem) {
        blocked = problem.blocked();
        if (!blocked) {
            throw;
        }
    }
    std::string refused;
    for (const pg::notice& each : session->take_notices()) {
        refused = each.severity == "WARNING" ? each.message : refused;
    }
    work_->progress.detail = doing;
    if (blocked) {
        co_return;  // somebody else's VACUUM, most likely
    }
    const std::int64_t before = known_->vacuums;
    const auto until = clock::now() + std::chrono::seconds(2);
    co_await look(*session);
    while (known_->vacuums == before && refused.empty() && clock::now() < until) {  // 14 tells of it a moment later
        co_await pg::sleep_for(pause);
        co_await look(*session);
    }
    const std::int64_t room = room_for(*known_, dead_before_, written_, *work_->settings.max_dead_rows);
    if (room < least_step) {
        const pg::result oldest = co_await session->query(oldest_sql);
        not_removed_ = refused;
        if (not_removed_.empty()) {
            not_removed_ = oldest.empty() ? "somebody may still see them" : oldest.text(0, 0);
        }
        vain_since_ = vain_since_.value_or(clock::now());
        // Once more at the end of the patience: the last thing that is known is to be true.
        const clock::duration longest = work_->settings.swap_max_wait / 2;
        next_vacuum_ = clock::now() + std::min<clock::duration>(between_vain_vacuums, longest);
    }
}

}  // namespace pgeist::fill
