#include "pgeist/build/index_builder.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "pgeist/capture/capture.hpp"
#include "pgeist/job/store.hpp"
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
    constexpr std::int64_t for_one_process = 32 << 20;  // with less the server takes no parallel worker
    constexpr std::int64_t runs = 50;
    if (work.settings.maintenance_work_mem) {
        return fmt::format("; SET LOCAL maintenance_work_mem = '{}kB'", *work.settings.maintenance_work_mem / 1024);
    }
    if (index.create_sql.find(" USING btree ") == std::string::npos) {
        return {};
    }
    return fmt::format(
        "; SELECT set_config(name, least(setting::bigint, greatest({}, {} * "
        "(1 + current_setting('max_parallel_maintenance_workers')::bigint))) || 'kB', true) FROM pg_settings "
        "WHERE name = 'maintenance_work_mem'",
        index.source_bytes / runs / 1024, for_one_process / 1024);
}

/// Beside an application a build takes one process: parallel workers make it faster for as many processors, and more
/// expensive altogether.
bool one_process(const job::workspace& work) { return !work.settings.index_jobs_chosen && work.brake.in_company(); }

/// What is left to do for one index: its creation, unless it is there, and what belongs to it. A constraint that has
/// taken it over is not added a second time; all else may be repeated.
awaitable<std::vector<std::string>> steps_for(job::workspace& work, pg::connection& session, const plan::index& index,
                                              bool bare) {
    std::vector<std::string> steps;
    const bool present = co_await exists(session, work.plan, index);
    if (!present) {
        steps.push_back("SET LOCAL default_tablespace = " + quote_literal(index.tablespace) +
                        (one_process(work) ? "; SET LOCAL max_parallel_maintenance_workers = 0" : "") +
                        memory_sql(work, index));
        if (!index.create_sql.empty()) {
            steps.push_back(index.create_sql);
        }
    }
    if (bare || index.after.empty()) {
        co_return steps;
    }
    const pg::result row =
        co_await session.query("SELECT EXISTS (SELECT FROM pg_constraint WHERE conindid = to_regclass($1))",
                               shadow_name(work.plan, index.name));
    const bool taken_over = row.boolean(0, 0);
    for (const plan::statement& each : index.after) {
        if (!taken_over || each.sql.find(" ADD CONSTRAINT ") == std::string::npos) {
            steps.push_back(each.sql);
        }
    }
    co_return steps;
}

/// Creates one index in one transaction, with all that belongs to it or, while others are built at the same time,
/// without: a constraint locks the table more strongly than its index does, and two builders that both came to that
/// would wait for each other.
/// @returns whether there was anything to do
awaitable<bool> build_one(job::workspace& work, pg::connection& session, const plan::index& index, bool bare) {
    const std::vector<std::string> steps = co_await steps_for(work, session, index, bare);
    if (steps.empty()) {
        co_return false;
    }
    std::exception_ptr failure;
    std::optional<pg::sql_error> sql_failure;
    try {
        co_await session.begin();
        co_await job::require_tenure(session, work.tenure());
        for (const std::string& each : steps) {
            co_await session.execute(each);
        }
        co_await session.commit();
    } catch (const pg::sql_error& error) {
        sql_failure = error;
        failure = std::current_exception();
    } catch (...) {
        failure = std::current_exception();
    }
    if (!failure) {
        co_return true;
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

/// One of the builders: takes the next index until none is left, the first can do it alone, or it has built one and the
/// run is held back.
/// Reaching the consistent point is itself a load, which may be why it is held back: whoever built nothing then would
/// never come to the end.
awaitable<void> builder(job::workspace& work, int number, const std::vector<const plan::index*>& queue,
                        std::size_t& next, bool bare, int& built) {
    const auto session = co_await work.pool.acquire();
    bool has_built = !bare && built > 0;
    const auto is_surplus = [&] { return number > 0 && one_process(work); };
    while (next < queue.size() && !is_surplus() && !(has_built && work.brake.holds_back())) {
        const plan::index& index = *queue[next++];
        work.progress.detail = "building " + display_identifier(index.name);
        const bool done = co_await build_one(work, *session, index, bare);
        built += done ? 1 : 0;
        has_built = has_built || done;
    }
}

}  // namespace

awaitable<void> build_key_index(job::workspace& work) {
    co_await work.brake.before_chunk(0, std::chrono::nanoseconds(0));
    const auto session = co_await work.pool.acquire();
    work.progress.detail = "building " + display_identifier(work.plan.key_index.name);
    static_cast<void>(co_await build_one(work, *session, work.plan.key_index, false));
}

awaitable<bool> build_indexes(job::workspace& work) {
    std::vector<const plan::index*> queue;
    std::vector<const plan::index*> alone;
    for (const plan::index& each : work.plan.indexes) {
        (each.exclusive ? alone : queue).push_back(&each);
    }
    std::stable_sort(queue.begin(), queue.end(),
                     [](const plan::index* a, const plan::index* b) { return a->source_bytes > b->source_bytes; });
    std::size_t next = 0;
    int built = 0;
    std::vector<awaitable<void>> builders;
    for (int number = 0; number < work.settings.index_jobs; ++number) {
        builders.push_back(builder(work, number, queue, next, true, built));
    }
    co_await pg::run_all(std::move(builders));
    queue.insert(queue.end(), alone.begin(), alone.end());
    std::size_t next_alone = 0;
    if (next == queue.size() - alone.size()) {
        co_await builder(work, 0, queue, next_alone, false, built);
    }
    co_return next_alone == queue.size();
}

awaitable<void> vacuum_shadow(job::workspace& work) {
    const auto session = co_await work.pool.acquire();
    work.progress.detail = "vacuum and analyze";
    const char* parallel = one_process(work) ? ", PARALLEL 0" : "";
    std::string sql = fmt::format("VACUUM (ANALYZE{}) {}", parallel, work.plan.shadow().sql());
    co_await session->execute(std::move(sql));
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
