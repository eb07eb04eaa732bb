#include "pgeist/run/runner.hpp"

#include <boost/asio/this_coro.hpp>
#include <fmt/format.h>

#include "pgeist/build/index_builder.hpp"
#include "pgeist/build/violations.hpp"
#include "pgeist/job/in_tenure.hpp"
#include "pgeist/lock/table_lock.hpp"
#include "pgeist/pg/parallel.hpp"
#include "pgeist/run/finish.hpp"
#include "pgeist/run/other_tables.hpp"
#include "pgeist/swap/swapper.hpp"
#include "pgeist/transfer/capture/capture.hpp"
#include "pgeist/transfer/copy/copier.hpp"
#include "pgeist/transfer/read_side.hpp"
#include "pgeist/transfer/replay/moved_rows.hpp"
#include "pgeist/transfer/shared/own_tables.hpp"
#include "pgeist/transfer/verify/file_walk.hpp"
#include "pgeist/transfer/verify/verifier.hpp"

namespace pgeist::run {

namespace {

/// How much replay may be left before indexes are built or rows are compared.
constexpr auto small_backlog = std::chrono::milliseconds(1000);
constexpr auto replay_pause = std::chrono::milliseconds(200);
constexpr std::string_view bound_constraint = "pgeist_partition_bound";
/// A copy in the order of the file starts again when somebody rewrites the file; who does it again would do it for
/// ever.
constexpr int most_rewritings = 2;
constexpr auto permission_poll = std::chrono::milliseconds(100);

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

/// Somebody who changes the source makes our own statements fail in many ways: then that is the reason to tell. A
/// partition's bounds, too, are watched by a constraint on the shadow, but known by the source.
bool may_be_by_others_ddl(const std::exception_ptr& failure) {
    try {
        std::rethrow_exception(failure);
    } catch (const pg::sql_error& what) {
        return what.in_class("42") || std::string_view(what.what()).find(bound_constraint) != std::string_view::npos;
    } catch (const error& what) {
        return std::string_view(what.what()).find(bound_constraint) != std::string_view::npos;
    }
}

job::phase after(job::phase value) { return static_cast<job::phase>(static_cast<int>(value) + 1); }

}  // namespace

runner::runner(pg::pool& pool, pg::connect_options options, job::advisory_locks& hold, const job::record& job,
               job::identity& known, report::observer& observer)
    : options_(std::move(options)),
      hold_(&hold),
      known_(&known),
      reached_(job.reached),
      plan_(*job.blueprint),
      transfer_(plan_.transfer()),
      settings_(job.settings),
      switches_(settings_, job),
      told_(observer, progress_),
      work_{{pool, job.id, transfer_, settings_, told_, progress_, switches_, job.incarnation,
             hold.session().backend_pid(), &known},
            plan_},
      changes_(work_) {
    progress_.rows_total = job.blueprint->estimated_rows;
}

awaitable<void> runner::beside_the_heartbeat(awaitable<void> work) {
    std::vector<awaitable<void>> background;
    background.push_back(heartbeat(work_, *hold_, switches_, told_, *known_, reached_));
    background.push_back(switches_.gate().watch(options_, plan_.profile));
    std::exception_ptr failure;
    try {
        co_await pg::run_beside(std::move(work), std::move(background));
    } catch (...) {
        failure = std::current_exception();
    }
    co_await asio::this_coro::throw_if_cancelled(false);
    if (hold_->session().idle()) {
        co_await pg::shielded(store_events(work_, *hold_, told_));
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
    co_await count_done_before(reached_);  // what is told first
    co_await beside_the_heartbeat(phases());
}

awaitable<void> runner::compare() { return beside_the_heartbeat(compare_again()); }

awaitable<void> runner::count_done_before(job::phase now) {
    progress_.rows_done = 0;
    if (now == job::phase::copy || now == job::phase::verify) {
        const auto session = co_await work_.pool.acquire();
        progress_.rows_done = co_await job::rows_in_chunks(*session, work_.job, job::name_of(now).data());
    }
}

awaitable<void> runner::enter(job::phase now) {
    progress_.detail.clear();
    co_await count_done_before(now);
    work_.observer.phase_started(std::string(job::display_name(now)), std::string(job::lock_of(now)));
}

awaitable<void> runner::phases() {
    if (reached_ > job::phase::capture && reached_ < job::phase::finish) {
        co_await replay::finish_change_of_log(work_);
    }
    while (reached_ != job::phase::done) {
        co_await enter(reached_);
        bool truncated = false;
        bool rewritten = false;
        std::exception_ptr failure;
        try {
            co_await do_phase(reached_);
            work_.observer.progressed(progress_);
        } catch (const transfer::source_truncated&) {
            truncated = true;
        } catch (const transfer::source_rewritten&) {
            rewritten = true;
        } catch (const error&) {
            failure = std::current_exception();
        }
        if (failure && !has_swapped_ && reached_ < job::phase::finish && may_be_by_others_ddl(failure)) {
            co_await require_unchanged();
        }
        if (failure) {
            std::rethrow_exception(failure);  // before any await: a cancellation must not take its place
        }
        if (rewritten) {
            co_await after_rewriting();
        } else if (truncated) {
            work_.observer.message(report::level::warning, "the source table was truncated: the copy starts again");
            co_await start_copy_again();
            reached_ = job::phase::copy;
        } else {
            reached_ = after(reached_);
        }
        co_await save_phase(reached_);
    }
}

/// In the copy only the order of the file is lost. After it values may have changed, and a comparison of every row is
/// the only one that would notice, whatever --verify says. Who rewrites the file also builds its indexes anew: whether
/// they led to every row of the file of before is not asked again. (Else a rewriting now and then would never let the
/// walk over the file come to its end.)
awaitable<void> runner::after_rewriting() {
    const std::string what = "the source table was rewritten by someone else: ";
    if (reached_ == job::phase::copy) {
        ++rewritten_in_copy_;
        const bool by_key = rewritten_in_copy_ >= most_rewritings;
        work_.observer.message(report::level::warning,
                               what + "the copy starts again" + (by_key ? ", in the order of the key" : ""));
        co_await start_copy_again();
        co_return;
    }
    work_.observer.message(report::level::warning, what + "comparing every row");
    settings_.verify = verify_mode::full;
    indexes_are_new_ = true;
    const auto session = co_await work_.pool.acquire();
    co_await job::save_settings(*session, work_.tenure(), settings_);
    co_await job::forget_chunks(*session, work_.tenure(), "verify");
    reached_ = job::phase::verify;
}

awaitable<void> runner::require_unchanged() {
    const auto session = co_await work_.pool.acquire();
    co_await transfer::require_unchanged(*session, work_.transfer);
}

awaitable<void> runner::do_phase(job::phase now) {
    switch (now) {
        case job::phase::prepare:
            throw error(exit_code::failed, "the job was interrupted before its shadow table was made",
                        "remove it with: pgeist cleanup, and run again");
        case job::phase::capture:
            co_await capture();
            break;
        case job::phase::copy:
            co_await copy::copy_all(work_);
            progress_.rows_total = progress_.rows_done;
            break;
        case job::phase::key:
            progress_.rows_total = 0;
            if (work_.plan.heap_order) {
                co_await replay::delete_moved_rows(work_);
            }
            co_await build_key();
            break;
        case job::phase::replay:
        case job::phase::catch_up:
            progress_.rows_total = 0;
            co_await changes_.catch_up(small_backlog);
            break;
        case job::phase::build:
            co_await build();
            break;
        case job::phase::verify:
            co_await verify(work_.settings.verify);
            break;
        case job::phase::swap:
            co_await swap();
            break;
        case job::phase::finish:
            co_await finish(work_);
            break;
        case job::phase::done:
            break;
    }
}

awaitable<void> runner::save_phase(job::phase next) {
    const auto session = co_await work_.pool.acquire();
    co_await job::save_phase(*session, work_.tenure(), next);
}

namespace {

/// Under the lock that keeps writers out.
awaitable<void> install_capture(build::workspace& work, pg::connection& session) {
    co_await transfer::require_unchanged(session, work.transfer);
    co_await session.execute(capture::triggers_sql(work.transfer));
    co_await job::save_source_file(session, work.tenure(), work.plan.source_oid);
    co_await job::save_phase(session, work.tenure(), job::phase::copy);
}

}  // namespace

awaitable<void> runner::capture() {
    const auto session = co_await work_.pool.acquire();
    const auto observer_session = co_await work_.pool.acquire();
    const bool present = co_await capture::in_place(*session, work_.transfer);
    if (present) {
        co_return;
    }
    lock::target target;
    target.tables.push_back(work_.plan.table);
    target.mode = lock::mode::share_row_exclusive;
    lock::policy rules;
    rules.lock_timeout = work_.settings.lock_timeout;
    rules.attempts = work_.settings.swap_attempts;
    rules.max_wait = work_.settings.swap_max_wait;
    co_await lock::fit_to_server(*session, rules);
    co_await lock::acquire(*session, *observer_session, target, rules, work_.settings.blocked, work_.observer,
                           &work_.settings);
    const auto installation = [&] { return install_capture(work_, *session); };
    co_await job::conclude_in_tenure(*session, work_.tenure(), installation);
}

/// A change made during the copy would have to be replayed into every index that there is: so the key's alone is built
/// first, unless there was none.
awaitable<void> runner::build_key() {
    co_await work_.brake.before_chunk(0, std::chrono::nanoseconds(0));
    const bool unchanged = co_await changes_.at_consistent_point();
    co_await build::build_key_index(work_, unchanged);
}

/// Index builds cannot be slowed, so they are begun when nothing speaks against it; replay goes on until then.
awaitable<void> runner::wait_to_build() {
    while (switches_.gate().holds_back()) {
        progress_.detail = "waiting to build indexes";
        co_await changes_.pass();
        co_await pg::sleep_for(replay_pause);
    }
}

awaitable<void> runner::build() {
    progress_.rows_total = 0;
    bool complete = false;
    while (!complete) {
        co_await wait_to_build();
        // A resumed run may find here what was logged in days: too much for the one batch that follows.
        co_await changes_.catch_up(small_backlog);
        // Unique and exclusion indexes can only be built where the shadow equals the source as of one moment.
        co_await changes_.reach_consistent_point();
        complete = co_await build::build_indexes(work_);
    }
    co_await build::vacuum_shadow(work_);
}

awaitable<void> runner::replay_until(const bool& stop) {
    while (!stop) {
        co_await changes_.pass();
        co_await pg::sleep_for(replay_pause);
    }
}

namespace {

/// Looks at all rows and tells the replay beside it when to stop.
awaitable<void> look_then_stop(verify::verifier& verification, verify_mode how, bool in_file, bool& stop) {
    if (in_file) {
        co_await verification.look_up_all();
    }
    if (how != verify_mode::off) {
        co_await verification.compare_all();
    }
    stop = true;
}

}  // namespace

awaitable<void> runner::verify(verify_mode how) {
    std::optional<std::int64_t> asked;
    if (how == verify_mode::full) {
        asked = switches_.take_verify_request();  // what was asked for is what now begins
    }
    std::exception_ptr failure;
    job::comparison found;
    try {
        co_await compare_rows(how);
        found.detail = told_.last_verification();
        found.counts = told_.last_counts();
    } catch (const error& problem) {
        failure = std::current_exception();
        found.differs = problem.code() == exit_code::verification_failed;
        found.detail = problem.what();
    }
    if (asked && (!failure || found.differs)) {
        found.number = *asked;
        const auto session = co_await work_.pool.acquire();
        co_await job::answer_verify(*session, work_.tenure(), found);
    }
    if (failure) {
        std::rethrow_exception(failure);
    }
}

awaitable<void> runner::compare_rows(verify_mode how) {
    co_await build::check_violations(work_, changes_);
    // Known before, believed after: only a comparison of every row, none of which was made earlier, makes up for it
    // that somebody has rewritten them since they were copied.
    std::optional<std::int64_t> file;
    if (how == verify_mode::full) {
        const auto session = co_await work_.pool.acquire();
        file = co_await job::file_to_compare(*session, work_.job, work_.plan.source_oid);
    }
    const bool in_file = !indexes_are_new_;
    progress_.rows_total = (how == verify_mode::off || !in_file ? 1 : 2) * work_.plan.estimated_rows;
    const double percent = how == verify_mode::full ? 100 : work_.settings.verify_sample_percent;
    verify::verifier verification(work_, percent);
    bool stop = false;
    std::vector<awaitable<void>> tasks;
    tasks.push_back(look_then_stop(verification, how, in_file, stop));
    tasks.push_back(replay_until(stop));
    co_await pg::run_all(std::move(tasks));
    co_await verification.settle(changes_);
    if (how == verify_mode::off) {
        co_return;
    }
    progress_.rows_done = progress_.rows_total = verification.found().rows;  // each may have been looked at twice
    if (file) {
        const auto session = co_await work_.pool.acquire();
        co_await job::save_compared_file(*session, work_.tenure(), *file);
    }
    work_.observer.verified(verification.found());
}

awaitable<void> runner::compare_again() {
    co_await replay::finish_change_of_log(work_);
    const job::phase reached = reached_;
    {
        const auto session = co_await work_.pool.acquire();
        co_await job::forget_chunks(*session, work_.tenure(), "verify");
    }
    co_await verify::file_walk::forget(work_);
    // Whatever ends the comparison early: a resumed run makes it before it swaps.
    co_await save_phase(job::phase::verify);
    co_await enter(job::phase::verify);
    bool differ = false;
    std::exception_ptr failure;
    try {
        co_await changes_.catch_up(small_backlog);
        co_await verify(verify_mode::full);
        work_.observer.progressed(progress_);
    } catch (const error& problem) {
        failure = std::current_exception();
        if (problem.code() == exit_code::verification_failed) {
            told_.note("differences", problem.what());
            differ = true;
        }
    }
    if (differ) {
        // Also when the job was started without verification: what is known to differ must not be swapped in.
        settings_.verify = verify_mode::full;
        const auto session = co_await work_.pool.acquire();
        co_await job::save_settings(*session, work_.tenure(), settings_);
    }
    if (failure) {
        std::rethrow_exception(failure);
    }
    co_await save_phase(reached);
}

awaitable<void> runner::wait_for_permission_to_swap() {
    while (true) {
        if (switches_.verify_asked()) {
            switches_.waiting_for_swap(false);
            co_await compare_again();
            co_await enter(job::phase::swap);
            progress_.rows_total = 0;
        }
        const auto why = switches_.postponed(work_.job);
        if (!why) {
            break;
        }
        progress_.detail = *why;
        switches_.waiting_for_swap(true);
        co_await changes_.pass();
        co_await pg::sleep_for(permission_poll);
    }
    switches_.waiting_for_swap(false);
}

/// What runs beside (hooks) may object to the swap; replay goes on while it is asked.
awaitable<void> runner::ask_permission() {
    std::string why;
    report::permission answer = work_.observer.may_swap(why);
    while (answer == report::permission::not_yet) {
        progress_.detail = "waiting for the hook on-before-swap";
        co_await pg::sleep_for(permission_poll);
        co_await changes_.pass();
        answer = work_.observer.may_swap(why);
    }
    if (answer == report::permission::refused) {
        throw error(exit_code::failed, "the swap was stopped: " + why,
                    fmt::format("nothing was swapped, the source table is untouched; when the reason is gone go on "
                                "with: pgeist resume {}",
                                work_.job));
    }
}

awaitable<void> runner::swap() {
    progress_.rows_total = 0;
    co_await wait_for_permission_to_swap();
    co_await ask_permission();
    auto done = co_await try_to_swap();
    while (!done) {
        co_await wait_for_permission_to_swap();
        done = co_await try_to_swap();
    }
    if (!work_.settings.drop_old) {
        done->old_table = work_.plan.shadow().display();
    }
    has_swapped_ = true;
    // A signal that came at the commit stops the run, but not before the swap is told.
    co_await asio::this_coro::throw_if_cancelled(false);
    co_await tell_swap(std::move(*done));
    co_await asio::this_coro::throw_if_cancelled(true);
}

/// The swap's commit has waited for no synchronous standby, which would have kept its lock: this one does, before
/// anybody is told.
awaitable<void> runner::tell_swap(report::swap_outcome done) {
    std::exception_ptr failure;
    progress_.detail = "swapped, waiting for synchronous standbys";
    try {
        co_await save_phase(job::phase::finish);
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
awaitable<std::optional<report::swap_outcome>> runner::try_to_swap() {
    swap::swapper exchange(work_, changes_, switches_);
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

namespace {

awaitable<void> forget_copy(build::workspace& work, const plan::blueprint& next, pg::connection& session) {
    const std::string job = quote_identifier(work.plan.job_schema);
    co_await session.execute("TRUNCATE " + work.plan.shadow().sql());
    co_await build::drop_indexes(session, work.plan);
    // Only rows of the log that this snapshot sees may go: what commits later is not in the chunks' snapshots either.
    // REPEATABLE READ is not needed, since each statement's snapshot is older than every chunk that is still to come.
    co_await session.execute(fmt::format(
        "DELETE FROM {0}.pgeist_truncations; DELETE FROM {0}.pgeist_log; DELETE FROM {0}.pgeist_recheck", job));
    co_await job::forget_chunks(session, work.tenure(), "copy");
    co_await job::forget_chunks(session, work.tenure(), "verify");
    co_await job::save_source_file(session, work.tenure(), work.plan.source_oid);
    co_await job::save_blueprint(session, work.job, next);
    co_await job::save_phase(session, work.tenure(), job::phase::copy);
}

}  // namespace

awaitable<void> runner::start_copy_again() {
    const auto session = co_await work_.pool.acquire();
    plan::blueprint next = plan_;
    next.heap_order = plan_.heap_order && rewritten_in_copy_ < most_rewritings;
    const auto emptying = [&] { return forget_copy(work_, next, *session); };
    co_await transfer::in_tenure_alone(work_, *session, emptying);
    plan_.heap_order = next.heap_order;
    transfer_.heap_order = next.heap_order;
    progress_.rows_total = work_.plan.estimated_rows;
}

}  // namespace pgeist::run
