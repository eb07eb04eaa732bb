#include <boost/asio/this_coro.hpp>
#include <fmt/format.h>

#include "others.hpp"
#include "pgeist/build/index_builder.hpp"
#include "pgeist/build/violations.hpp"
#include "pgeist/core/error.hpp"
#include "pgeist/core/units.hpp"
#include "pgeist/job/in_tenure.hpp"
#include "pgeist/pg/parallel.hpp"
#include "pgeist/pg/transaction.hpp"
#include "pgeist/swap/swapper.hpp"
#include "pgeist/tasks/rewrite/finish.hpp"
#include "pgeist/tasks/rewrite/names.hpp"
#include "pgeist/tasks/rewrite/other_tables.hpp"
#include "pgeist/tasks/rewrite/replay_times.hpp"
#include "pgeist/tasks/rewrite/swap_permission.hpp"
#include "work.hpp"

namespace pgeist::way_back {

namespace {

constexpr auto permission_poll = std::chrono::milliseconds(100);

}  // namespace

awaitable<void> work::require_all_fit() {
    replay::unfit_look found;
    {
        const auto session = co_await work_.pool.acquire();
        found = co_await note_unfit(*session);
    }
    if (found.rows > 0) {
        throw error(exit_code::refused,
                    fmt::format("{} row{} of {} do{} not fit the table that is to come back: {}",
                                format_count(found.rows), found.rows == 1 ? "" : "s", transfer_.read.name.display(),
                                found.rows == 1 ? "es" : "", describe(found)),
                    "mend or delete these rows, then try again; pgeist status shows which are left");
    }
    co_await look_whether_open();
}

awaitable<void> work::look_at_in_use(pg::connection& session) {
    auto why = co_await why_closed(session);
    if (why) {
        co_await switch_off(session, std::move(*why));
    }
    require_open();
    require_name_kept();
}

awaitable<void> work::look_whether_open() {
    const auto session = co_await work_.pool.acquire();
    co_await look_at_in_use(*session);
    co_await require_waiting_unchanged(*session, back_);
}

awaitable<void> work::make_plan(pg::connection& session, planned& into) {
    co_await session.execute("SET LOCAL lock_timeout = '5s'");
    const beginning from{plan_, back_, change_, work_.job, asked_.lose};
    into = co_await plan_swap_back(session, from);
    co_await job::save_way_back(session, work_.tenure(), plan::to_json(back_, into.next));
}

/// Whether the server would take the plan: told before hours of comparing.
awaitable<void> work::try_plan(pg::connection& session) {
    planned made;
    const auto trial = [&] { return make_plan(session, made); };
    co_await pg::rolled_back(session, trial);
    for (const std::string& each : made.warnings) {
        work_.observer.message(report::level::warning, each);
    }
}

awaitable<const task::phase*> work::prepare_swap() {
    const task::phase* next = nullptr;
    co_await look_whether_open();  // others' DDL can make replay fail in many ways: then that is the reason to tell
    co_await catch_up(rewrite::small_backlog);
    co_await require_all_fit();
    {
        const auto session = co_await work_.pool.acquire();
        co_await try_plan(*session);
    }
    if (asked_.only_check) {
        work_.observer.message(report::level::info,
                               fmt::format("job {0} could be reverted now: pgeist revert {0}", work_.job));
    } else {
        next = &at(step::verify);
    }
    co_return next;
}

awaitable<void> work::wait_for_permission(replay::replayer& changes) {
    while (true) {
        require_open();
        const auto why = with_.steering.postponed();
        if (!why) {
            break;
        }
        work_.progress.detail = *why;
        with_.steering.waits_for_permission(true);
        co_await changes.pass();
        co_await pg::sleep_for(permission_poll);
    }
    with_.steering.waits_for_permission(false);
}

awaitable<void> work::ask_hooks(replay::replayer& changes) {
    std::string why;
    report::permission answer = work_.observer.may_swap(why);
    while (answer == report::permission::not_yet) {
        require_open();
        work_.progress.detail = "waiting for the hook on-before-swap";
        co_await pg::sleep_for(permission_poll);
        co_await changes.pass();
        answer = work_.observer.may_swap(why);
    }
    if (answer == report::permission::refused) {
        throw error(exit_code::failed, "the swap was stopped: " + why,
                    fmt::format("nothing was swapped; when the reason is gone: pgeist revert {}", work_.job));
    }
}

/// Each attempt until the user wants something else first.
awaitable<report::swap_outcome> work::exchange(const planned& made) {
    transfer::spec now = transfer_;
    now.fingerprint = made.swap.fingerprint;
    now.fingerprint_parts = made.swap.fingerprint_parts;
    build::workspace at_swap = workspace_of(now, made.swap);
    replay::replayer changes(at_swap);
    co_await wait_for_permission(changes);
    co_await ask_hooks(changes);
    co_await changes.catch_up(rewrite::small_backlog);
    co_await build::check_violations(at_swap, changes);
    std::optional<report::swap_outcome> done;
    while (!done) {
        rewrite::swap_permission from_user(with_.steering);
        swap::swapper attempts(at_swap, changes, from_user);
        std::exception_ptr failure;
        try {
            co_await build::build_ahead(at_swap);
            co_await rewrite::prepare_other_tables(at_swap);
            done = co_await attempts.swap();
        } catch (...) {
            failure = std::current_exception();
        }
        if (failure || !done) {
            co_await asio::this_coro::throw_if_cancelled(false);
            co_await pg::shielded(rewrite::release_other_tables(at_swap));
            co_await asio::this_coro::throw_if_cancelled(true);
        }
        if (failure) {
            require_open();
            std::rethrow_exception(failure);
        }
        if (!done) {
            co_await wait_for_permission(changes);
        }
    }
    co_return std::move(*done);
}

awaitable<const task::phase*> work::swap() {
    work_.progress.rows_total = 0;
    planned made;
    {
        const auto session = co_await work_.pool.acquire();
        const auto planning = [&] { return make_plan(*session, made); };
        co_await job::in_tenure(*session, work_.tenure(), pg::isolation::read_committed, planning);
    }
    report::swap_outcome done = co_await exchange(made);
    has_swapped_ = true;
    back_ = std::move(made.next);
    done.back = back_.old_is_in_use();
    done.old_table = back_.back.write.name.display();
    // A signal that came at the commit stops the run, but not before the swap is told.
    co_await asio::this_coro::throw_if_cancelled(false);
    co_await tell_swap(std::move(done));
    co_await asio::this_coro::throw_if_cancelled(true);
    co_return &at(step::finish);
}

/// The commit has waited for no synchronous standby: this one does, before anybody is told.
awaitable<void> work::tell_swap(report::swap_outcome done) {
    std::exception_ptr failure;
    work_.progress.detail = "swapped, waiting for synchronous standbys";
    try {
        const auto session = co_await work_.pool.acquire();
        co_await job::save_phase(*session, work_.tenure(), at(step::finish).name);
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

awaitable<void> work::finish() {
    if (!back_.last_swap) {
        throw error(exit_code::failed, "the plan of the swap is not stored with the job");
    }
    const plan::blueprint swapped = *back_.last_swap;
    const transfer::spec next = back_.back;
    build::workspace at_end = workspace_of(next, swapped);
    const auto session = co_await work_.pool.acquire();
    co_await rewrite::note_in_use(at_end, *session, back_);
    std::vector<plan::statement> steps = swapped.swap.statements(plan::stage::finish);
    const std::string gone = back_.old_is_in_use() ? rewrite::back_schema(work_.job) : rewrite::again_schema(work_.job);
    steps.push_back({"removing the change log", "DROP SCHEMA IF EXISTS " + quote_identifier(gone) + " CASCADE"});
    co_await rewrite::run_finish_steps(at_end, *session, std::move(steps));
    co_await rewrite::note_result(at_end, *session);
    co_await rewrite::open_way_back(at_end, *session, back_);
    co_await job::save_revert(*session, work_.tenure(),
                              R"({"until": null, "unfit": null, "unfit_keys": null, "unfit_at": null, "lose": [],
                                  "why_not": null})");
    co_await job::save_phase(*session, work_.tenure(), at(step::window).name);
}

}  // namespace pgeist::way_back
