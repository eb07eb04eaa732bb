#include <boost/asio/this_coro.hpp>

#include "pgeist/pg/parallel.hpp"
#include "pgeist/swap/swapper.hpp"
#include "pgeist/tasks/rewrite/finish.hpp"
#include "pgeist/tasks/rewrite/other_tables.hpp"
#include "pgeist/tasks/rewrite/swap_permission.hpp"
#include "work.hpp"

// What is done for all tables at once: the swap, and what comes after it.
namespace pgeist::group {

awaitable<void> work::replay_pass() {
    co_await rewrite::work::replay_pass();
    for (const auto& each : others_) {
        co_await each->work->changes().pass();
    }
}

awaitable<void> work::compare_as_asked() {
    const auto asked = steering.take_comparison();
    for (const auto& each : others_) {
        each->steering.hand_out(asked);
        co_await each->work->compare_as_asked();
        each->enter(swap_phase());
    }
    own_share.hand_out(asked);
    co_await rewrite::work::compare_as_asked();
}

awaitable<void> work::release_all() {
    for (const swap::exchanged& each : all_tables()) {
        co_await rewrite::release_other_tables(*each.work);
    }
}

awaitable<std::optional<report::swap_outcome>> work::try_to_swap() {
    rewrite::swap_permission from_user(with().steering);
    swap::swapper attempts(all_tables(), from_user);
    std::optional<report::swap_outcome> done;
    std::exception_ptr failure;
    try {
        co_await swap::reach_one_moment(all_tables(), swap::ahead::build);
        for (const swap::exchanged& each : all_tables()) {
            co_await rewrite::prepare_other_tables(*each.work);
        }
        done = co_await attempts.swap();
    } catch (...) {
        failure = std::current_exception();
    }
    if (failure || !done) {
        co_await boost::asio::this_coro::throw_if_cancelled(false);
        co_await pg::shielded(release_all());
        co_await boost::asio::this_coro::throw_if_cancelled(true);
    }
    if (failure) {
        std::rethrow_exception(failure);
    }
    for (const auto& each : others_) {
        if (done) {
            each->work->has_been_swapped();
        }
    }
    co_return done;
}

awaitable<void> work::tell_swap(report::swap_outcome done) {
    report::swap_outcome own = done;
    for (const auto& each : others_) {
        if (!with().chosen.drop_old) {
            done.old_table = each->work->workspace().plan.shadow().display();
        }
        done.order.reset();
        co_await each->work->tell_swap(done);
        each->reached = &at(rewrite::step::finish);
        each->enter(*each->reached);
    }
    co_await rewrite::work::tell_swap(std::move(own));
}

awaitable<void> work::validate(build::workspace& of) {
    const auto session = co_await of.pool.acquire();
    std::vector<plan::statement> steps = of.plan.swap.statements(plan::stage::finish);
    co_await rewrite::run_finish_steps(of, *session, std::move(steps));
}

/// First the keys of all tables, several at a time: what each table is noted to be in the end has them validated.
awaitable<void> work::finish() {
    co_await note_in_use();
    for (const auto& each : others_) {
        co_await each->work->note_in_use();
    }
    std::vector<awaitable<void>> all;
    for (const swap::exchanged& each : all_tables()) {
        all.push_back(validate(*each.work));
    }
    co_await pg::run_all(std::move(all));
    for (const auto& each : others_) {
        if (kind_->is_done(*each->reached)) {
            continue;
        }
        each->enter(at(rewrite::step::finish));
        co_await each->work->finish();
        if (is_revertible()) {
            continue;  // it is handed over with all others
        }
        each->reached = &kind_->phases().back();
        const auto session = co_await with().pool.acquire();
        co_await each->work->reach(*session, each->mine, *each->reached);
    }
    co_await rewrite::work::finish();
}

}  // namespace pgeist::group
