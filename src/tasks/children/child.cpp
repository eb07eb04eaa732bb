#include "child.hpp"

#include "pgeist/job/requests.hpp"
#include "pgeist/pg/session_profile.hpp"
#include "pgeist/task/progress.hpp"

namespace pgeist::children {

namespace {

constexpr auto between_beats = std::chrono::milliseconds(500);

/// What is told meanwhile is told of the child, as what the parent does.
class told_in_its_place {
public:
    told_in_its_place(const task::context& parent, const job::record& record, const task::kind& kind)
        : to_(&parent.observer), parent_(parent.mine.job) {
        to_->steps_in(record.id);
        to_->concerns(record.id);
        to_->job_started(record.id, record.table.display(), kind.labels().strategy);
    }
    ~told_in_its_place() {
        to_->steps_in(0);
        to_->concerns(parent_);
    }
    told_in_its_place(const told_in_its_place&) = delete;
    told_in_its_place& operator=(const told_in_its_place&) = delete;

private:
    report::observer* to_;
    std::int64_t parent_;
};

/// The pool's sessions convert values as this job's do.
class profile_for_a_while {
public:
    profile_for_a_while(pg::pool& pool, pg::session_profile now) : pool_(&pool), before_(pool.profile()) {
        pool.use_profile(std::move(now));
    }
    ~profile_for_a_while() { pool_->use_profile(before_); }
    profile_for_a_while(const profile_for_a_while&) = delete;
    profile_for_a_while& operator=(const profile_for_a_while&) = delete;

private:
    pg::pool* pool_;
    pg::session_profile before_;
};

}  // namespace

child::child(const task::context& with, const task::kind& kind, job::record record,
             std::unique_ptr<job::advisory_locks> hold)
    : with_(&with),
      kind_(&kind),
      record_(std::move(record)),
      hold_(std::move(hold)),
      mine_{record_.id, record_.incarnation},
      known_(job::identity_of(with.known, record_)),
      current_(&kind.reached(record_)),
      work_(kind.take_up({with.pool, with.chosen, with.observer, with.progress, with.steering,
                          [this](const task::phase& now) {
                              current_ = &now;
                              with_->enter(now);
                          },
                          hold_->session().backend_pid(), known_, mine_},
                         record_)) {}

awaitable<void> child::run() {
    const told_in_its_place told(*with_, record_, *kind_);
    const profile_for_a_while mine(with_->pool, kind_->profile_of(*record_.plan));
    std::exception_ptr failure;
    try {
        co_await phases();
    } catch (...) {
        failure = std::current_exception();
    }
    ended_ = true;
    with_->steering.effect_is(task::effect::to_come);  // of the parent: it has more to do
    with_->steering.waits_for_permission(false);
    if (failure) {
        std::rethrow_exception(failure);
    }
    const auto session = co_await with_->pool.acquire();
    co_await job::save_state(*session, mine_, "done", "");
}

awaitable<void> child::phases() {
    const task::phase* reached = current_;
    co_await work_->begin(*reached);
    while (!kind_->is_done(*reached)) {
        if (reached->in_effect) {
            with_->steering.effect_is(task::effect::done);
        }
        const std::int64_t rows = co_await work_->done_before(*reached);
        with_->progress.rows_done = rows;
        current_ = reached;
        with_->enter(*reached);
        const task::phase* next = co_await work_->carry_out(*reached);
        if (next == nullptr) {
            break;
        }
        reached = next;
        const auto session = co_await with_->pool.acquire();
        co_await work_->reach(*session, mine_, *next);
    }
}

awaitable<void> child::beat() {
    const pg::result row =
        co_await hold_->session().query("SELECT state FROM pgeist.jobs WHERE id = $1", with_->mine.job);
    job::heartbeat now = task::heartbeat_of(with_->progress, row.empty() ? "running" : row.text(0, 0));
    static_cast<void>(co_await job::beat(hold_->session(), mine_, std::move(now)));
}

awaitable<void> child::watch() {
    if (ended_) {
        co_return;
    }
    const auto now = std::chrono::steady_clock::now();
    if (now >= next_beat_) {
        next_beat_ = now + between_beats;
        try {
            co_await beat();
        } catch (const pg::sql_error& failure) {
            if (failure.poisons_connection() || !failure.passing()) {
                throw;
            }  // somebody holds the row, or the server is slow: the next one will do
        }
    }
    if (!ended_) {
        co_await work_->watch(hold_->session(), *current_);
    }
}

}  // namespace pgeist::children
