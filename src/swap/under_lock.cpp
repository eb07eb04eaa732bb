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
#include "pgeist/transfer/replay/replay_sql.hpp"
#include "pgeist/transfer/replay/unfit.hpp"

// What an attempt of the swap does once it has the locks, up to its commit; without them only to warm it up.
namespace pgeist::swap {

namespace {

using clock = deadline::clock;

/// How long to ask what became of the swap, if --reconnect-max does not say longer.
constexpr auto outcome_deadline = std::chrono::seconds(10);
/// How much longer than the wait for the lock what is done under it may take.
constexpr int timeouts_in_all = 10;

}  // namespace

awaitable<std::vector<replay::log_look>> swapper::pending(pg::connection& session) {
    const pg::connection::kept_plans keep(session);
    std::vector<const transfer::spec*> transfers;
    for (const exchanged& each : tables_) {
        transfers.push_back(&each.work->transfer);
    }
    std::vector<replay::log_look> all = co_await replay::look_at_logs(session, std::move(transfers));
    for (const replay::log_look& each : all) {
        if (each.truncations > 0) {
            throw transfer::source_truncated();
        }
    }
    co_return all;
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
                    fmt::format("a row of {} was written that does not fit the table that waits: {} ({})",
                                transfer.read.name.display(), found.first.front().key, found.first.front().reason),
                    "nothing was swapped; mend the row, then try again");
    }
}

/// Nobody writes now: in front there are only dead rows, which are not read again.
std::string rest_sql(const transfer::spec& transfer, const replay::log_look& waiting) {
    replay::selection rest;
    rest.within.emplace();
    rest.within->first = waiting.first_block;
    rest.within->last = waiting.blocks;
    return fmt::format("{}; {}; {}; ", replay::delete_sql(transfer, rest), replay::insert_sql(transfer, rest),
                       replay::forget_sql(transfer, rest));
}

// As in replay: a table that seems small may have grown since it was analyzed.
constexpr const char* by_index_only = "SET LOCAL enable_seqscan = off; ";
constexpr const char* as_it_was = "SET LOCAL enable_seqscan = on";

/// Where rows are set apart, replay must know that it has all of the log.
awaitable<void> apply_whole(pg::connection& session, const transfer::spec& transfer) {
    const replay::selection whole;
    co_await session.execute(by_index_only);
    co_await replay::apply(session, transfer, whole);
    co_await session.execute(as_it_was);
}

}  // namespace

awaitable<bool> swapper::drain(pg::connection& session, std::chrono::milliseconds time) {
    const std::vector<replay::log_look> waiting = co_await pending(session);
    std::vector<std::int64_t> rows;
    std::int64_t all = 0;
    for (const replay::log_look& each : waiting) {
        rows.push_back(each.rows);
        all += each.rows;
    }
    // A transaction with thousands of changes may have committed just before the lock was granted.
    if (!affordable(rows, time)) {
        too_much_ = all;
        beyond_all_ = !affordable(rows, work_->settings.lock_timeout);
        co_return false;
    }
    std::string script;  // one: each round trip lengthens the time under the lock
    for (std::size_t place = 0; place < tables_.size(); ++place) {
        const transfer::spec& transfer = tables_[place].work->transfer;
        if (rows[place] > 0 && !transfer.sets_apart) {
            script += rest_sql(transfer, waiting[place]);
        } else if (rows[place] > 0) {
            co_await apply_whole(session, transfer);
        }
        co_await require_all_fit(session, transfer);  // also of rows that were brought since the last look
    }
    if (!script.empty()) {
        co_await session.execute(by_index_only + script + as_it_was);
    }
    co_return true;
}

