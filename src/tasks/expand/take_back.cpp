#include "take_back.hpp"

#include <fmt/format.h>

#include "locked.hpp"
#include "pgeist/concurrently/concurrently.hpp"
#include "pgeist/core/error.hpp"
#include "pgeist/job/in_tenure.hpp"
#include "pgeist/lock/politely.hpp"
#include "pgeist/tasks/expand/spec.hpp"

namespace pgeist::expand {

namespace {

/// By its name alone: the plan may not be believed.
constexpr const char* find_trigger_sql = R"(
    SELECT tgname FROM pg_trigger WHERE tgrelid = $1::bigint::oid AND NOT tgisinternal AND tgname ~ ('^~+pgeist_' || $2 || '_sync$'))";

awaitable<std::optional<spec>> read_plan(task::undo_context& at) {
    std::optional<spec> plan;
    const pg::result row = co_await at.session.query("SELECT blueprint FROM pgeist.jobs WHERE id = $1", at.mine.job);
    if (!row.empty() && !row.is_null(0, 0)) {
        plan = spec_from_json(row.text(0, 0));
    }
    co_return plan;
}

awaitable<void> run_script(pg::connection& session, const std::string& sql) { co_await session.execute(sql); }

std::string removal_sql(const spec& plan, const qualified_name& table, const std::string& trigger) {
    const std::string alter = "ALTER TABLE " + table.sql() + " ";
    std::string sql = fmt::format("DROP TRIGGER {} ON {}; ", quote_identifier(trigger), table.sql());
    if (plan.trial) {
        for (const std::string& each : plan.replaced) {
            sql += fmt::format("{}RENAME COLUMN {} TO {}; ", alter, quote_identifier(plan.hidden_name(each)),
                               quote_identifier(each));
        }
    }
    std::string drops;
    for (const added_column& each : plan.added) {
        drops += fmt::format("{}DROP COLUMN {}", drops.empty() ? "" : ", ", quote_identifier(each.name));
    }
    return sql + alter + drops;
}

/// Columns and trigger were made in one transaction: where the trigger is, the columns are ours.
awaitable<void> take_off(task::undo_context& at, std::string trigger) {
    if (!at.own_state) {
        throw error(exit_code::refused,
                    fmt::format("{} is expanded by job {}, and which columns that has added stands in schema pgeist of "
                                "somebody else",
                                at.table.display(), at.mine.job),
                    "connect as its owner");
    }
    const auto plan = co_await read_plan(at);
    co_await job::claim_table(at.hold, at.table_oid, at.table);
    const std::string sql = removal_sql(*plan, at.table, trigger);
    const std::function<awaitable<void>(pg::connection&)> body = [&](pg::connection& used) {
        return run_script(used, sql);
    };
    std::optional<pg::sql_error> failed;
    try {
        co_await run_locked(at.pool, at.session, at.table, at.mine, nullptr, at.observer, body);
    } catch (const pg::sql_error& problem) {
        failed = problem;
    }
    if (failed && failed->is("2BP01")) {
        throw error(exit_code::refused,
                    fmt::format("the new columns of {} are used: {}", at.table.display(), failed->diag().detail),
                    "drop or change that first: nothing was removed");
    }
    if (failed) {
        throw *failed;
    }
}

}  // namespace

awaitable<void> take_back(task::undo_context& at) {
    const std::string number = std::to_string(at.mine.job);
    const pg::result found = co_await at.session.query(find_trigger_sql, at.table_oid, number);
    if (!found.empty()) {
        co_await take_off(at, found.text(0, 0));
    }
    co_await concurrently::undo(at);
    const job::tenure mine = at.mine;
    const auto ours = [&mine](pg::connection& used) { return job::require_tenure(used, mine); };
    const lock::policy rules;
    const std::string schema = "pgeist_" + number;
    const std::string sql = fmt::format(
        "DROP SCHEMA IF EXISTS {} CASCADE; DROP SCHEMA IF EXISTS {} CASCADE; DELETE FROM pgeist.jobs WHERE "
        "id = {}",
        quote_identifier(schema), quote_identifier(schema + "_fill"), mine.job);
    const auto blocked = co_await lock::politely(at.session, sql, rules, ours);
    if (blocked) {
        throw error(exit_code::lock_not_obtained,
                    fmt::format("what job {} has left found no moment to be dropped: {}", mine.job, blocked->what()),
                    fmt::format("try again with: pgeist cleanup {}", mine.job));
    }
}

}  // namespace pgeist::expand
