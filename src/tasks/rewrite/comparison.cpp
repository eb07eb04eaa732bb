#include "pgeist/build/violations.hpp"
#include "pgeist/job/checkpoints.hpp"
#include "pgeist/job/events.hpp"
#include "pgeist/job/source_file.hpp"
#include "pgeist/pg/parallel.hpp"
#include "pgeist/report/outcome_text.hpp"
#include "pgeist/tasks/rewrite/replay_times.hpp"
#include "pgeist/tasks/rewrite/work.hpp"
#include "pgeist/transfer/replay/change_log.hpp"
#include "pgeist/transfer/verify/file_walk.hpp"
#include "pgeist/transfer/verify/verifier.hpp"

namespace pgeist::rewrite {

awaitable<void> work::replay_until(const bool& stop) {
    while (!stop) {
        co_await changes_.pass();
        co_await pg::sleep_for(replay_pause);
    }
}

namespace {

/// Looks at all rows and tells the replay beside it when to stop.
awaitable<void> look_then_stop(verify::verifier& verification, run::verify_mode how, bool in_file, bool& stop) {
    if (in_file) {
        co_await verification.look_up_all();
    }
    if (how != run::verify_mode::off) {
        co_await verification.compare_all();
    }
    stop = true;
}

}  // namespace

awaitable<void> work::verify(run::verify_mode how) {
    std::optional<std::int64_t> asked;
    if (how == run::verify_mode::full) {
        asked = with_.steering.take_comparison();  // what was asked for is what now begins
    }
    std::exception_ptr failure;
    job::comparison found;
    try {
        co_await compare_rows(how, found);
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

awaitable<void> work::compare_rows(run::verify_mode how, job::comparison& found) {
    co_await build::check_violations(work_, changes_);
    // Known before, believed after: only a comparison of every row, none of which was made earlier, makes up for it
    // that somebody has rewritten them since they were copied.
    std::optional<std::int64_t> file;
    if (how == run::verify_mode::full) {
        const auto session = co_await work_.pool.acquire();
        file = co_await job::file_to_compare(*session, work_.job, work_.plan.source_oid);
    }
    const bool in_file = !indexes_are_new_;
    work_.progress.rows_total = (how == run::verify_mode::off || !in_file ? 1 : 2) * work_.plan.estimated_rows;
    const double percent = how == run::verify_mode::full ? 100 : work_.settings.verify_sample_percent;
    verify::verifier verification(work_, percent);
    bool stop = false;
    std::vector<awaitable<void>> tasks;
    tasks.push_back(look_then_stop(verification, how, in_file, stop));
    tasks.push_back(replay_until(stop));
    co_await pg::run_all(std::move(tasks));
    co_await verification.settle(changes_);
    if (how == run::verify_mode::off) {
        co_return;
    }
    found.counts = verification.found();
    found.detail = report::describe(found.counts);
    work_.progress.rows_done = work_.progress.rows_total = found.counts.rows;  // each may have been looked at twice
    if (file) {
        const auto session = co_await work_.pool.acquire();
        co_await job::save_compared_file(*session, work_.tenure(), *file);
    }
    work_.observer.verified(found.counts);
}

awaitable<void> work::compare() { return compare_again(reached_); }

awaitable<void> work::compare_again(step reached) {
    co_await replay::finish_log_replacement(work_);
    {
        const auto session = co_await work_.pool.acquire();
        co_await job::forget_chunks(*session, work_.tenure(), "verify");
    }
    co_await verify::file_walk::forget(work_);
    // Whatever ends the comparison early: a resumed run makes it before it swaps.
    co_await save_phase(step::verify);
    work_.progress.rows_done = 0;
    with_.enter(at(step::verify));
    std::optional<std::string> difference;
    std::exception_ptr failure;
    try {
        co_await changes_.catch_up(small_backlog);
        co_await verify(run::verify_mode::full);
        work_.observer.progressed(work_.progress);
    } catch (const error& problem) {
        failure = std::current_exception();
        if (problem.code() == exit_code::verification_failed) {
            difference = problem.what();
        }
    }
    if (difference) {
        // Also when the job was started without verification: what is known to differ must not be swapped in.
        with_.chosen.verify = run::verify_mode::full;
        const auto session = co_await work_.pool.acquire();
        co_await job::save_settings(*session, work_.tenure(), with_.chosen);
        co_await job::add_event(*session, work_.job, "differences", *difference);
    }
    if (failure) {
        std::rethrow_exception(failure);
    }
    co_await save_phase(reached);
}

}  // namespace pgeist::rewrite
