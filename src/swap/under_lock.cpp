#include <fmt/format.h>

#include "pgeist/core/error.hpp"
#include "pgeist/job/advisory_locks.hpp"
#include "pgeist/job/source_file.hpp"
#include "pgeist/swap/changing_rights.hpp"
#include "pgeist/swap/exchange.hpp"
#include "pgeist/swap/fidelity.hpp"
#include "pgeist/swap/swapper.hpp"
#include "pgeist/transfer/capture/capture.hpp"
#include "pgeist/transfer/read_side.hpp"
#include "pgeist/transfer/replay/unfit.hpp"

// What an attempt of the swap does once it has the locks, up to its commit; without them only to warm it up.
namespace pgeist::swap {

namespace {

using clock = deadline::clock;

/// How long to ask what became of the swap, if --reconnect-max does not say longer.
constexpr auto outcome_deadline = std::chrono::seconds(10);

}  // namespace

awaitable<replay::log_look> swapper::pending(pg::connection& session) {
    const pg::connection::kept_plans keep(session);
    const std::int64_t truncated = co_await capture::truncations(session, work_->transfer);
    if (truncated > 0) {
        throw transfer::source_truncated();
    }
    const replay::log_look now = co_await replay::look_at_log(session, work_->transfer);
    co_return now;
}

namespace {

/// Where rows are set apart that do not fit: none may have come just now.
awaitable<void> require_all_fit(pg::connection& session, const transfer::spec& transfer) {
    if (!transfer.sets_apart) {
        co_return;
    }
    const replay::unfit_look found = co_await replay::look_at_unfit(session, transfer, 1);
    if (found.rows > 0) {
        throw error(exit_code::refused,
                    fmt::format("a row was written that does not fit the table that waits: {} ({})",
                                found.first.front().key, found.first.front().reason),
                    "nothing was swapped; mend the row, then try again");
    }
}

}  // namespace

awaitable<bool> swapper::drain(pg::connection& session, std::chrono::milliseconds time) {
    const replay::log_look waiting = co_await pending(session);
    // A transaction with thousands of changes may have committed just before the lock was granted.
    if (waiting.rows > affordable(time)) {
        too_much_ = waiting.rows;
        co_return false;
    }
    if (waiting.rows > 0) {
        // Nobody writes now: in front there are only dead rows, which are not read again. Where rows are set apart,
        // replay must know that it has all of the log.
        replay::selection rest;
        if (!work_->transfer.sets_apart) {
            rest.within.emplace();
            rest.within->first = waiting.first_block;
            rest.within->last = waiting.blocks;
        }
        // As in replay: a table that seems small may have grown since it was analyzed.
        co_await session.execute("SET LOCAL enable_seqscan = off");
        co_await replay::apply(session, work_->transfer, rest);
        co_await session.execute("SET LOCAL enable_seqscan = on");
    }
    co_await require_all_fit(session, work_->transfer);  // also of rows that were brought since the last look
    co_return true;
}

awaitable<void> swapper::check_unchanged(pg::connection& session) {
    const pg::connection::kept_plans keep(session);
    co_await transfer::require_unchanged(session, work_->transfer);
    co_await capture::require_in_place(session, work_->transfer);
    const job::source_rows rows = co_await job::source_rows_since(session, work_->job, work_->plan.source_oid);
    if (rows == job::source_rows::rewritten) {
        throw transfer::source_rewritten();
    }
}

/// CLUSTER, and REPACK … USING INDEX, of the source during the run moved its rows, and left their mark on an index: the
/// new table gets it, where it has an index of that name. A mark that the change itself sets stays otherwise.
awaitable<void> swapper::carry_cluster_mark(pg::connection& session) {
    const plan::blueprint& plan = work_->plan;
    if (!plan.clustered_on) {
        co_return;
    }
    const pg::result row = co_await session.query(R"(
        SELECT o.relname AS mark, n.relname IS NOT NULL AS present
          FROM (SELECT) AS one
          LEFT JOIN (pg_index i JOIN pg_class o ON o.oid = i.indexrelid) ON i.indrelid = $1::bigint::oid AND i.indisclustered
          LEFT JOIN (pg_index j JOIN pg_class n ON n.oid = j.indexrelid) ON j.indrelid = $2::bigint::oid
                     AND n.relname = o.relname)",
                                                  plan.source_oid, plan.shadow_oid);
    const std::string mark = row.optional_text(0, "mark").value_or("");
    if (mark == *plan.clustered_on) {
        co_return;
    }
    if (mark.empty()) {
        co_await session.execute(fmt::format("ALTER TABLE {} SET WITHOUT CLUSTER", plan.table.sql()));
    } else if (row.boolean(0, "present")) {
        co_await session.execute(fmt::format("ALTER TABLE {} CLUSTER ON {}", plan.table.sql(), quote_identifier(mark)));
    }
}

