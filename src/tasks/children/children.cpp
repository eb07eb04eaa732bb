#include "pgeist/tasks/children/children.hpp"

#include <fmt/format.h>

#include "child.hpp"
#include "making.hpp"
#include "pgeist/core/error.hpp"
#include "pgeist/job/family.hpp"
#include "pgeist/job/in_tenure.hpp"
#include "pgeist/job/state_trust.hpp"
#include "pgeist/pg/parallel.hpp"
#include "pgeist/pg/transaction.hpp"
#include "pgeist/task/cleanable.hpp"
#include "pgeist/tasks/way_back/kind.hpp"

namespace pgeist::children {

namespace {

awaitable<std::optional<std::int64_t>> find(const task::context& with, const steps::step& of) {
    const auto session = co_await with.pool.acquire();
    const auto job = co_await job::find_child(*session, with.mine.job, of.number);
    co_return job;
}

/// The step is done, or there was nothing to do.
awaitable<void> save(const task::context& with, const steps::step& of, int at) {
    const auto session = co_await with.pool.acquire();
    const auto saving = [&] { return native::record(*session, with, of, at); };
    co_await pg::transaction(*session, pg::isolation::read_committed, saving);
}

/// The job, made or taken on. Nothing where nothing is left to be done.
awaitable<std::optional<held_job>> obtain(const task::context& with, const maker& by, const steps::step& of, int at,
                                          std::string& why) {
    std::optional<held_job> job;
    const auto known = co_await find(with, of);
    if (known) {
        job = co_await take_over(with, by.kind(), *known);
    } else {
        job = co_await make(with, by, of, at, why);
    }
    co_return job;
}

/// Of the kinds that a step's job may have.
const task::kind& kind_named(const std::string& name, std::int64_t job, kinds more) {
    more.insert(more.end(), {&copies().kind(), &way_back::kind(), &backfills().kind()});
    for (const task::kind* each : more) {
        if (each->labels().name == name) {
            return *each;
        }
    }
    throw error(exit_code::refused,
                fmt::format("job {} is work of kind \"{}\", which this version of pgeist does not know", job, name),
                "use the version of pgeist that started the job");
}

/// As `pgeist cleanup` does, for one whose locks are held.
awaitable<void> undo(const task::kind& kind, task::undo_context& at) {
    for (auto phase = kind.phases().rbegin(); phase != kind.phases().rend(); ++phase) {
        if (phase->undo != nullptr) {
            co_await phase->undo(at);
        }
    }
}

// The table as it is called now; without names when it is gone.
constexpr const char* table_sql = R"sql(
    SELECT j.table_oid::bigint AS table_oid, n.nspname, c.relname
      FROM pgeist.jobs j LEFT JOIN pg_class c ON c.oid = j.table_oid LEFT JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE j.id = $1)sql";

/// Takes one job back whose lock `hold` is to take.
awaitable<void> undo_one(pg::pool& pool, pg::connection& session, job::advisory_locks& hold, std::int64_t job,
                         bool own_state, report::observer& observer, const kinds& more) {
    co_await job::claim_job(hold, job);
    co_await job::end_orphans(session, job);
    job::tenure mine = co_await job::begin_tenure(session, job);
    mine.guarded = !own_state;
    const pg::result row = co_await session.query(table_sql, job);
    qualified_name table{row.text(0, "nspname"), row.text(0, "relname")};
    const std::string name = co_await job::kind_of(session, job);
    const task::kind& kind = kind_named(name, job, more);
    task::undo_context at{pool,    session, hold, mine, own_state, std::move(table), row.integer(0, "table_oid"),
                          observer};
    co_await undo(kind, at);
}

}  // namespace

executor::executor(const maker& by, const task::phase& home) : by_(&by), home_(&home) {}
executor::~executor() = default;

awaitable<void> executor::run(const task::context& with, std::shared_ptr<child> now) {
    at_work_ = now;
    std::exception_ptr failure;
    try {
        co_await now->run();
    } catch (...) {
        failure = std::current_exception();
    }
    at_work_.reset();
    with.observer.concerns(with.mine.job);  // a group has told of its tables' jobs
    if (failure) {
        std::rethrow_exception(failure);
    }
    with.enter(*home_);
}

awaitable<void> executor::carry_out(const task::context& with, steps::step& of, int at) {
    std::string why;
    auto job = co_await obtain(with, *by_, of, at, why);
    if (!job) {
        with.observer.message(report::level::info, "nothing to do: " + why);
        co_await save(with, of, at);
        co_return;
    }
    const task::kind& kind = by_->kind();
    with.observer.message(report::level::info, fmt::format("step {} is job {}, about {}", of.number, job->record.id,
                                                           job->record.table.display()));
    // A copy that can be reverted is of another kind from its swap on.
    const bool over = job->record.kind != kind.labels().name || kind.is_done(kind.reached(job->record));
    if (!over) {
        const report::progress before = with.progress;  // the child counts its own rows in it
        auto now = std::make_shared<child>(with, kind, std::move(job->record), std::move(job->hold));
        co_await run(with, std::move(now));
        with.progress = before;
    }
    co_await save(with, of, at);
}

awaitable<void> executor::watch() {
    const std::shared_ptr<child> now = at_work_;  // it may come to its end meanwhile
    if (!now) {
        co_return;
    }
    std::exception_ptr failure;
    try {
        co_await now->watch();
    } catch (...) {
        failure = std::current_exception();
    }
    if (failure && (now == at_work_ || pg::is_cancellation(failure))) {
        std::rethrow_exception(failure);
    }
}

namespace {

/// A job that is done stays, with its old table, when the job that it was a step of is cancelled.
awaitable<void> let_go(pg::connection& session, std::int64_t parent) {
    co_await session.query(
        "UPDATE pgeist.jobs j SET parent = NULL, parent_step = NULL FROM pgeist.jobs p "
        "WHERE j.parent = p.id AND p.id = $1 AND p.state = 'cancelled' AND j.phase IN ('finish', 'done')",
        parent);
}

/// Before any of them is taken back.
awaitable<void> require_cleanable(pg::connection& session, std::int64_t job, const kinds& more) {
    const auto naming = [&] { return job::kind_of(session, job); };
    const std::string name = co_await job::guarded(session, naming);
    const task::kind& kind = kind_named(name, job, more);
    const auto reading = [&] { return task::read_leftovers(session, job); };
    const task::leftovers left = co_await job::guarded(session, reading);
    co_await task::require_cleanable(session, kind, job, left);
}

}  // namespace

awaitable<void> undo_all(task::undo_context& at, kinds more) {
    co_await let_go(at.session, at.mine.job);
    auto all = co_await job::children_of(at.session, at.mine.job);
    co_await undo_jobs(at, std::move(all), std::move(more));
}

awaitable<void> undo_jobs(task::undo_context& at, std::vector<std::int64_t> all, kinds more) {
    if (!at.own_state) {
        for (const std::int64_t each : all) {
            co_await require_cleanable(at.session, each, more);
        }
    }
    for (auto each = all.rbegin(); each != all.rend(); ++each) {
        co_await undo_one(at.pool, at.session, at.hold, *each, at.own_state, at.observer, more);
    }
}

}  // namespace pgeist::children