awaitable<void> swapper::check_unchanged(pg::connection& session) {
    const pg::connection::kept_plans keep(session);
    std::vector<std::int64_t> jobs;
    std::vector<std::int64_t> read_sides;
    for (const exchanged& each : tables_) {
        jobs.push_back(each.work->job);
        read_sides.push_back(each.work->transfer.read.oid);
    }
    pg::inquiry ask(session, std::move(read_sides));
    for (const exchanged& each : tables_) {
        co_await transfer::require_unchanged(ask, each.work->transfer);
        co_await capture::require_in_place(ask, each.work->transfer);
    }
    const std::vector<job::source_rows> rows = co_await job::source_rows_since(session, std::move(jobs), source_oids());
    for (const job::source_rows each : rows) {
        if (each == job::source_rows::rewritten) {
            throw transfer::source_rewritten();
        }
    }
}

std::vector<std::int64_t> swapper::source_oids() const {
    std::vector<std::int64_t> oids;
    for (const exchanged& each : tables_) {
        oids.push_back(each.work->plan.source_oid);
    }
    return oids;
}

std::vector<const plan::blueprint*> swapper::blueprints() const {
    std::vector<const plan::blueprint*> plans;
    for (const exchanged& each : tables_) {
        plans.push_back(&each.work->plan);
    }
    return plans;
}

awaitable<std::vector<report::blocker>> swapper::changing_rights(pg::connection& session) {
    pg::inquiry ask(session, source_oids());
    std::vector<report::blocker> all;
    for (const exchanged& each : tables_) {
        auto found = co_await swap::changing_rights(ask, each.work->plan.source_oid);
        all.insert(all.end(), found.begin(), found.end());
    }
    co_return all;
}

awaitable<std::vector<std::string>> swapper::rights(pg::connection& session) {
    pg::inquiry ask(session, source_oids());
    std::vector<std::string> all;
    for (const exchanged& each : tables_) {
        auto of_this = co_await rights_of_old(ask, each.work->plan.source_oid);
        all.push_back(std::move(of_this));
    }
    co_return all;
}

namespace {

/// CLUSTER, and REPACK … USING INDEX, of the source during the run moved its rows, and left their mark on an index: the
/// new table gets it, where it has an index of that name. A mark that the change itself sets stays otherwise.
awaitable<void> carry_cluster_mark(pg::connection& session, const plan::blueprint& plan, const std::string& mark) {
    if (mark.empty()) {
        co_await session.execute(fmt::format("ALTER TABLE {} SET WITHOUT CLUSTER", plan.table.sql()));
        co_return;
    }
    const pg::result present = co_await session.query(
        "SELECT FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE i.indrelid = $1::bigint::oid AND "
        "c.relname = $2",
        plan.shadow_oid, mark);
    if (!present.empty()) {
        co_await session.execute(fmt::format("ALTER TABLE {} CLUSTER ON {}", plan.table.sql(), quote_identifier(mark)));
    }
}

awaitable<void> carry_cluster_marks(pg::connection& session, std::vector<const plan::blueprint*> plans) {
    const pg::connection::kept_plans keep(session);
    std::vector<std::int64_t> oids;
    for (const plan::blueprint* each : plans) {
        if (each->clustered_on) {
            oids.push_back(each->source_oid);
        }
    }
    pg::inquiry ask(session, std::move(oids));
    for (const plan::blueprint* each : plans) {
        if (!each->clustered_on) {
            continue;
        }
        const pg::result row = co_await ask.ask(
            "SELECT c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE i.indrelid = $1 AND "
            "i.indisclustered",
            each->source_oid);
        const std::string mark = row.empty() ? std::string() : row.text(0, 0);
        if (mark != *each->clustered_on) {
            co_await carry_cluster_mark(session, *each, mark);
        }
    }
}

}  // namespace

awaitable<void> swapper::compare_with_plan(pg::connection& session) {
    next_step("comparing the new table's definition with the plan's");
    co_await session.execute("SET LOCAL enable_hashjoin = on; SET LOCAL enable_mergejoin = on");
    co_await require_nothing_lost(session, blueprints());
    next_step("carrying the mark of CLUSTER");
    co_await carry_cluster_marks(session, blueprints());
}

