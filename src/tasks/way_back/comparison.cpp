#include "pgeist/job/checkpoints.hpp"
#include "pgeist/job/source_file.hpp"
#include "pgeist/pg/parallel.hpp"
#include "pgeist/report/outcome_text.hpp"
#include "pgeist/tasks/rewrite/replay_times.hpp"
#include "pgeist/tasks/way_back/work.hpp"
#include "pgeist/transfer/verify/file_walk.hpp"
#include "pgeist/transfer/verify/verifier.hpp"

namespace pgeist::way_back {

namespace {

/// Looks at all rows and tells the replay beside it when to stop.
awaitable<void> compare_then_stop(verify::verifier& verification, bool& stop) {
    co_await verification.compare_all();
    stop = true;
}

}  // namespace

awaitable<void> work::replay_until(const bool& stop) {
    while (!stop) {
        require_open();
        co_await changes_.pass();
        co_await pg::sleep_for(rewrite::replay_pause);
    }
}

awaitable<void> work::compare_rows(double percent, job::comparison& found) {
    {
        const auto session = co_await work_.pool.acquire();
        co_await job::forget_chunks(*session, work_.tenure(), "verify");
        if (percent >= 100) {  // whoever has rewritten the rows before does not matter then
            co_await job::save_source_file(*session, work_.tenure(), transfer_.read.oid);
        }
    }
    co_await verify::file_walk::forget(work_);
    work_.progress.rows_done = 0;
    work_.progress.rows_total = plan_.estimated_rows;
    verify::verifier verification(work_, percent);
    bool stop = false;
    std::vector<awaitable<void>> tasks;
    tasks.push_back(compare_then_stop(verification, stop));
    tasks.push_back(replay_until(stop));
    co_await pg::run_all(std::move(tasks));
    co_await verification.settle(changes_);
    found.counts = verification.found();
    found.detail = report::describe(found.counts);
    work_.observer.verified(found.counts);
}

/// One table after the other, each with all workers; those that are not compared are kept in step meanwhile.
awaitable<void> work::compare_each() {
    for (work* which : all()) {
        bool stop = false;
        std::vector<awaitable<void>> tasks;
        tasks.push_back(compare_one(*which, stop));
        for (work* other : all()) {
            if (other != which) {
                tasks.push_back(other->replay_until(stop));
            }
        }
        co_await pg::run_all(std::move(tasks));
    }
}

awaitable<void> work::compare_one(work& which, bool& stop) {
    const double percent = work_.settings.verify == run::verify_mode::full ? 100 : work_.settings.verify_sample_percent;
    job::comparison found;
    co_await which.compare_rows(percent, found);
    stop = true;
}

awaitable<void> work::compare_at_rest() {
    keeps_ = true;
    {
        const auto session = co_await work_.pool.acquire();
        co_await look_at_in_use(*session);
    }
    with_.enter(at(step::verify));
    co_await catch_up(rewrite::small_backlog);
    job::comparison found;
    co_await compare_rows(100, found);
    const auto session = co_await work_.pool.acquire();
    static_cast<void>(co_await note_unfit(*session));
    co_await job::save_phase(*session, work_.tenure(), at(step::window).name);
}

/// `pgeist verify` of a job that nobody runs.
awaitable<void> work::compare() {
    for (work* each : all()) {
        co_await each->compare_at_rest();
    }
    co_await plan_meanwhile();
    for (work* each : all()) {
        const auto session = co_await work_.pool.acquire();
        static_cast<void>(co_await each->note_unfit(*session));
    }
}

}  // namespace pgeist::way_back
