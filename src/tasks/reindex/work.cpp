#include "work.hpp"

#include <fmt/format.h>

#include "pgeist/core/error.hpp"
#include "pgeist/core/units.hpp"
#include "pgeist/job/in_tenure.hpp"

namespace pgeist::reindex {

work::work(const task::kind& kind, const task::context& with, const job::record& job)
    : kind_(&kind), with_(with), mine_{job.id, job.incarnation}, plan_(plan_from_json(*job.plan)) {}

awaitable<void> work::begin(const task::phase&) { co_return; }

namespace {

bool is_over(const steps::stored_step& each) {
    return each.state == steps::state::done || each.state == steps::state::skipped;
}

}  // namespace

awaitable<std::int64_t> work::done_before(const task::phase&) {
    const auto session = co_await with_.pool.acquire();
    const std::vector<steps::stored_step> all = co_await steps::load_steps(*session, mine_.job);
    co_return std::count_if(all.begin(), all.end(), is_over);
}

awaitable<const task::phase*> work::carry_out(const task::phase& now) {
    std::vector<steps::stored_step> all;
    {
        const auto session = co_await with_.pool.acquire();
        all = co_await steps::load_steps(*session, mine_.job);
    }
    const int of = static_cast<int>(all.size());
    with_.progress.rows_total = of;
    with_.progress.log_pending = 0;
    concurrently::workspace place{with_.pool, mine_, with_.chosen, with_.observer, with_.progress, with_.steering};
    place.pace = &pace_;
    co_await concurrently::take_back(place);
    for (const steps::stored_step& each : all) {
        if (is_over(each)) {
            continue;
        }
        place.percent_from = 100.0 * static_cast<double>(with_.progress.rows_done) / of;
        place.percent_to = 100.0 * static_cast<double>(with_.progress.rows_done + 1) / of;
        co_await rebuild(place, each, of);
        ++with_.progress.rows_done;
        with_.observer.progressed(with_.progress);
    }
    {
        const auto session = co_await with_.pool.acquire();  // the last sign of life came before the last index
        co_await session->query("UPDATE pgeist.jobs SET rows_done = $3 WHERE id = $1 AND incarnation = $2", mine_.job,
                                mine_.incarnation, with_.progress.rows_done);
    }
    if (rebuilt_ > 1) {
        with_.observer.message(report::level::info, fmt::format("{} indexes took {} before and take {} now", rebuilt_,
                                                                format_size(bytes_before_), format_size(bytes_after_)));
    }
    co_return &kind_->next(now);
}

awaitable<work::measured> work::measure(pg::connection& session, qualified_name index, qualified_name table) {
    const pg::result row = co_await session.query(R"sql(
        SELECT c.oid::bigint AS oid, pg_relation_size(c.oid) AS bytes, am.amname = 'btree' AS is_btree
          FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_am am ON am.oid = c.relam
          JOIN pg_index i ON i.indexrelid = c.oid
          JOIN pg_class t ON t.oid = i.indrelid JOIN pg_namespace tn ON tn.oid = t.relnamespace
         WHERE n.nspname = $1 AND c.relname = $2 AND tn.nspname = $3 AND t.relname = $4 AND c.relkind = 'i')sql",
                                                  index.schema, index.name, table.schema, table.name);
    measured found;
    if (!row.empty()) {
        found.oid = row.integer(0, "oid");
        found.bytes = row.integer(0, "bytes");
        found.is_btree = row.boolean(0, "is_btree");
    }
    co_return found;
}

void work::tell(const steps::stored_step& now, int of, steps::state reached, std::optional<sizes> files) {
    report::step_event told;
    told.number = now.what.number;
    told.of = of;
    told.statement = now.what.statement;
    told.method = steps::word_of(now.what.how);
    told.state = steps::word_of(reached);
    if (files) {
        told.bytes_before = files->before;
        told.bytes_after = files->after;
    }
    with_.observer.step_changed(told);
}

awaitable<void> work::save(const steps::stored_step& now, steps::state reached, std::string message) {
    const auto session = co_await with_.pool.acquire();
    const int done = reached == steps::state::done ? 1 : 0;
    const auto saving = [&] { return steps::save_progress(*session, mine_, now.what.number, reached, done, message); };
    co_await pg::transaction(*session, pg::isolation::read_committed, saving);
}

awaitable<void> work::rebuild(concurrently::workspace& place, const steps::stored_step& now, int of) {
    const steps::action& act = now.what.actions.front();
    const auto session = co_await with_.pool.acquire();
    const measured before = co_await measure(*session, act.index, act.relation);
    if (before.oid == 0) {
        co_await save(now, steps::state::skipped, "the index is gone");
        tell(now, of, steps::state::skipped, std::nullopt);
        with_.observer.message(
            report::level::warning,
            fmt::format("index {} is gone: somebody has dropped or renamed it", act.index.display()));
        co_return;
    }
    co_await save(now, steps::state::started, "");
    tell(now, of, steps::state::started, std::nullopt);
    std::exception_ptr failure;
    std::string why;
    try {
        co_await concurrently::reindex(place, *session, before.oid);
    } catch (const error& problem) {
        failure = std::current_exception();
        why = problem.what();
        if (problem.code() == exit_code::connection_lost || problem.code() == exit_code::already_running ||
            problem.code() == exit_code::cancelled) {
            throw;
        }
    }
    if (failure) {
        co_await save(now, steps::state::failed, why);
        std::rethrow_exception(failure);
    }
    const measured after = co_await measure(*session, act.index, act.relation);
    co_await check(*session, act.index, after);
    co_await save(now, steps::state::done,
                  fmt::format("{} -> {}", format_size(before.bytes), format_size(after.bytes)));
    tell(now, of, steps::state::done, sizes{before.bytes, after.bytes});
    bytes_before_ += before.bytes;
    bytes_after_ += after.bytes;
    ++rebuilt_;
}

namespace {

constexpr const char* amcheck_sql = R"sql(
    SELECT quote_ident(n.nspname) AS schema FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
     WHERE e.extname = 'amcheck' AND has_schema_privilege(n.oid, 'USAGE')
       AND has_function_privilege(to_regprocedure(format('%I.bt_index_check(regclass, boolean)', n.nspname)), 'EXECUTE'))sql";

}  // namespace

/// What has just been built from the table can only differ from it when the table, or the server, is damaged.
awaitable<void> work::check(pg::connection& session, qualified_name index, measured now) {
    if (now.oid == 0 || !now.is_btree || with_.chosen.verify == run::verify_mode::off) {
        co_return;
    }
    const pg::result found = co_await session.query(amcheck_sql);
    if (found.empty()) {
        co_return;
    }
    with_.progress.detail = "checking " + index.display();
    const bool every_row = with_.chosen.verify == run::verify_mode::full;
    std::optional<pg::sql_error> damage;
    try {
        co_await session.query(
            fmt::format("SELECT {}.bt_index_check($1::bigint::oid::regclass, $2::boolean)", found.text(0, 0)), now.oid,
            every_row);
    } catch (const pg::sql_error& problem) {
        if (problem.poisons_connection() || !problem.in_class("XX")) {
            throw;
        }
        damage = problem;
    }
    if (damage) {
        throw error(exit_code::verification_failed,
                    fmt::format("index {}, just rebuilt, does not fit its table: {}", index.display(), damage->what()),
                    "the table's file may be damaged: look at the server's log, and check it with pg_amcheck");
    }
}

awaitable<void> work::watch(pg::connection&, const task::phase&) { co_return; }

awaitable<void> work::compare() { co_return; }

}  // namespace pgeist::reindex
