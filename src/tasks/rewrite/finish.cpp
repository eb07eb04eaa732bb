#include "finish_phase.hpp"

#include <set>

#include <fmt/format.h>

#include "others_meanwhile.hpp"
#include "pgeist/catalog/comments.hpp"
#include "pgeist/catalog/fingerprint.hpp"
#include "pgeist/catalog/reader.hpp"
#include "pgeist/core/error.hpp"
#include "pgeist/dependents/dependents.hpp"
#include "pgeist/job/in_tenure.hpp"
#include "pgeist/job/record.hpp"
#include "pgeist/pg/transaction.hpp"
#include "pgeist/swap/waiting_table.hpp"
#include "pgeist/tasks/rewrite/finish.hpp"
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

std::string leftovers_sql(const plan::blueprint& plan, bool drop_old, bool reversible) {
    const std::string job = quote_identifier(plan.job_schema);
    std::string sql;
    if (drop_old) {
        sql += fmt::format("DROP TABLE IF EXISTS {}.{}; ", job, quote_identifier(plan.table.name));
    }
    sql += fmt::format(
        "DROP TABLE IF EXISTS {0}.pgeist_log, {0}.pgeist_log_before, {0}.pgeist_truncations, {0}.pgeist_recheck, "
        "{0}.pgeist_file_walk; "
        "DROP FUNCTION IF EXISTS {0}.capture_inserted(), {0}.capture_deleted(), {0}.capture_new_key(), "
        "{0}.capture_old_key(), {0}.capture_truncated(), {0}.capture_nothing(), {0}.capture_key; ",
        job);
    if (!reversible) {  // else the tables will come through there again
        sql += fmt::format("DROP SCHEMA IF EXISTS {}; ", quote_identifier(plan.passage_schema));
    }
    if (drop_old) {
        sql += fmt::format("DROP FUNCTION IF EXISTS {}.table_was_replaced(); ", job);
        sql += fmt::format("DROP SCHEMA IF EXISTS {}; ", job);
    }
    return sql;
}

awaitable<void> look_at_waiting(pg::connection& session, const plan::revert_plan& back,
                                std::vector<plan::statement>& into) {
    into = co_await swap::retirement(session, back.back.write.oid, back.waiting);
}

awaitable<void> look_at_in_use(pg::connection& session, const plan::blueprint& swapped, plan::revert_plan& back) {
    const std::int64_t oid = back.back.read.oid;
    back.back.fingerprint = co_await catalog::fingerprint(session, oid);
    back.back.fingerprint_parts = co_await catalog::fingerprint_parts(session, oid);
    const catalog::table in_use = co_await catalog::read_shape(session, oid);
    back.in_use.clear();
    for (const auto& column : in_use.columns) {
        back.in_use.emplace_back(column.name, column.type);
    }
    for (plan::led_text& each : back.texts) {
        each.since = co_await dependents::text_now(session, each.asked);
    }
    back.comments.clear();
    const auto parts = co_await catalog::read_comments(session, oid);
    for (const auto& each : parts) {
        if (each.text) {
            back.comments.emplace_back(plan::commented_key(each.kind, each.name), *each.text);
        }
    }
    co_await leave_out_what_others_did(session, swapped, back);
}

std::string name_of(const std::string& part) { return part.substr(0, part.rfind(catalog::part_separator)); }

std::set<std::string> names_of(const std::vector<std::string>& parts) {
    std::set<std::string> names;
    for (const std::string& each : parts) {
        names.insert(name_of(each));
    }
    return names;
}

awaitable<void> store(build::workspace& work, pg::connection& session, const plan::revert_plan& back) {
    const auto storing = [&] { return job::save_way_back(session, work.tenure(), plan::to_json(back)); };
    co_await job::in_tenure(session, work.tenure(), pg::isolation::read_committed, storing);
}

/// Validating and the like has changed parts of the table in use: what they are now is the swap's. Parts that were not
/// there right after it are others', and stay so.
awaitable<void> look_again(pg::connection& session, plan::revert_plan& back) {
    const std::string fingerprint = co_await catalog::fingerprint(session, back.back.read.oid);
    auto parts = co_await catalog::fingerprint_parts(session, back.back.read.oid);
    const std::set<std::string> known = names_of(back.back.fingerprint_parts);
    if (!back.back.fingerprint.empty() && names_of(parts) == known) {
        back.back.fingerprint = fingerprint;
    }
    std::erase_if(parts, [&](const std::string& part) { return known.count(name_of(part)) == 0; });
    back.back.fingerprint_parts = std::move(parts);
}

}  // namespace

awaitable<void> note_result(build::workspace& work, pg::connection& session) {
    const pg::result row =
        co_await session.query("SELECT coalesce(to_regclass($1)::oid::bigint, 0)", work.plan.table.sql());
    const std::int64_t oid = row.integer(0, 0);
    std::string fingerprint = co_await catalog::fingerprint(session, oid);
    co_await job::save_result(session, work.tenure(), oid, std::move(fingerprint));
}

awaitable<void> run_finish_steps(build::workspace& work, pg::connection& session, std::vector<plan::statement> steps) {
    for (const plan::statement& each : steps) {
        co_await finish_step(work, session, each);
    }
}

awaitable<void> note_in_use(build::workspace& work, pg::connection& session, plan::revert_plan& back) {
    if (!back.back.fingerprint_parts.empty()) {
        co_return;
    }
    const auto looking = [&] { return look_at_in_use(session, work.plan, back); };
    co_await pg::rolled_back(session, looking);
    co_await store(work, session, back);
}

awaitable<void> open_way_back(build::workspace& work, pg::connection& session, plan::revert_plan& back) {
    std::vector<plan::statement> steps;
    const auto looking = [&] { return look_at_waiting(session, back, steps); };
    co_await pg::rolled_back(session, looking);
    co_await run_finish_steps(work, session, std::move(steps));
    back.waiting_parts = co_await catalog::fingerprint_parts(session, back.back.write.oid);
    co_await look_again(session, back);
    co_await store(work, session, back);
}

awaitable<void> finish(build::workspace& work, plan::revert_plan* back) {
    const auto session = co_await work.pool.acquire();
    if (back != nullptr) {
        co_await note_in_use(work, *session, *back);
    }
    std::vector<plan::statement> steps = work.plan.swap.statements(plan::stage::finish);
    co_await run_finish_steps(work, *session, std::move(steps));
    co_await note_result(work, *session);
    plan::statement leftovers;
    leftovers.label = "removing the change log";
    leftovers.sql = leftovers_sql(work.plan, work.settings.drop_old, back != nullptr);
    co_await finish_step(work, *session, leftovers);
    if (back != nullptr) {
        co_await open_way_back(work, *session, *back);
        work.observer.message(report::level::info,
                              fmt::format("the old table is kept in step: pgeist revert {0} swaps it back, pgeist "
                                          "cleanup {0} gives that up",
                                          work.job));
    } else if (!work.settings.drop_old) {
        work.observer.message(report::level::info,
                              fmt::format("the old table is kept as {}; drop it with: pgeist cleanup {}",
                                          work.plan.shadow().display(), work.job));
    }
}

}  // namespace pgeist::rewrite
