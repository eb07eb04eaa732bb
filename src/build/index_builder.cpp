#include "pgeist/build/index_builder.hpp"

#include <algorithm>
#include <chrono>
#include <thread>

#include <fmt/format.h>

#include "figures.hpp"
#include "meaning.hpp"
#include "pgeist/job/in_tenure.hpp"
#include "pgeist/pg/parallel.hpp"
#include "pgeist/transfer/capture/capture.hpp"
#include "pgeist/transfer/shared/own_tables.hpp"

namespace pgeist::build {

namespace {

constexpr int most_tries = 12;  // of a build that met a deadlock, each time after a deadlock_timeout
constexpr auto pause_after_deadlock = std::chrono::milliseconds(200);

std::string shadow_name(const plan::blueprint& plan, const std::string& name) {
    return qualified_name{plan.job_schema, name}.sql();
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
std::string memory_sql(const workspace& work, const plan::index& index) {
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
bool one_process(const workspace& work) { return !work.settings.index_jobs_chosen && work.limiter.others_at_work(); }

/// Who builds at the same time, and for how many processors.
struct site {
    workspace& work;
    figures& told;
    std::optional<int> processors;  ///< nullopt: not known
    int builders = 1;               ///< that are at work, or will be as long as indexes are left
};

/// The server's processors, where it runs on this machine: no server tells how many it has. Its own end of the
/// connection tells a tunnel or a pooler.
awaitable<std::optional<int>> processors_of_server(workspace& work) {
    const auto session = co_await work.pool.acquire();
    const pg::result row = co_await session->query(
        "SELECT inet_client_port() IS NOT DISTINCT FROM $1::int AND inet_client_addr() IS NOT DISTINCT FROM "
        "inet_server_addr()",
        session->own_port());
    std::optional<int> known;
    const auto here = static_cast<int>(std::thread::hardware_concurrency());
    if (row.boolean(0, 0) && here > 0) {
        known = here;
    }
    co_return known;
}

/// Parallel workers take more processor time altogether, so that they help only where processors are free: with two of
/// those, two builds of one process each took three quarters of the time that they took with workers. SQL.
std::string workers_sql(const site& at) {
    std::string sql;
    if (one_process(at.work)) {
        sql = "; SET LOCAL max_parallel_maintenance_workers = 0";
    } else if (at.processors) {
        sql = fmt::format(
            "; SELECT set_config(name, least(setting::int, {})::text, true) FROM pg_settings "
            "WHERE name = 'max_parallel_maintenance_workers'",
            std::max(0, *at.processors / at.builders - 1));
    }
    return sql;
}

struct todo {
    std::vector<std::string> steps;
    bool is_missing = false;  ///< the index or its constraint, not just what is repeated each time
    bool is_draft = false;    ///< made, but not built
};

/// What is left to do for one index: its creation, unless it is there, and what belongs to it. A constraint that has
/// taken it over is not added a second time; all else may be repeated.
awaitable<todo> steps_for(site at, pg::connection& session, const plan::index& index, bool bare) {
    workspace& work = at.work;
    todo left;
    const index_state state = co_await state_of(session, work.plan, index);
    if (state != index_state::built) {
        left.is_missing = true;
        left.is_draft = state == index_state::draft;
        left.steps.push_back("SET LOCAL array_nulls TO on; SET LOCAL default_tablespace = " +
                             quote_literal(index.tablespace) + workers_sql(at) + memory_sql(work, index));
        if (left.is_draft) {
            left.steps.push_back("REINDEX INDEX " + shadow_name(work.plan, index.name));
        } else if (!index.create_sql.empty()) {
            left.steps.push_back(index.create_sql);
        }
    }
    if (bare || index.after.empty()) {
        co_return left;
    }
    const pg::result row =
        co_await session.query("SELECT EXISTS (SELECT FROM pg_constraint WHERE conindid = to_regclass($1))",
                               shadow_name(work.plan, index.name));
    const bool taken_over = row.boolean(0, 0);
    for (const plan::statement& each : index.after) {
        const bool is_constraint =
            each.sql.starts_with("ALTER TABLE ") && each.sql.find(" ADD CONSTRAINT ") != std::string::npos;
        if (!taken_over || !is_constraint) {
            left.steps.push_back(each.sql);
            left.is_missing = left.is_missing || is_constraint;
        }
    }
    co_return left;
}

/// What has no draft is asked for right before it is made and once more when it is there: what others do in between is
/// noticed, if too late to keep their function from being called.
awaitable<void> run_steps(site at, pg::connection& session, const plan::index& index, const todo& left) {
    const plan::blueprint& plan = at.work.plan;
    const bool watched = is_open(index) && left.is_missing;
    if (watched && left.is_draft) {
        co_await require_tree(session, plan, index);
    } else if (watched) {
        co_await require_text(session, plan, index);
    }
    for (const std::string& each : left.steps) {
        co_await run_told(at.work, session, each, at.told, index);
    }
    if (watched && !left.is_draft) {
        co_await require_tree(session, plan, index);
    }
}

/// Creates one index in one transaction, with all that belongs to it or, while others are built at the same time,
/// without: a constraint locks the table more strongly than its index does, and two builders that both came to that
/// would wait for each other.
/// @returns whether it, or its constraint, was missing
awaitable<bool> build_one(site at, pg::connection& session, const plan::index& index, bool bare) {
    workspace& work = at.work;
    const todo left = co_await steps_for(at, session, index, bare);
    if (left.steps.empty()) {
        co_return false;
    }
    std::optional<pg::sql_error> violation;
    const auto steps = [&] { return run_steps(at, session, index, left); };
    for (int tries = 1; tries == 1 || (violation && !violation->in_class("23")); ++tries) {
        co_await pg::sleep_for((tries - 1) * pause_after_deadlock);
        violation.reset();
        try {
            co_await transfer::in_tenure_alone(work, session, steps);
        } catch (const pg::sql_error& error) {
            // REPACK (CONCURRENTLY) of the shadow waits for every writer, and we for its lock.
            const bool again = error.is(pg::sqlstate::deadlock_detected) && tries < most_tries;
            if (!error.in_class("23") && !again) {
                throw;
            }
            violation = error;
        }
    }
    if (violation) {
        const std::int64_t truncated = co_await capture::truncations(session, work.transfer);
        if (truncated > 0) {
            throw transfer::source_truncated();
        }
        throw_violation(index, *violation);
    }
    co_return left.is_missing;
}

/// Indexes to be built, and who is at it.
struct queue {
    std::vector<const plan::index*> indexes;
    std::size_t next = 0;
    int at_work = 0;
    int built = 0;

    [[nodiscard]] bool empty() const { return next == indexes.size(); }
};

/// One of the builders: takes the next index until none is left, the first can do it alone, or it has built one and the
/// run is held back.
/// Reaching the consistent point is itself a load, which may be why it is held back: whoever built nothing then would
/// never come to the end.
awaitable<void> builder(workspace& work, figures& told, std::optional<int> processors, int number, queue& from,
                        bool bare) {
    const auto session = co_await work.pool.acquire();
    bool has_built = !bare && from.built > 0;
    const auto is_surplus = [&] { return number > 0 && one_process(work); };
    while (!from.empty() && !is_surplus() && !(has_built && work.limiter.holds_back())) {
        const plan::index& index = *from.indexes[from.next++];
        const auto left = static_cast<int>(from.indexes.size() - from.next);
        ++from.at_work;
        const int builders = bare ? std::min(work.settings.index_jobs, from.at_work + left) : 1;
        work.progress.detail = "building " + display_identifier(index.name);
        const site here{work, told, processors, builders};
        const bool done = co_await build_one(here, *session, index, bare);
        told.done(index);
        --from.at_work;
        from.built += done ? 1 : 0;
        has_built = has_built || done;
    }
}

void put_longest_first(std::vector<const plan::index*>& indexes) {
    std::stable_sort(indexes.begin(), indexes.end(),
                     [](const plan::index* a, const plan::index* b) { return a->build_cost > b->build_cost; });
}

/// Several at a time, without what belongs to them.
awaitable<void> build_beside_each_other(workspace& work, std::optional<int> processors, queue& indexes) {
    figures told(work, indexes.indexes);
    std::vector<awaitable<void>> builders;
    for (int number = 0; number < work.settings.index_jobs; ++number) {
        builders.push_back(builder(work, told, processors, number, indexes, true));
    }
    co_await pg::run_all(std::move(builders));
}

}  // namespace

awaitable<void> build_key_index(workspace& work, bool consistent) {
    const std::optional<int> processors = co_await processors_of_server(work);
    const std::vector<plan::index>& others = work.plan.indexes;
    const bool in_any_order =
        std::none_of(others.begin(), others.end(), [](const plan::index& each) { return each.exclusive; });
    if (consistent && in_any_order) {
        queue all;
        for (const plan::index& each : others) {
            all.indexes.push_back(&each);
        }
        co_await make_drafts(work, all.indexes);
        put_longest_first(all.indexes);
        // Whatever stops the others: with this one replay can begin.
        all.indexes.insert(all.indexes.begin(), &work.plan.key_index);
        co_await build_beside_each_other(work, processors, all);
    }
    const auto session = co_await work.pool.acquire();
    work.progress.detail = "building " + display_identifier(work.plan.key_index.name);
    const std::vector<const plan::index*> key{&work.plan.key_index};
    figures told(work, key);
    const site alone{work, told, processors, 1};
    // First without its constraint: whoever is in the way of that must not cost the index.
    static_cast<void>(co_await build_one(alone, *session, work.plan.key_index, true));
    static_cast<void>(co_await build_one(alone, *session, work.plan.key_index, false));
}

awaitable<bool> build_indexes(workspace& work) {
    const std::optional<int> processors = co_await processors_of_server(work);
    queue first;
    std::vector<const plan::index*> alone;
    for (const plan::index& each : work.plan.indexes) {
        (each.exclusive ? alone : first.indexes).push_back(&each);
    }
    co_await make_drafts(work, first.indexes);
    put_longest_first(first.indexes);
    co_await build_beside_each_other(work, processors, first);
    if (!first.empty()) {
        co_return false;
    }
    queue all;
    all.indexes = first.indexes;
    all.indexes.insert(all.indexes.end(), alone.begin(), alone.end());
    all.built = first.built;
    figures told(work, all.indexes);
    co_await builder(work, told, processors, 0, all, false);
    co_return all.empty();
}

awaitable<void> vacuum_shadow(workspace& work) {
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
