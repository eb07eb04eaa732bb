#include "pgeist/build/index_builder.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "pgeist/capture/capture.hpp"
#include "pgeist/pg/parallel.hpp"

namespace pgeist::build {

namespace {

std::string shadow_name(const plan::blueprint& plan, const std::string& name) {
    return qualified_name{plan.job_schema, name}.sql();
}

awaitable<bool> exists(pg::connection& session, const plan::blueprint& plan, const plan::index& index) {
    const pg::result row = co_await session.query("SELECT to_regclass($1) IS NOT NULL", shadow_name(plan, index.name));
    co_return row.boolean(0, 0);
}

[[noreturn]] void throw_violation(const plan::index& index, const pg::sql_error& failure) {
    throw error(exit_code::failed,
                fmt::format("the data does not fit index {}: {}", display_identifier(index.name), failure.what()),
                "the source table is untouched; mend the rows or the change, remove this job with: pgeist cleanup, and "
                "run again");
}

/// Memory for one build, SQL. A sort of many small runs takes less processor time than one of few large ones, because
/// a run then fits the processor's cache: 5 million rows took 23 s of it with 512 MB, 18 s with 16 MB. So no more than
/// what leaves one pass to merge them; other methods use what they are given.
std::string memory_sql(const job::workspace& work, const plan::index& index) {
    constexpr std::int64_t smallest = 32 << 20;
    constexpr std::int64_t runs = 50;
    if (work.settings.maintenance_work_mem) {
        return fmt::format("; SET LOCAL maintenance_work_mem = '{}kB'", *work.settings.maintenance_work_mem / 1024);
    }
    if (index.create_sql.find(" USING btree ") == std::string::npos) {
        return {};
    }
    return fmt::format(
        "; SELECT set_config(name, least(setting::bigint, {}) || 'kB', true) FROM pg_settings "
        "WHERE name = 'maintenance_work_mem'",
        std::max(smallest, index.source_bytes / runs) / 1024);
}

/// Runs what makes `index`, or a part of it, in one transaction.
awaitable<void> run_in_transaction(job::workspace& work, pg::connection& session, const plan::index& index,
                                   std::vector<std::string> all) {
    std::string settings =
        "SET LOCAL default_tablespace = " + quote_literal(index.tablespace) + memory_sql(work, index);
    std::exception_ptr failure;
    std::optional<pg::sql_error> sql_failure;
    try {
        co_await session.begin();
        co_await session.execute(std::move(settings));
        for (const std::string& sql : all) {
            co_await session.execute(sql);
        }
        co_await session.commit();
    } catch (const pg::sql_error& error) {
        sql_failure = error;
        failure = std::current_exception();
    } catch (...) {
        failure = std::current_exception();
    }
    if (!failure) {
        co_return;
    }
    co_await session.rollback();
    if (sql_failure && sql_failure->in_class("23")) {
        const std::int64_t truncated = co_await capture::truncations(session, work.plan);
        if (truncated > 0) {
            throw job::source_truncated();
        }
        throw_violation(index, *sql_failure);
    }
    std::rethrow_exception(failure);
}

std::vector<std::string> completion(const plan::index& index) {
    std::vector<std::string> all;
    for (const plan::statement& each : index.after) {
        all.push_back(each.sql);
    }
    return all;
}

/// Creates one index with all that belongs to it: where the index is, its constraint and comment are. Nobody else may
/// be building one.
awaitable<void> build_one(job::workspace& work, pg::connection& session, const plan::index& index) {
    const bool present = co_await exists(session, work.plan, index);
    if (present) {
        co_return;
    }
    std::vector<std::string> all = completion(index);
    if (!index.create_sql.empty()) {
        all.insert(all.begin(), index.create_sql);
    }
    co_await run_in_transaction(work, session, index, std::move(all));
}

/// One of the builders: takes the next index until none is left. Creates it bare: its constraint needs a lock that
/// waits for the other builders, and two that waited for each other would be a deadlock.
awaitable<void> builder(job::workspace& work, const std::vector<const plan::index*>& queue, std::size_t& next) {
    const auto session = co_await work.pool.acquire();
    while (next < queue.size()) {
        const plan::index& index = *queue[next++];
        work.progress.detail = "building " + display_identifier(index.name);
        const bool present = co_await exists(*session, work.plan, index);
        if (!present) {
            std::vector<std::string> create{index.create_sql};
            co_await run_in_transaction(work, *session, index, std::move(create));
        }
    }
}

/// Adds to an index that has been created what belongs to it. A run that is resumed finds it done when the constraint
/// is there; everything else may be done twice.
awaitable<void> complete(job::workspace& work, pg::connection& session, const plan::index& index) {
    if (index.after.empty()) {
        co_return;
    }
    const pg::result row = co_await session.query(
        "SELECT EXISTS (SELECT FROM pg_constraint WHERE conindid = to_regclass($1) AND contype IN ('p', 'u', 'x'))",
        shadow_name(work.plan, index.name));
    const bool done = row.boolean(0, 0);
    if (!done) {
        std::vector<std::string> all = completion(index);
        co_await run_in_transaction(work, session, index, std::move(all));
    }
}

}  // namespace

awaitable<void> build_key_index(job::workspace& work) {
    const auto session = co_await work.pool.acquire();
    work.progress.detail = "building " + display_identifier(work.plan.key_index.name);
    co_await build_one(work, *session, work.plan.key_index);
}

awaitable<void> build_indexes(job::workspace& work) {
    std::vector<const plan::index*> queue;
    std::vector<const plan::index*> alone;
    for (const plan::index& each : work.plan.indexes) {
        (each.exclusive ? alone : queue).push_back(&each);
    }
    std::stable_sort(queue.begin(), queue.end(),
                     [](const plan::index* a, const plan::index* b) { return a->source_bytes > b->source_bytes; });
    std::size_t next = 0;
    std::vector<awaitable<void>> builders;
    for (int number = 0; number < work.settings.index_jobs; ++number) {
        builders.push_back(builder(work, queue, next));
    }
    co_await pg::run_all(std::move(builders));
    const auto session = co_await work.pool.acquire();
    for (const plan::index* each : queue) {
        co_await complete(work, *session, *each);
    }
    for (const plan::index* each : alone) {
        work.progress.detail = "building " + display_identifier(each->name);
        co_await build_one(work, *session, *each);
    }
}

awaitable<void> vacuum_shadow(job::workspace& work) {
    const auto session = co_await work.pool.acquire();
    work.progress.detail = "vacuum and analyze";
    co_await session->execute(fmt::format("VACUUM (ANALYZE) {}", work.plan.shadow().sql()));
}

awaitable<void> drop_indexes(pg::connection& session, const plan::blueprint& plan) {
    std::vector<std::string> names{plan.key_index.name};
    for (const plan::index& each : plan.indexes) {
        names.push_back(each.name);
    }
    for (const std::string& name : names) {
        std::string constraint =
            fmt::format("ALTER TABLE {} DROP CONSTRAINT IF EXISTS {}", plan.shadow().sql(), quote_identifier(name));
        co_await session.execute(std::move(constraint));
        co_await session.execute("DROP INDEX IF EXISTS " + shadow_name(plan, name));
    }
}

}  // namespace pgeist::build
