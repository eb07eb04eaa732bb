#include "work.hpp"

#include <algorithm>

#include <boost/asio/this_coro.hpp>

#include "pgeist/build/index_builder.hpp"
#include "pgeist/job/advisory_locks.hpp"
#include "pgeist/job/events.hpp"
#include "pgeist/pg/parallel.hpp"
#include "pgeist/swap/prediction.hpp"
#include "pgeist/swap/swapper.hpp"
#include "pgeist/tasks/rehearse/kind.hpp"
#include "pgeist/tasks/rewrite/other_tables.hpp"
#include "pgeist/tasks/rewrite/undo.hpp"

namespace pgeist::rehearse {

namespace {

using clock = deadline::clock;

constexpr auto between_looks = std::chrono::milliseconds(250);
constexpr auto between_sizes = std::chrono::milliseconds(1000);
/// Where a run is short: so many looks are made before it is over.
constexpr std::int64_t least_looks = 20;

/// Nobody steers the exchange: it is taken back.
class nobody final : public swap::gate {};

}  // namespace

work::work(const task::kind& kind, const task::context& with, const job::record& job)
    : rewrite::work(kind, with, job),
      kind_(&kind),
      table_(job.table),
      table_oid_(workspace().plan.source_oid),
      change_(kind.describe(job.change)),
      next_look_(clock::now()),
      next_size_(clock::now()) {}

awaitable<const task::phase*> work::carry_out(const task::phase& now) {
    {
        const auto session = co_await with().pool.acquire();
        co_await found_.begin(*session);
    }
    const task::phase* next = co_await rewrite::work::carry_out(now);
    {
        const auto session = co_await with().pool.acquire();
        co_await found_.end(*session, now.told.name);
        co_await found_.look_at_size(*session, kind_->own_schemas(workspace().job));
    }
    if (now.name == "copy") {
        found_.copied(workspace().progress.rows_done);
    }
    if (now.name == "take_back") {
        co_await tell();
    }
    co_return next;
}

awaitable<void> work::reach(pg::connection& session, job::tenure mine, const task::phase& next) {
    return task::work::reach(session, mine, next);  // no way back is kept, whatever was planned for one
}

/// Not of those that work for the job itself.
awaitable<void> work::look(pg::connection& session) {
    const lock::target wanted = swap::locked_by_swap(workspace().plan);
    std::vector<report::blocker> holders = co_await lock::find_blockers(session, wanted, session.backend_pid());
    const std::string own = job::session_name(workspace().job);
    std::erase_if(holders, [&](const report::blocker& each) { return each.application.rfind(own, 0) == 0; });
    found_.look(holders);
}

awaitable<void> work::watch(pg::connection& session, const task::phase& now) {
    const bool over = now.name == "take_back" || kind_->is_done(now);
    if (!over) {  // there the triggers may be off already
        co_await rewrite::work::watch(session, now);
    }
    if (now.name == "copy") {
        found_.note(workspace().progress);
    }
    const bool captured = !over && now.name != "prepare" && now.name != "capture";
    if (captured && with().chosen.locks == run::rehearsed_locks::sample && clock::now() >= next_look_) {
        next_look_ = clock::now() + between_looks;
        co_await look(session);
    }
    if (captured && !exchanging_ && clock::now() >= next_size_) {
        next_size_ = clock::now() + between_sizes;
        co_await found_.look_at_size(session, kind_->own_schemas(workspace().job));
    }
}

awaitable<void> work::swap() {
    co_await build::build_ahead(workspace());
    {
        const auto session = co_await with().pool.acquire();
        predicted_lock_ms_ = co_await swap::predict_lock_ms(workspace(), *session);
    }
    workspace().progress.detail = "looking who would be in the way";
    while (with().chosen.locks == run::rehearsed_locks::sample && found_.looks() < least_looks) {
        co_await changes().pass();
        co_await pg::sleep_for(between_looks / 2);
    }
    if (with().chosen.locks == run::rehearsed_locks::take) {
        co_await exchange();
    }
}

/// As a run does it, but for the commit. What it did to other tables goes, whatever happens.
awaitable<void> work::exchange() {
    nobody gate;
    swap::swapper exchanger(workspace(), changes(), gate, swap::swapper::ending::rollback);
    std::optional<report::swap_outcome> done;
    std::exception_ptr failure;
    exchanging_ = true;  // who asks for the size of a table waits for its lock
    try {
        co_await rewrite::prepare_other_tables(workspace());
        done = co_await exchanger.swap();
    } catch (...) {
        failure = std::current_exception();
    }
    exchanging_ = false;
    co_await boost::asio::this_coro::throw_if_cancelled(false);
    co_await pg::shielded(rewrite::release_other_tables(workspace()));
    co_await boost::asio::this_coro::throw_if_cancelled(true);
    if (failure) {
        std::rethrow_exception(failure);
    }
    if (done) {
        lock_ms_ = done->lock_held_ms;
        attempts_ = done->attempts;
    }
}

awaitable<void> work::finish() {
    workspace().progress.detail = "taking everything back";
    co_await rewrite::take_back(with(), workspace().tenure(), table_, table_oid_);
}

awaitable<void> work::tell() {
    report::rehearsal result = found_.result();
    const run::settings& chosen = with().chosen;
    result.table = table_.display();
    result.change = change_;
    result.locks = run::word_of(chosen.locks);
    result.predicted_lock_ms = predicted_lock_ms_;
    result.lock_ms = lock_ms_;
    result.attempts = attempts_;
    if (chosen.scale_rows > 0) {
        const plan::blueprint& plan = workspace().plan;
        report::table_size here;
        here.rows = plan.estimated_rows;
        here.table_bytes = plan.table_bytes;
        here.index_bytes = plan.index_bytes;
        report::table_size there;
        there.rows = chosen.scale_rows;
        there.table_bytes = chosen.scale_table_bytes;
        there.index_bytes = chosen.scale_index_bytes;
        result.scaled = report::scaled_to(result, here, there);
    }
    const auto session = co_await with().pool.acquire();
    co_await job::add_event(*session, workspace().job, figures_event, report::to_json(result));
    workspace().observer.rehearsed(result);
}

}  // namespace pgeist::rehearse
