#include "finish.hpp"

#include <fmt/format.h>

#include "pgeist/catalog/fingerprint.hpp"
#include "pgeist/core/error.hpp"
#include "pgeist/job/record.hpp"
#include "polite_step.hpp"

namespace pgeist::rewrite {

namespace {

/// Runs one statement as soon as the lock it needs can be had.
awaitable<void> finish_step(build::workspace& work, pg::connection& session, const plan::statement& each) {
    std::optional<pg::sql_error> failed;
    std::optional<pg::sql_error> blocked;
    try {
        blocked = co_await run_politely(work, session, each, work.settings.swap_attempts);
    } catch (const pg::sql_error& failure) {
        if (failure.poisons_connection() || failure.retryable()) {
            throw;  // told, and handled, by others
        }
        failed = failure;
    }
    if (failed) {
        const char* first = failed->in_class("23") ? "mend the rows" : "mend what it complains about";
        throw error(exit_code::failed,
                    fmt::format("the table has its new definition, but {} failed: {}", each.label, failed->what()),
                    fmt::format("{}, then go on with: pgeist resume JOB", first));
    }
    if (blocked) {
        throw error(
            exit_code::lock_not_obtained,
            fmt::format("the table has its new definition, but {} found no moment: {}", each.label, blocked->what()),
            "go on with: pgeist resume JOB");
    }
}

/// What the table is now: a second run of the same change finds it and does nothing.
awaitable<void> note_result(build::workspace& work, pg::connection& session) {
    const pg::result row =
        co_await session.query("SELECT coalesce(to_regclass($1)::oid::bigint, 0)", work.plan.table.sql());
    const std::int64_t oid = row.integer(0, 0);
    std::string fingerprint = co_await catalog::fingerprint(session, oid);
    co_await job::save_result(session, work.tenure(), oid, std::move(fingerprint));
}

std::string leftovers_sql(const plan::blueprint& plan, bool drop_old) {
    const std::string job = quote_identifier(plan.job_schema);
    std::string sql;
    if (drop_old) {
        sql += fmt::format("DROP TABLE IF EXISTS {}.{}; ", job, quote_identifier(plan.table.name));
    }
    sql += fmt::format(
        "DROP TABLE IF EXISTS {0}.pgeist_log, {0}.pgeist_log_before, {0}.pgeist_truncations, {0}.pgeist_recheck, "
        "{0}.pgeist_file_walk; "
        "DROP FUNCTION IF EXISTS {0}.capture_inserted(), {0}.capture_deleted(), {0}.capture_new_key(), "
        "{0}.capture_old_key(), {0}.capture_truncated(); DROP SCHEMA IF EXISTS {1}; ",
        job, quote_identifier(plan.passage_schema));
    if (drop_old) {
        sql += fmt::format("DROP FUNCTION IF EXISTS {}.table_was_replaced(); ", job);
        sql += fmt::format("DROP SCHEMA IF EXISTS {}; ", job);
    }
    return sql;
}

}  // namespace

awaitable<void> finish(build::workspace& work) {
    const auto session = co_await work.pool.acquire();
    for (const plan::statement& each : work.plan.swap.statements(plan::stage::finish)) {
        co_await finish_step(work, *session, each);
    }
    co_await note_result(work, *session);
    plan::statement leftovers;
    leftovers.label = "removing the change log";
    leftovers.sql = leftovers_sql(work.plan, work.settings.drop_old);
    co_await finish_step(work, *session, leftovers);
    if (!work.settings.drop_old) {
        work.observer.message(report::level::info,
                              fmt::format("the old table is kept as {}; drop it with: pgeist cleanup {}",
                                          work.plan.shadow().display(), work.job));
    }
}

}  // namespace pgeist::rewrite
