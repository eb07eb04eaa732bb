#include "pgeist/supervise/runner.hpp"

#include <boost/asio/this_coro.hpp>

#include "pgeist/pg/parallel.hpp"
#include "pgeist/supervise/heartbeat.hpp"

namespace pgeist::supervise {

namespace {

bool lost_connection(const std::exception_ptr& failure) {
    try {
        if (failure) {
            std::rethrow_exception(failure);
        }
    } catch (const error& problem) {
        return problem.code() == exit_code::connection_lost;
    } catch (...) {
        return false;
    }
    return false;
}

}  // namespace

runner::runner(pg::pool& pool, pg::connect_options options, job::advisory_locks& hold, const task::kind& kind,
               const job::record& job, job::identity& known, report::observer& observer)
    : pool_(&pool),
      options_(std::move(options)),
      hold_(&hold),
      known_(&known),
      kind_(&kind),
      mine_{job.id, job.incarnation},
      reached_(&kind.reached(job)),
      current_(reached_),
      profile_(kind.profile_of(*job.plan)),
      settings_(job.settings),
      switches_(settings_, job),
      told_(observer, progress_),
      work_(kind.take_up({pool, settings_, told_, progress_, switches_, [this](const task::phase& now) { enter(now); },
                          hold.session().backend_pid(), known, mine_, &observer},
                         job)) {}

void runner::enter(const task::phase& now) {
    current_ = &now;
    progress_.detail.clear();
    progress_.server.reset();
    told_.phase_started(now.told);
}

awaitable<void> runner::beside_the_heartbeat(awaitable<void> work) {
    vital_signs signs{*work_, *hold_, mine_, switches_, told_, progress_, *known_, current_, *kind_};
    std::vector<awaitable<void>> background;
    background.push_back(heartbeat(signs));
    background.push_back(switches_.gate().watch(options_, profile_));
    std::exception_ptr failure;
    try {
        co_await pg::run_beside(std::move(work), std::move(background));
    } catch (...) {
        failure = std::current_exception();
    }
    co_await asio::this_coro::throw_if_cancelled(false);
    if (hold_->session().idle()) {
        co_await pg::shielded(store_events(signs));
    }
    const bool at_end = !failure && kind_->is_done(*reached_);
    if (at_end && hold_->session().idle()) {
        tell_all_counted();
        co_await pg::shielded(last_beat(signs));
    }
    co_await asio::this_coro::throw_if_cancelled(true);
    const asio::cancellation_state meanwhile = co_await asio::this_coro::cancellation_state;
    if (meanwhile.cancelled() != asio::cancellation_type::none && lost_connection(failure)) {
        failure = std::make_exception_ptr(cancelled());  // who is told to stop now is not to get the connection back
    }
    if (failure) {
        std::rethrow_exception(failure);
    }
}

awaitable<void> runner::run() {
    co_await count_done_before();  // what is told first
    co_await beside_the_heartbeat(phases());
}

awaitable<void> runner::compare() { return beside_the_heartbeat(work_->compare()); }

awaitable<void> runner::count_done_before() {
    const std::int64_t rows = co_await work_->done_before(*reached_);
    progress_.rows_done = rows;
}

void runner::tell_all_counted() {
    if (counted_rows_) {
        progress_.rows_done = *counted_rows_;
        progress_.rows_total = *counted_rows_;
    }
    progress_.detail.clear();
    progress_.throttled.reset();
    progress_.server.reset();
}

awaitable<void> runner::phases() {
    co_await work_->begin(*reached_);
    while (!kind_->is_done(*reached_)) {
        co_await count_done_before();
        enter(*reached_);
        const task::phase* next = co_await work_->carry_out(*reached_);
        if (current_->told.counts_rows()) {
            counted_rows_ = progress_.rows_done;
        }
        if (next == nullptr) {
            break;
        }
        reached_ = next;
        const auto session = co_await pool_->acquire();
        co_await work_->reach(*session, mine_, *next);
    }
}

}  // namespace pgeist::supervise
