#include <fmt/format.h>

#include "pgeist/core/error.hpp"
#include "pgeist/core/units.hpp"
#include "pgeist/job/store.hpp"
#include "pgeist/pg/parallel.hpp"
#include "verify_job.hpp"

namespace pgeist::run {

namespace {

constexpr auto poll = std::chrono::milliseconds(200);

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

/// The newest event of the run, since `after`, that answers a request to verify.
awaitable<std::optional<std::pair<std::string, std::string>>> answer(pg::connection& session, std::int64_t job,
                                                                     std::string after) {
    const pg::result row = co_await session.query(
        "SELECT event, coalesce(detail, '') FROM pgeist.events WHERE job = $1 AND at > $2::timestamptz "
        "AND event IN ('verified', 'differences', 'failed', 'interrupted', 'cancelled', 'done') ORDER BY at LIMIT 1",
        job, after);
    std::optional<std::pair<std::string, std::string>> found;
    if (!row.empty()) {
        found.emplace(row.text(0, 0), row.text(0, 1));
    }
    co_return found;
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
    const pg::result row = co_await session.query("SELECT clock_timestamp()::text");
    const std::string asked_at = row.text(0, 0);
    co_await job::steer(session, job, "verify", std::nullopt, std::nullopt);
    if (now.reached < job::phase::verify) {
        observer.message(report::level::info,
                         fmt::format("job {} is in phase {}: waiting for it to come to its verification", job,
                                     job::display_name(now.reached)));
    }
    std::optional<std::pair<std::string, std::string>> found;
    while (!found) {
        co_await pg::sleep_for(poll);
        found = co_await answer(session, job, asked_at);
        const pg::result alive =
            co_await session.query("SELECT coalesce(bool_or(alive), false) FROM pgeist.status WHERE job = $1", job);
        const bool runs = alive.boolean(0, 0);
        if (!found && !runs) {
            throw error(exit_code::failed, fmt::format("the run of job {} has ended without comparing", job),
                        fmt::format("compare without it: pgeist verify {}", job));
        }
    }
    const auto& [event, detail] = *found;
    if (event == "differences") {
        throw error(exit_code::verification_failed, detail,
                    "nothing was swapped, the source table is untouched; look at these rows in both tables");
    }
    if (event != "verified") {
        throw error(exit_code::failed, fmt::format("the run of job {} has ended without comparing: {}", job, detail),
                    fmt::format("pgeist status {} tells more", job));
    }
    observer.message(report::level::info, fmt::format("job {}: {}", job, detail));
}

}  // namespace pgeist::run