/// `pgeist cancel` or `pgeist pause` of before the commit holds, though the run has not read it yet; one of after it
/// finds phase `finish`, and is refused. In between there is nothing: both change the job's row.
awaitable<std::optional<std::string>> swapper::note_swap(pg::connection& session) {
    const std::string stopped = R"((control @> '{"cancel": true}' OR control @> '{"paused": true}'))";
    const std::string held =
        work_->hold_pid == 0 ? "true" : job::held_by_condition("id", std::to_string(work_->hold_pid));
    std::vector<std::int64_t> jobs;
    std::vector<std::int64_t> incarnations;
    for (const exchanged& each : tables_) {
        jobs.push_back(each.work->job);
        incarnations.push_back(each.work->incarnation);
    }
    const std::string all_jobs = pg::array_literal(jobs);
    const std::string all_incarnations = pg::array_literal(incarnations);
    const pg::result row = co_await session.query(
        "UPDATE pgeist.jobs SET phase = 'finish', swap_xid = pg_current_xact_id(), updated_at = clock_timestamp() "
        "WHERE (id, incarnation) IN (SELECT * FROM unnest($1::bigint[], $2::bigint[])) AND NOT " +
            stopped + " AND " + held + " RETURNING swap_xid",
        all_jobs, all_incarnations);
    if (row.rows() != static_cast<int>(tables_.size())) {  // all of them, or none
        for (const exchanged& each : tables_) {
            co_await job::require_tenure(session, each.work->tenure());
        }
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

/// The server bounds each statement by itself; of many tables they must not add up to many times as much.
void swapper::next_step(const char* name) {
    step_ = name;
    if (clock::now() > until_) {
        pg::diagnostics diag;
        diag.sqlstate = pg::sqlstate::query_canceled;
        diag.message = "all that is done under the lock takes too long";
        throw pg::sql_error(exit_code::lock_not_obtained, diag, false, false);
    }
}

/// What is done under the lock, up to the commit. @returns the transaction's id; nothing when the lock is to be given
/// back: `drained` tells why
awaitable<std::optional<std::string>> swapper::under_lock(pg::connection& session, bool last, bool& drained) {
    const auto most = work_->settings.lock_timeout;
    until_ = clock::now() + timeouts_in_all * most;
    next_step("preparing the session");
    co_await session.execute(
        fmt::format("SET LOCAL statement_timeout = {}; SET LOCAL enable_hashjoin = off; SET LOCAL "
                    "enable_mergejoin = off",
                    timeouts_in_all * most.count()));
    auto drain_time = std::min(drain_, most);
    if (last || waited_long_enough()) {
        drain_time = most;  // given back, it would have been had for nothing
    }
    std::optional<std::string> xid;
    next_step("replaying the last changes");
    drained = co_await drain(session, drain_time);
    if (!drained) {
        co_return xid;
    }
    next_step("comparing the table's definition with the plan's");
    const std::vector<std::string> rights_before = co_await rights(session);
    co_await check_unchanged(session);
    next_step("exchanging the tables");
    step_.clear();  // exchange() tells itself
    std::vector<plan::swap_plan> plans;
    for (const exchanged& each : tables_) {
        plans.push_back(all_steps(each.work->plan, each.work->transfer));
    }
    co_await exchange(session, plan::merged(plans));
    co_await compare_with_plan(session);
    next_step("comparing the rights with those of before");
    const std::vector<std::string> rights_now = co_await rights(session);
    if (rights_now != rights_before) {
        rights_changed_ = true;
        co_return xid;
    }
    others_ = co_await changing_rights(session);  // just now
    if (!others_.empty()) {
        co_return xid;
    }
    next_step("noting the swap");
    xid = co_await note_swap(session);
    co_return xid;
}

}  // namespace pgeist::swap
