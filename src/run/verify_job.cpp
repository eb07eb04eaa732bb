#include <fmt/format.h>

#include "pgeist/core/error.hpp"
#include "pgeist/job/advisory_locks.hpp"
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

awaitable<void> ask_run_to_verify(pg::connection& session, std::int64_t job, report::observer& observer) {
    const job::record now = co_await job::load(session, job);
    if (now.swapped) {
        throw nothing_to_compare(now);
    }
    observer.job_started(job, now.table.display(), "shadow");
    const auto request = [&] { return job::steer(session, job, "verify", std::nullopt, std::nullopt); };
    const std::int64_t number = co_await pg::transaction(session, pg::isolation::read_committed, request);
    if (now.reached < job::phase::verify) {
        observer.message(report::level::info,
                         fmt::format("job {} is in phase {}: waiting for it to come to its verification", job,
                                     job::display_name(now.reached)));
    }
    std::optional<job::comparison> found;
    bool runs = true;
    while (!found && runs) {
        co_await pg::sleep_for(answer_poll);
        const pg::result alive = co_await session.query("SELECT " + job::held_condition(std::to_string(job)));
        runs = alive.boolean(0, 0);
        if (!runs) {  // it may only have lost its connection
            const std::vector<disconnected_run> absent = co_await find_disconnected(session, job);
            runs = !absent.empty();
        }
        found = co_await job::last_comparison(session, job);
        if (found && found->number < number) {
            found.reset();  // somebody else's question
        }
        if (!found) {
            const auto answers = co_await job::read_answers(session, job);
            require_not_forgotten(answers, job, number);
        }
    }
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
