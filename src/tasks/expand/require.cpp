#include <fmt/format.h>

#include "pgeist/concurrently/concurrently.hpp"
#include "pgeist/core/error.hpp"
#include "pgeist/job/in_tenure.hpp"
#include "pgeist/lock/politely.hpp"
#include "work.hpp"

namespace pgeist::expand {

namespace {

std::string proof_name(const spec& plan, std::size_t number) {
    return fmt::format("{}_not_null_{}", plan.job_schema, number);
}

/// Which of them are there, and which are valid.
constexpr const char* constraint_sql =
    "SELECT convalidated FROM pg_constraint WHERE conrelid = $1::bigint::oid AND conname = $2 AND contype IN ('c', "
    "'f')";

constexpr const char* has_not_null_sql =
    "SELECT attnotnull FROM pg_attribute WHERE attrelid = $1::bigint::oid AND attname = $2";

constexpr const char* has_statistics_sql =
    "SELECT EXISTS (SELECT FROM pg_statistic_ext s JOIN pg_namespace n ON n.oid = s.stxnamespace WHERE s.stxrelid = "
    "$1::bigint::oid AND n.nspname = $2 AND s.stxname = $3)";

}  // namespace

/// Under a short lock_timeout, again and again.
awaitable<void> work::politely(std::string label, std::string sql) {
    const auto session = co_await with_.pool.acquire();
    lock::policy rules;
    rules.lock_timeout = with_.chosen.lock_timeout;
    rules.attempts = with_.chosen.swap_attempts;
    const job::tenure mine = mine_;
    const auto ours = [&mine](pg::connection& used) { return job::require_tenure(used, mine); };
    with_.progress.detail = label;
    std::optional<pg::sql_error> blocked;
    std::optional<pg::sql_error> failed;
    try {
        blocked = co_await lock::politely(*session, std::move(sql), rules, ours);
    } catch (const pg::sql_error& problem) {
        if (problem.poisons_connection() || problem.retryable()) {
            throw;
        }
        failed = problem;
    }
    if (failed) {
        throw error(exit_code::failed, fmt::format("{} failed: {}", label, failed->what()),
                    fmt::format("mend the rows, then go on with: pgeist resume {0}, or take it back with: pgeist "
                                "cleanup {0}",
                                mine_.job));
    }
    if (blocked) {
        throw error(exit_code::lock_not_obtained, fmt::format("{} found no moment: {}", label, blocked->what()),
                    fmt::format("go on with: pgeist resume {}", mine_.job));
    }
}

/// What it has added for that goes again where it fails: it would keep the application from writing, and nobody knew.
awaitable<void> work::validate(std::string label, std::string constraint) {
    const std::string alter = "ALTER TABLE " + plan_.table.sql() + " ";
    std::optional<error> failed;
    try {
        co_await politely(label, fmt::format("{}VALIDATE CONSTRAINT {}", alter, constraint));
    } catch (const error& problem) {
        if (problem.code() != exit_code::failed) {
            throw;
        }
        failed = error(problem.code(), problem.what(), problem.hint());
    }
    if (failed) {
        co_await politely(label, fmt::format("{}DROP CONSTRAINT {}", alter, constraint));
        throw *failed;
    }
}

awaitable<void> work::build_indexes() {
    with_.progress.rows_total = static_cast<std::int64_t>(plan_.indexes.size());
    with_.progress.rows_done = 0;
    concurrently::workspace at{with_.pool, mine_, with_.chosen, with_.observer, with_.progress, with_.steering};
    const auto session = co_await with_.pool.acquire();
    for (const twin_index& each : plan_.indexes) {
        if (!each.deferrable.empty()) {
            // made before the rows were filled
        } else if (each.partitioned.empty()) {
            concurrently::index_request wanted;
            wanted.table_oid = plan_.source_oid;
            wanted.name = {plan_.table.schema, each.name};
            wanted.create_sql = each.create_sql;
            co_await concurrently::create_index(at, *session, wanted);
        } else {
            concurrently::partitioned_request wanted;
            wanted.table_oid = plan_.source_oid;
            wanted.unique = each.unique;
            wanted.definition = each.partitioned;
            static_cast<void>(co_await concurrently::create_on_partitions(at, *session, wanted));
            std::string sql = each.unique ? "CREATE UNIQUE INDEX" : "CREATE INDEX";
            sql += fmt::format(" IF NOT EXISTS {} ON {} {}", quote_identifier(each.name), plan_.table.sql(),
                               each.partitioned);
            co_await politely("index " + display_identifier(each.name), std::move(sql));
        }
        ++with_.progress.rows_done;
    }
    const auto forgetting = [&] { return concurrently::forget(*session, mine_); };
    co_await job::in_tenure(*session, mine_, pg::isolation::read_committed, forgetting);
}

awaitable<void> work::make_statistics() {
    const auto session = co_await with_.pool.acquire();
    for (const twin_statistics& each : plan_.statistics) {
        const pg::result there =
            co_await session->query(has_statistics_sql, plan_.source_oid, each.name.schema, each.name.name);
        if (!there.boolean(0, 0)) {
            co_await politely(
                "statistics " + display_identifier(each.name.name),
                fmt::format("CREATE STATISTICS {}{} FROM {}", each.name.sql(), each.definition, plan_.table.sql()));
        }
    }
}

/// NOT NULL by a CHECK that is validated first, without a lock that anybody notices: SET NOT NULL then reads no row.
awaitable<void> work::require() {
    const std::string alter = "ALTER TABLE " + plan_.table.sql() + " ";
    const auto session = co_await with_.pool.acquire();
    for (std::size_t at = 0; at < plan_.added.size(); ++at) {
        const added_column& each = plan_.added[at];
        const pg::result done = co_await session->query(has_not_null_sql, plan_.source_oid, each.name);
        if (!each.not_null || done.boolean(0, 0)) {
            continue;
        }
        const std::string proof = quote_identifier(proof_name(plan_, at + 1));
        const std::string column = quote_identifier(each.name);
        const pg::result there = co_await session->query(constraint_sql, plan_.source_oid, proof_name(plan_, at + 1));
        const std::string label = "NOT NULL of column " + display_identifier(each.name);
        if (there.empty()) {
            co_await politely(
                label, fmt::format("{}ADD CONSTRAINT {} CHECK ({} IS NOT NULL) NOT VALID", alter, proof, column));
        }
        co_await validate(label, proof);
        co_await politely(
            label, fmt::format("{0}ALTER COLUMN {1} SET NOT NULL; {0}DROP CONSTRAINT {2}", alter, column, proof));
    }
    for (const twin_constraint& each : plan_.constraints) {
        const std::string name = quote_identifier(each.name);
        const std::string label = "constraint " + display_identifier(each.name);
        const pg::result there = co_await session->query(constraint_sql, plan_.source_oid, each.name);
        if (there.empty()) {
            co_await politely(label, fmt::format("{}ADD CONSTRAINT {} {} NOT VALID", alter, name, each.definition));
        }
        const bool is_valid = !there.empty() && there.boolean(0, 0);
        if (!is_valid && !each.stays_not_valid) {
            co_await validate(label, name);
        }
    }
    with_.observer.message(
        report::level::info,
        fmt::format(
            "{} is expanded: old and new columns are kept in step; when nobody uses the old ones any more: pgeist "
            "contract {}",
            plan_.table.display(), mine_.job));
}

}  // namespace pgeist::expand