/// `pgeist cancel` or `pgeist pause` of before the commit holds, though the run has not read it yet; one of after it
/// finds phase `finish`, and is refused. In between there is nothing: both change the job's row.
awaitable<std::optional<std::string>> swapper::note_swap(pg::connection& session) {
    const std::string stopped = R"((control @> '{"cancel": true}' OR control @> '{"paused": true}'))";
    const std::string held =
        work_->hold_pid == 0 ? "true" : job::held_by_condition("id", std::to_string(work_->hold_pid));
    const pg::result row = co_await session.query(
        "UPDATE pgeist.jobs SET phase = 'finish', swap_xid = pg_current_xact_id(), updated_at = clock_timestamp() "
        "WHERE id = $1 AND incarnation = $2 AND NOT " +
            stopped + " AND " + held + " RETURNING swap_xid",
        work_->job, work_->incarnation);
    if (row.empty()) {
        co_await job::require_tenure(session, work_->tenure());
        const pg::result asked =
            co_await session.query("SELECT " + stopped + " FROM pgeist.jobs WHERE id = $1", work_->job);
        if (asked.boolean(0, 0)) {
            co_return std::nullopt;
        }
        throw error(exit_code::connection_lost, "the connection that holds the job's lock was lost",
                    "nothing was swapped; go on with: pgeist resume JOB");
    }
    std::optional<std::string> xid = row.text(0, 0);
    co_return xid;
}

/// To be awaited shielded: a signal must not leave the outcome unknown.
awaitable<void> swapper::commit(pg::connection& session, std::string xid) {
    bool unknown = false;
    try {
        co_await session.commit();
    } catch (const pg::sql_error& failure) {
        unknown = failure.outcome_unknown();
        if (!unknown) {
            throw;
        }
    }
    if (unknown) {
        const auto until = deadline::in(std::max<clock::duration>(outcome_deadline, work_->settings.reconnect_max));
        const bool committed = co_await find_outcome(*work_, xid, until);
        if (!committed) {
            throw error(exit_code::connection_lost,
                        "the connection was lost at the swap's commit; the server rolled the swap back",
                        "the source table is untouched; go on with: pgeist resume JOB");
        }
    }
}

/// What is done under the lock, up to the commit. @returns the transaction's id; nothing when the lock is to be given
/// back: `drained` tells why
awaitable<std::optional<std::string>> swapper::under_lock(pg::connection& session, bool last, bool& drained) {
    const auto most = work_->settings.lock_timeout;
    step_ = "preparing the session";
    co_await session.execute(
        fmt::format("SET LOCAL statement_timeout = {}; SET LOCAL enable_hashjoin = off; SET LOCAL "
                    "enable_mergejoin = off",
                    10 * most.count()));
    auto drain_time = std::min(drain_, most);
    if (last || waited_long_enough()) {
        drain_time = most;  // given back, it would have been had for nothing
    }
    std::optional<std::string> xid;
    step_ = "replaying the last changes";
    drained = co_await drain(session, drain_time);
    if (!drained) {
        co_return xid;
    }
    step_ = "comparing the table's definition with the plan's";
    const std::string rights = co_await rights_of_old(session, work_->plan);
    co_await check_unchanged(session);
    step_.clear();  // exchange() tells itself
    co_await exchange(session, work_->plan, work_->transfer);
    step_ = "comparing the new table's definition with the plan's";
    co_await session.execute("SET LOCAL enable_hashjoin = on; SET LOCAL enable_mergejoin = on");
    co_await require_nothing_lost(session, work_->plan);
    step_ = "carrying the mark of CLUSTER";
    co_await carry_cluster_mark(session);
    step_ = "comparing the rights with those of before";
    const std::string rights_now = co_await rights_of_old(session, work_->plan);
    if (rights_now != rights) {
        rights_changed_ = true;
        co_return xid;
    }
    others_ = co_await changing_rights(session, work_->plan.source_oid);  // just now
    if (!others_.empty()) {
        co_return xid;
    }
    step_ = "noting the swap";
    xid = co_await note_swap(session);
    co_return xid;
}

}  // namespace pgeist::swap
