#include <boost/asio/this_coro.hpp>
#include <fmt/format.h>

#include "pgeist/build/index_builder.hpp"
#include "pgeist/core/error.hpp"
#include "pgeist/pg/parallel.hpp"
#include "pgeist/swap/swapper.hpp"
#include "pgeist/target/steps.hpp"
#include "pgeist/tasks/rewrite/other_tables.hpp"
#include "pgeist/tasks/rewrite/swap_permission.hpp"
#include "pgeist/tasks/rewrite/work.hpp"

namespace pgeist::rewrite {

namespace {

constexpr auto permission_poll = std::chrono::milliseconds(100);

}  // namespace

awaitable<void> work::replay_pass() { co_await replay_one_table(); }

awaitable<void> work::compare_as_asked() { co_await compare_again(step::swap); }

awaitable<void> work::wait_for_permission() {
    while (true) {
        if (with_.steering.comparison_asked()) {
            with_.steering.waits_for_permission(false);
            co_await compare_as_asked();
            work_.progress.rows_done = 0;
            with_.enter(at(step::swap));
            work_.progress.rows_total = 0;
        }
        const auto why = with_.steering.postponed();
        if (!why) {
            break;
        }
        work_.progress.detail = *why;
        with_.steering.waits_for_permission(true);
        co_await replay_pass();
        co_await pg::sleep_for(permission_poll);
    }
    with_.steering.waits_for_permission(false);
}

/// What runs beside (hooks) may object to the swap; replay goes on while it is asked.
awaitable<void> work::ask_hooks() {
    std::string why;
    report::permission answer = work_.observer.may_swap(why);
    while (answer == report::permission::not_yet) {
        work_.progress.detail = "waiting for the hook on-before-swap";
        co_await pg::sleep_for(permission_poll);
        co_await replay_pass();
        answer = work_.observer.may_swap(why);
    }
    if (answer == report::permission::refused) {
        throw error(exit_code::failed, "the swap was stopped: " + why,
                    fmt::format("nothing was swapped, the source table is untouched; when the reason is gone go on "
                                "with: pgeist resume {}",
                                work_.job));
    }
}

/// Of the rows as they will be found, since the shadow has been analyzed.
awaitable<std::optional<report::row_order>> work::order_reached() {
    std::optional<report::row_order> order;
    if (plan_.order.empty()) {
        co_return order;
    }
    order.emplace();
    order->by = plan_.order_text;
    order->before = plan_.correlation;
    const auto session = co_await work_.pool.acquire();
    order->after = co_await target::correlation_of(*session, plan_.shadow_oid, plan_);
    co_return order;
}

awaitable<void> work::swap() {
    work_.progress.rows_total = 0;
    const auto order = co_await order_reached();
    co_await wait_for_permission();
    co_await ask_hooks();
    auto done = co_await try_to_swap();
    while (!done) {
        co_await wait_for_permission();
        done = co_await try_to_swap();
    }
    if (!work_.settings.drop_old) {
        done->old_table = work_.plan.shadow().display();
    }
    done->order = order;
    has_swapped_ = true;
    // A signal that came at the commit stops the run, but not before the swap is told.
    co_await asio::this_coro::throw_if_cancelled(false);
    co_await tell_swap(std::move(*done));
    co_await asio::this_coro::throw_if_cancelled(true);
}

/// The swap's commit has waited for no synchronous standby, which would have kept its lock: this one does, before
/// anybody is told.
awaitable<void> work::tell_swap(report::swap_outcome done) {
    std::exception_ptr failure;
    work_.progress.detail = "swapped, waiting for synchronous standbys";
    try {
        co_await save_phase(step::finish);
    } catch (const pg::sql_error&) {
        throw;  // told when the server is found again
    } catch (...) {
        failure = std::current_exception();
    }
    told_swap_ = true;
    work_.observer.swapped(done);
    if (failure) {
        std::rethrow_exception(failure);
    }
}

/// Nothing when the user wants something else first: then nothing is left that others could run into.
awaitable<std::optional<report::swap_outcome>> work::try_to_swap() {
    swap_permission from_user(with_.steering);
    swap::swapper exchange(work_, changes_, from_user);
    std::optional<report::swap_outcome> done;
    std::exception_ptr failure;
    try {
        co_await build::build_ahead(work_);
        co_await prepare_other_tables(work_);
        done = co_await exchange.swap();
    } catch (...) {
        failure = std::current_exception();
    }
    if (failure || !done) {
        co_await asio::this_coro::throw_if_cancelled(false);
        co_await pg::shielded(release_other_tables(work_));
        co_await asio::this_coro::throw_if_cancelled(true);
    }
    if (failure) {
        std::rethrow_exception(failure);
    }
    co_return done;
}

}  // namespace pgeist::rewrite
