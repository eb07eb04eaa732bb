#include <fmt/format.h>

#include "pgeist/core/error.hpp"
#include "pgeist/job/advisory_locks.hpp"
#include "pgeist/job/state_trust.hpp"
#include "pgeist/job/store.hpp"
#include "pgeist/pg/parallel.hpp"
#include "pgeist/pg/transaction.hpp"
#include "pgeist/run/disconnected_runs.hpp"
#include "requests.hpp"
#include "verify_job.hpp"

namespace pgeist::run {

namespace {

constexpr auto answer_poll = std::chrono::milliseconds(200);

error nothing_to_compare(const job::record& job) {
    if (job.swapped) {
        return error(exit_code::refused,
                     fmt::format("job {} has swapped the tables, and the old one is not kept in sync", job.id),
                     "compare before the swap: --postpone-swap, then pgeist verify");
    }
    return error(exit_code::refused,
                 fmt::format("job {} has not come to its verification: it is in phase {}", job.id,
                             job::display_name(job.reached)),
                 fmt::format("the shadow table is not complete yet; pgeist status {} shows how far it is", job.id));
}

}  // namespace

void require_comparable(const job::record& job) {
    const bool far_enough = job.reached == job::phase::verify || job.reached == job::phase::swap;
    if (!far_enough) {
        throw nothing_to_compare(job);
    }
}

namespace {

/// What is asked for, and whether somebody may still answer.
struct question {
    std::int64_t job = 0;
    std::int64_t number = 0;
    bool runs = true;
    std::optional<job::comparison> answer;
};

awaitable<void> ask(pg::connection& session, job::record& now, question& what) {
    now = co_await job::load(session, what.job);
    if (now.swapped) {
        throw nothing_to_compare(now);
    }
    what.number = co_await job::steer(session, what.job, "verify", std::nullopt, std::nullopt);
}

awaitable<void> look_for_answer(pg::connection& session, question& what) {
    const pg::result alive = co_await session.query("SELECT " + job::held_condition(std::to_string(what.job)));
    what.runs = alive.boolean(0, 0);
    if (!what.runs) {  // it may only have lost its connection
        const std::vector<disconnected_run> absent = co_await find_disconnected(session, what.job);
        what.runs = !absent.empty();
    }
    what.answer = co_await job::last_comparison(session, what.job);
    if (what.answer && what.answer->number < what.number) {
        what.answer.reset();  // somebody else's question
    }
    if (!what.answer) {
        const auto answers = co_await job::read_answers(session, what.job);
        require_not_forgotten(answers, what.job, what.number);
    }
}

}  // namespace

awaitable<void> ask_run_to_verify(pg::connection& session, std::int64_t job, report::observer& observer) {
    job::record now;
    question what;
    what.job = job;
    const auto asking = [&] { return ask(session, now, what); };
    co_await job::guarded(session, asking);
    observer.job_started(job, now.table.display(), "shadow");
    if (now.reached < job::phase::verify) {
        observer.message(report::level::info,
                         fmt::format("job {} is in phase {}: waiting for it to come to its verification", job,
                                     job::display_name(now.reached)));
    }
    const auto looking = [&] { return look_for_answer(session, what); };
    while (!what.answer && what.runs) {
        co_await pg::sleep_for(answer_poll);
        co_await job::guarded(session, looking);
    }
    const std::optional<job::comparison>& found = what.answer;
    if (!found) {
        throw error(exit_code::failed, fmt::format("the run of job {} has ended without comparing", job),
                    fmt::format("see why with: pgeist status {0}; compare without it: pgeist verify {0}", job));
    }
    if (found->differs) {
        throw error(exit_code::verification_failed, found->detail,
                    "nothing was swapped, the source table is untouched; look at these rows in both tables");
    }
    observer.verified(found->counts);
    observer.message(report::level::info, fmt::format("job {}: {}", job, found->detail));
}

}  // namespace pgeist::run
