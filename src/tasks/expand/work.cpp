#include "work.hpp"

#include <fmt/format.h>

#include "locked.hpp"
#include "pgeist/core/error.hpp"
#include "pgeist/core/units.hpp"
#include "pgeist/fill/planner.hpp"
#include "pgeist/job/checkpoints.hpp"
#include "pgeist/job/in_tenure.hpp"
#include "pgeist/job/record.hpp"
#include "store.hpp"
#include "sync_sql.hpp"

namespace pgeist::expand {

namespace {

constexpr const char* has_trigger_sql =
    "SELECT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = $1::bigint::oid AND tgname = $2)";

// The triggers of partitions keep the state that they are made in.
constexpr const char* clones_sql = R"(
    SELECT c.oid::regclass::text AS name FROM pg_partition_tree($1::bigint::oid::regclass) AS p JOIN pg_class c ON c.oid = p.relid
     WHERE p.level > 0 ORDER BY p.level, c.oid)";

/// All that the table gets, under its lock: metadata only.
awaitable<void> add_columns(pg::connection& session, const spec& plan) {
    const std::string table = plan.table.sql();
    const pg::result there = co_await session.query(has_trigger_sql, plan.source_oid, plan.trigger);
    if (there.boolean(0, 0)) {
        co_return;  // an earlier process has done it
    }
    std::string columns;
    for (const added_column& each : plan.added) {
        columns += fmt::format("{}ADD COLUMN {} {}", columns.empty() ? "" : ", ", quote_identifier(each.name),
                               each.definition);
    }
    co_await session.execute(fmt::format("ALTER TABLE {} {}", table, columns));
    for (const added_column& each : plan.added) {
        // Not in ADD COLUMN: the rows that are there would get it.
        if (each.default_value && !each.default_later) {
            co_await session.execute(fmt::format("ALTER TABLE {} ALTER COLUMN {} SET DEFAULT {}", table,
                                                 quote_identifier(each.name), *each.default_value));
        }
        for (const pg::statement& detail : each.details) {
            co_await session.execute(detail.sql);
        }
    }
    co_await session.execute(trigger_sql(plan));
    if (plan.partitioned) {
        const pg::result clones = co_await session.query(clones_sql, plan.source_oid);
        for (int row = 0; row < clones.rows(); ++row) {
            co_await session.execute(fmt::format("ALTER TABLE {} ENABLE ALWAYS TRIGGER {}", clones.text(row, 0),
                                                 quote_identifier(plan.trigger)));
        }
    }
}

std::string own_text(const assignment& up) { return fmt::format("{} = {}", quote_identifier(up.column), up.as_given); }

fill::request request_for(const spec& plan) {
    fill::request asked;
    asked.table = plan.table;
    asked.key_index = plan.key_index;
    for (const group& one : plan.groups) {
        for (const assignment& each : one.ups) {
            asked.sets.push_back(own_text(each));
        }
    }
    return asked;
}

awaitable<void> make_fill(pg::connection& session, job::tenure mine, spec& plan) {
    const fill::request asked = request_for(plan);
    const catalog::table source = co_await fill::find_table(session, asked);
    fill::planned planned = co_await fill::plan_fill(session, source, asked, plan.job_schema + "_fill");
    planned.spec.sets = guarded_sets(plan, true);
    plan.fill = fill::to_json(planned.spec);
    co_await job::change_plan(session, mine.job, to_json(plan));
}

}  // namespace

work::work(const task::kind& kind, const task::context& with, const job::record& job)
    : kind_(&kind), with_(with), mine_{job.id, job.incarnation}, plan_(spec_from_json(*job.plan)) {}

awaitable<void> work::begin(const task::phase&) { co_return; }

awaitable<std::int64_t> work::done_before(const task::phase& next) {
    std::int64_t rows = 0;
    if (next.told.in_chunks && plan_.fill) {
        const auto session = co_await with_.pool.acquire();
        rows = co_await job::rows_in_chunks(*session, mine_.job, next.name.c_str());
    }
    co_return rows;
}

awaitable<const task::phase*> work::carry_out(const task::phase& now) {
    const auto place = static_cast<step>(&now - kind_->phases().data());
    co_await do_phase(place);
    with_.observer.progressed(with_.progress);
    co_return &kind_->next(now);
}

awaitable<void> work::do_phase(step now) {
    switch (now) {
        case step::prepare:
        case step::expanded:
            break;
        case step::add:
            co_await add();
            co_await make_deferrable();
            break;
        case step::fill:
            co_await plan_fill();
            co_await fill(false);
            break;
        case step::settle:
            co_await fill(true);
            break;
        case step::index:
            co_await build_indexes();
            co_await make_statistics();
            break;
        case step::require:
            co_await require();
            break;
    }
}

awaitable<void> work::add() {
    const auto session = co_await with_.pool.acquire();
    const std::function<awaitable<void>(pg::connection&)> body = [&](pg::connection& used) {
        return add_columns(used, plan_);
    };
    co_await run_locked(with_.pool, *session, plan_.table, mine_, &with_.chosen, with_.observer, body);
}

awaitable<void> work::plan_fill() {
    if (plan_.fill) {
        co_return;
    }
    const auto session = co_await with_.pool.acquire();
    const auto planning = [&] { return make_fill(*session, mine_, plan_); };
    co_await job::in_tenure(*session, mine_, pg::isolation::read_committed, planning);
}

awaitable<void> work::fill(bool second) {
    const fill::spec what = fill::spec_from_json(*plan_.fill);
    const transfer::spec walked = fill::walked_table(what);
    fill::workspace at{{with_.pool, mine_.job, walked, with_.chosen, with_.observer, with_.progress, with_.steering,
                        mine_.incarnation, with_.hold_pid, &with_.known},
                       what,
                       with_.steering};
    fill::filler filler(at, "");
    if (!second) {
        co_await filler.fill();
        co_return;
    }
    const std::int64_t written = co_await filler.settle_all();
    plan_.filled = true;
    const auto session = co_await with_.pool.acquire();
    const auto storing = [&] { return store_with_function(*session, mine_.job, plan_); };
    co_await job::in_tenure(*session, mine_, pg::isolation::read_committed, storing);
    with_.observer.message(report::level::info,
                           fmt::format("{} rows of {} were filled", format_count(written), plan_.table.display()));
}

awaitable<void> work::reach(pg::connection& session, job::tenure mine, const task::phase& next) {
    if (static_cast<step>(&next - kind_->phases().data()) == step::index) {
        const fill::spec what = fill::spec_from_json(*plan_.fill);
        co_await fill::reach_behind(session, mine, what, next.name);
    } else {
        co_await task::work::reach(session, mine, next);
    }
}

awaitable<void> work::watch(pg::connection&, const task::phase&) { co_return; }

awaitable<void> work::compare() {
    throw error(exit_code::refused, "there is nothing to compare: the columns are kept in step");
    co_return;
}

}  // namespace pgeist::expand
