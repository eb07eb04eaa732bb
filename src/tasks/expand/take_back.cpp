#include "take_back.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "locked.hpp"
#include "pgeist/concurrently/concurrently.hpp"
#include "pgeist/core/error.hpp"
#include "pgeist/job/in_tenure.hpp"
#include "pgeist/lock/politely.hpp"
#include "pgeist/tasks/expand/spec.hpp"
#include "standing.hpp"

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

/// Columns without which a group's new ones are all that is left of its values: the new ones stay.
std::vector<std::string> kept_columns(const spec& plan, const standing& now) {
    std::vector<std::string> kept;
    for (const group& one : plan.groups) {
        const bool lost = std::any_of(one.downs.begin(), one.downs.end(),
                                      [&](const assignment& each) { return now.has_lost(each.column); });
        for (const column& each : one.news) {
            if (lost) {
                kept.push_back(each.name);
            }
        }
    }
    return kept;
}

std::string removal_sql(const spec& plan, const standing& now, const std::string& trigger) {
    const std::string alter = "ALTER TABLE " + now.table->sql() + " ";
    std::string sql = fmt::format("DROP TRIGGER {} ON {}; ", quote_identifier(trigger), now.table->sql());
    for (const std::string& each : plan.replaced) {
        if (plan.trial && !now.has_lost(each)) {
            sql += fmt::format("{}RENAME COLUMN {} TO {}; ", alter, quote_identifier(plan.hidden_name(each)),
                               quote_identifier(each));
        }
    }
    const std::vector<std::string> kept = kept_columns(plan, now);
    std::string drops;
    for (const added_column& each : plan.added) {
        const bool stays = now.has_lost(each.name) || std::find(kept.begin(), kept.end(), each.name) != kept.end();
        if (!stays) {
            drops += fmt::format("{}DROP COLUMN {}", drops.empty() ? "" : ", ", quote_identifier(each.name));
        }
    }
    return drops.empty() ? sql : sql + alter + drops;
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
    const standing now = co_await look_at(at.session, *plan);
    const std::string sql = removal_sql(*plan, now, trigger);
    for (const std::string& each : kept_columns(*plan, now)) {
        at.observer.message(report::level::warning, fmt::format("column {} of {} stays: what it was made of has gone",
                                                                display_identifier(each), now.table->display()));
    }
    const std::function<awaitable<void>(pg::connection&)> body = [&](pg::connection& used) {
        return run_script(used, sql);
    };
    std::optional<pg::sql_error> failed;
    try {
        co_await run_locked(at.pool, at.session, *now.table, at.mine, nullptr, at.observer, body);
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
