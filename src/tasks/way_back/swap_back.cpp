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
#include "pgeist/tasks/way_back/work.hpp"

namespace pgeist::way_back {

namespace {

constexpr auto permission_poll = std::chrono::milliseconds(100);

}  // namespace

/// A table that changes places, with what its swap has been planned with: made anew for each swap.
struct work::on_its_way {
    on_its_way(const work& of, planned what)
        : made(std::move(what)), rows(of.transfer_), at(of.workspace_of(rows, made.swap)), changes(at) {
        rows.fingerprint = made.swap.fingerprint;
        rows.fingerprint_parts = made.swap.fingerprint_parts;
    }
    on_its_way(const on_its_way&) = delete;
    on_its_way& operator=(const on_its_way&) = delete;

    planned made;
    transfer::spec rows;
    build::workspace at;
    replay::replayer changes;
};

/// Of all tables, so that whoever mends the rows knows all of them.
awaitable<void> work::require_all_fit() {
    std::vector<std::string> problems;
    for (work* each : all()) {
        replay::unfit_look found;
        {
            const auto session = co_await work_.pool.acquire();
            found = co_await each->note_unfit(*session);
        }
        if (found.rows > 0) {
            const bool one = found.rows == 1;
            problems.push_back(fmt::format("{} row{} of {} do{} not fit the table that is to come back: {}",
                                           format_count(found.rows), one ? "" : "s",
                                           each->transfer_.read.name.display(), one ? "es" : "", describe(found)));
        }
    }
    if (!problems.empty()) {
        throw error(exit_code::refused, join(problems, "\n"),
                    "mend or delete these rows, then try again; pgeist status shows which are left");
    }
    for (work* each : all()) {
        co_await each->look_whether_open();
    }
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

/// Of all tables, in one transaction.
awaitable<void> work::make_plan(pg::connection& session, std::vector<planned>& into) {
    co_await session.execute("SET LOCAL lock_timeout = '5s'");
    const std::vector<work*> tables = all();
    std::vector<beginning> from;
    for (const work* each : tables) {
        co_await job::require_tenure(session, each->work_.tenure());
        const beginning one{each->plan_, each->back_, each->change_, each->work_.job, each->asked_.lose};
        from.push_back(one);
    }
    into = co_await plan_swaps_back(session, std::move(from));
    for (std::size_t place = 0; place < tables.size(); ++place) {
        const work& each = *tables[place];
        co_await job::save_way_back(session, each.work_.tenure(), plan::to_json(each.back_, into[place].next));
    }
}

/// Whether the server would take the plan: told before hours of comparing.
awaitable<void> work::try_plan(pg::connection& session, std::vector<planned>& made) {
    const auto trial = [&] { return make_plan(session, made); };
    co_await pg::rolled_back(session, trial);
}

awaitable<const task::phase*> work::prepare_swap() {
    const task::phase* next = nullptr;
    // Others' DDL can make replay fail in many ways: then that is the reason to tell.
    for (work* each : all()) {
        co_await each->look_whether_open();
    }
    std::vector<awaitable<void>> tasks;
    for (work* each : all()) {
        tasks.push_back(each->catch_up(rewrite::small_backlog));
    }
    co_await pg::run_all(std::move(tasks));
    co_await require_all_fit();
    std::vector<planned> made;
    {
        const auto session = co_await work_.pool.acquire();
        co_await try_plan(*session, made);
    }
    for (const planned& one : made) {
        for (const std::string& each : one.warnings) {
            work_.observer.message(report::level::warning, each);
        }
    }
    co_await note_violations(made);
    co_await require_all_fit();
    if (asked_.only_check) {
        work_.observer.message(report::level::info,
                               fmt::format("job {0} could be reverted now: pgeist revert {0}", work_.job));
    } else {
        next = &at(step::verify);
    }
    co_return next;
}

awaitable<void> work::pass_of(const all_on_their_way& tables) {
    for (const auto& each : tables) {
        co_await each->changes.pass();
    }
}

awaitable<void> work::wait_for_permission(const all_on_their_way& tables) {
    while (true) {
        require_open();
        const auto why = with_.steering.postponed();
        if (!why) {
            break;
        }
        work_.progress.detail = *why;
        with_.steering.waits_for_permission(true);
        co_await pass_of(tables);
        co_await pg::sleep_for(permission_poll);
    }
    with_.steering.waits_for_permission(false);
}

awaitable<void> work::ask_hooks(const all_on_their_way& tables) {
    std::string why;
    report::permission answer = work_.observer.may_swap(why);
    while (answer == report::permission::not_yet) {
        require_open();
        work_.progress.detail = "waiting for the hook on-before-swap";
        co_await pg::sleep_for(permission_poll);
        co_await pass_of(tables);
        answer = work_.observer.may_swap(why);
    }
    if (answer == report::permission::refused) {
        throw error(exit_code::failed, "the swap was stopped: " + why,
                    fmt::format("nothing was swapped; when the reason is gone: pgeist revert {}", work_.job));
    }
}

namespace {

/// One table is brought up to date by the attempt itself; several must be so at one instant, and what is filled from
/// them, too.
awaitable<void> prepare_attempt(const std::vector<swap::exchanged>& tables) {
    if (tables.size() == 1) {
        co_await build::build_ahead(*tables.front().work);
    } else {
        co_await swap::reach_one_moment(tables, swap::ahead::build);
    }
    for (const swap::exchanged& each : tables) {
        co_await rewrite::prepare_other_tables(*each.work);
    }
}

awaitable<void> release_all(const std::vector<swap::exchanged>& tables) {
    for (const swap::exchanged& each : tables) {
        co_await rewrite::release_other_tables(*each.work);
    }
}

}  // namespace

awaitable<std::optional<report::swap_outcome>> work::try_to_swap(const all_on_their_way& tables) {
    std::vector<swap::exchanged> exchanged;
    for (const auto& each : tables) {
        exchanged.push_back({&each->at, &each->changes});
    }
    rewrite::swap_permission from_user(with_.steering);
    swap::swapper attempts(exchanged, from_user);
    std::optional<report::swap_outcome> done;
    std::exception_ptr failure;
    try {
        co_await prepare_attempt(exchanged);
        done = co_await attempts.swap();
    } catch (...) {
        failure = std::current_exception();
    }
    if (failure || !done) {
        co_await asio::this_coro::throw_if_cancelled(false);
        co_await pg::shielded(release_all(exchanged));
        co_await asio::this_coro::throw_if_cancelled(true);
    }
    if (failure) {
        require_open();
        std::rethrow_exception(failure);
    }
    co_return done;
}

/// Each attempt until the user wants something else first.
awaitable<report::swap_outcome> work::exchange(const all_on_their_way& tables) {
    co_await wait_for_permission(tables);
    co_await ask_hooks(tables);
    for (const auto& each : tables) {
        co_await each->changes.catch_up(rewrite::small_backlog);
        co_await build::check_violations(each->at, each->changes);
    }
    auto done = co_await try_to_swap(tables);
    while (!done) {
        co_await wait_for_permission(tables);
        done = co_await try_to_swap(tables);
    }
    co_return std::move(*done);
}

void work::has_been_swapped(plan::revert_plan next) {
    has_swapped_ = true;
    back_ = std::move(next);
}

awaitable<const task::phase*> work::swap() {
    work_.progress.rows_total = 0;
    std::vector<planned> made;
    {
        const auto session = co_await work_.pool.acquire();
        const auto planning = [&] { return make_plan(*session, made); };
        co_await job::in_tenure(*session, work_.tenure(), pg::isolation::read_committed, planning);
    }
    const std::vector<work*> tables = all();
    all_on_their_way ways;
    for (std::size_t place = 0; place < tables.size(); ++place) {
        ways.push_back(std::make_unique<on_its_way>(*tables[place], std::move(made[place])));
    }
    report::swap_outcome done = co_await exchange(ways);
    for (std::size_t place = 0; place < tables.size(); ++place) {
        tables[place]->has_been_swapped(std::move(ways[place]->made.next));
    }
    // A signal that came at the commit stops the run, but not before the swap is told.
    co_await asio::this_coro::throw_if_cancelled(false);
    for (auto each = tables.rbegin(); each != tables.rend(); ++each) {
        done.back = back_.old_is_in_use();
        done.old_table = (*each)->back_.back.write.name.display();
        co_await (*each)->tell_swap(done);
    }
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

plan::blueprint work::last_swap() const {
    if (!back_.last_swap) {
        throw error(exit_code::failed, "the plan of the swap is not stored with the job");
    }
    return *back_.last_swap;
}

/// First the keys of all tables, several at a time: what each table is noted to be in the end has them validated. The
/// leader rests last: who goes on with it finds those that do so already.
awaitable<void> work::finish_all() {
    std::vector<work*> left;
    for (work* each : others_) {
        if (!each->rests_) {
            left.push_back(each);
        }
    }
    left.push_back(this);
    std::vector<awaitable<void>> tasks;
    for (work* each : left) {
        tasks.push_back(each->validate());
    }
    co_await pg::run_all(std::move(tasks));
    for (work* each : left) {
        co_await each->finish();
    }
}

awaitable<void> work::validate() {
    const plan::blueprint swapped = last_swap();
    const transfer::spec next = back_.back;
    build::workspace at_end = workspace_of(next, swapped);
    const auto session = co_await work_.pool.acquire();
    co_await rewrite::note_in_use(at_end, *session, back_);
    std::vector<plan::statement> steps = swapped.swap.statements(plan::stage::finish);
    co_await rewrite::run_finish_steps(at_end, *session, std::move(steps));
}

awaitable<void> work::finish() {
    const plan::blueprint swapped = last_swap();
    const transfer::spec next = back_.back;
    build::workspace at_end = workspace_of(next, swapped);
    const auto session = co_await work_.pool.acquire();
    const std::string gone = back_.old_is_in_use() ? rewrite::back_schema(work_.job) : rewrite::again_schema(work_.job);
    std::vector<plan::statement> steps;
    steps.push_back(
        {"removing the change log", back_.take_over + "DROP SCHEMA IF EXISTS " + quote_identifier(gone) + " CASCADE"});
    co_await rewrite::run_finish_steps(at_end, *session, std::move(steps));
    co_await rewrite::note_result(at_end, *session);
    co_await rewrite::open_way_back(at_end, *session, back_);
    co_await job::save_revert(*session, work_.tenure(),
                              R"({"until": null, "unfit": null, "unfit_keys": null, "unfit_at": null, "lose": [],
                                  "why_not": null})");
    co_await job::save_phase(*session, work_.tenure(), at(step::window).name);
}

}  // namespace pgeist::way_back
