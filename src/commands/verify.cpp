#include <fmt/format.h>

#include "find_kind.hpp"
#include "pgeist/commands/commands.hpp"
#include "pgeist/core/error.hpp"
#include "pgeist/job/advisory_locks.hpp"
#include "pgeist/job/record.hpp"
#include "pgeist/job/state_schema.hpp"
#include "pgeist/job/state_trust.hpp"
#include "pgeist/pg/parallel.hpp"
#include "pgeist/pg/transaction.hpp"
#include "pgeist/supervise/carry_out.hpp"
#include "pgeist/supervise/disconnected_runs.hpp"
#include "pgeist/supervise/takeover.hpp"
#include "pgeist/tasks/group/kind.hpp"
#include "pgeist/tasks/group/way_back.hpp"
#include "pgeist/tasks/registry.hpp"
#include "requests.hpp"

namespace pgeist::commands {

namespace {

constexpr auto answer_poll = std::chrono::milliseconds(200);

/// What is asked for, and whether somebody may still answer.
struct question {
    std::int64_t job = 0;
    std::int64_t leader = 0;  ///< that is asked in its place
    std::int64_t number = 0;
    bool runs = true;
    std::optional<job::comparison> answer;
};

awaitable<void> ask(pg::connection& session, job::record& now, question& what) {
    now = co_await job::load(session, what.job);
    if (const auto why = tasks::kind_named(now.kind, now.id).nothing_to_compare(now, true)) {
        throw error(*why);
    }
    what.leader = co_await job::leader_of(session, what.job);
    what.number = co_await hand_in(session, what.leader, "verify", std::nullopt, std::nullopt);
}

awaitable<void> look_for_answer(pg::connection& session, question& what) {
    const pg::result alive = co_await session.query("SELECT " + job::held_condition(std::to_string(what.leader)));
    what.runs = alive.boolean(0, 0);
    if (!what.runs) {  // it may only have lost its connection
        const std::vector<supervise::disconnected_run> absent =
            co_await supervise::find_disconnected(session, what.leader);
        what.runs = !absent.empty();
    }
    what.answer = co_await job::last_comparison(session, what.job);
    if (what.answer && what.answer->number < what.number) {
        what.answer.reset();  // somebody else's question
    }
    if (!what.answer) {
        const auto answers = co_await job::read_answers(session, what.leader);
        require_not_forgotten(answers, what.leader, what.number);
    }
}

awaitable<void> ask_run_to_verify(pg::connection& session, std::int64_t job, report::observer& observer) {
    job::record now;
    question what;
    what.job = job;
    const auto asking = [&] { return ask(session, now, what); };
    co_await job::guarded(session, asking);
    const task::kind& kind = tasks::kind_named(now.kind, now.id);
    observer.job_started(job, now.table.display(), kind.labels().strategy);
    if (kind.nothing_to_compare(now, false)) {
        observer.message(report::level::info,
                         fmt::format("job {} is in phase {}: waiting for it to come to its verification", job,
                                     kind.reached(now).told.name));
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

/// Whether a run has the job, which must be there.
awaitable<bool> look_for_run(pg::connection& session, std::int64_t job) {
    static_cast<void>(co_await job::load(session, job));
    const pg::result row = co_await session.query("SELECT " + job::held_condition("$1::bigint"), job);
    co_return row.boolean(0, 0);
}

}  // namespace

awaitable<exit_code> verify(pg::connect_options options, std::int64_t job, report::observer& observer) {
    supervise::session_set sessions(std::move(options));
    bool runs = false;
    {
        const auto session = co_await sessions.pool.acquire();
        co_await job::bring_state_up_to_date(*session);
        const auto looking = [&] { return look_for_run(*session, job); };
        runs = co_await job::guarded(*session, looking);
        if (runs) {
            co_await ask_run_to_verify(*session, job, observer);
        }
    }
    if (!runs) {
        co_await supervise::open_hold(sessions);
        const task::kind* found = co_await find_kind(sessions.hold->session(), job);
        const std::int64_t leader = co_await find_leader(sessions.hold->session(), job);
        const task::kind* leads = co_await find_kind(sessions.hold->session(), leader);
        if (leads == &group::kind() || leads == &group::way_back_kind()) {  // its tables are compared together
            found = leads;
            job = leader;
        }
        const task::kind& kind = *found;
        job::record record = co_await supervise::take_over(sessions, kind, job);
        if (const auto why = kind.nothing_to_compare(record, false)) {
            throw error(*why);
        }
        observer.job_started(record.id, record.table.display(), kind.labels().strategy);
        co_await supervise::compare_again(sessions, kind, std::move(record), observer);
        observer.message(report::level::info,
                         fmt::format("job {0} was compared and is as it was; go on with: pgeist resume {0}", job));
    }
    co_return exit_code::done;
}

}  // namespace pgeist::commands
