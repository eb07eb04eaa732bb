#include "beside.hpp"

#include <utility>

#include "pgeist/job/requests.hpp"
#include "pgeist/task/progress.hpp"

namespace pgeist::group {

namespace {

constexpr auto between_beats = std::chrono::milliseconds(500);

report::observer& beyond(const task::context& with) {
    return with.of_others != nullptr ? *with.of_others : with.observer;
}

}  // namespace

template <class Tell>
void aside::tell(const Tell& what) {
    to_->concerns(job_);
    what(*to_);
    to_->concerns(leader_);
}

void aside::job_started(std::int64_t job, const std::string& table, const std::string& strategy) {
    tell([&](report::observer& to) { to.job_started(job, table, strategy); });
}

void aside::phase_started(const report::phase& now) {
    tell([&](report::observer& to) { to.phase_started(now); });
}

void aside::progressed(const report::progress& now) {
    tell([&](report::observer& to) { to.progressed(now); });
}

void aside::lock_waited(int attempt, report::milliseconds waited, const std::vector<report::blocker>& blockers) {
    tell([&](report::observer& to) { to.lock_waited(attempt, waited, blockers); });
}

void aside::verified(const report::verification& found) {
    tell([&](report::observer& to) { to.verified(found); });
}

void aside::verified_before(const std::string& what) {
    tell([&](report::observer& to) { to.verified_before(what); });
}

void aside::swapped(const report::swap_outcome& done) {
    tell([&](report::observer& to) { to.swapped(done); });
}

void aside::not_revertible(const std::string& why) {
    tell([&](report::observer& to) { to.not_revertible(why); });
}

void aside::message(report::level severity, const std::string& text) {
    tell([&](report::observer& to) { to.message(severity, text); });
}

beside::beside(const task::context& with, worker_budget& budget, job::record of, const task::phase& now)
    : record(std::move(of)),
      mine{record.id, record.incarnation},
      known(job::identity_of(with.known, record)),
      steering(with.steering, budget, record.id, false),
      told_to(beyond(with), record.id, with.mine.job),
      told(told_to, progress),
      current(&now) {}

task::context beside::context_like(const task::context& leaders) {
    return {leaders.pool,     leaders.chosen, told, progress, steering, [this](const task::phase& now) { enter(now); },
            leaders.hold_pid, known,          mine};
}

void beside::enter(const task::phase& now) {
    if (std::exchange(entered, &now) == &now) {
        return;
    }
    current = &now;
    progress.detail.clear();
    progress.server.reset();
    told.phase_started(now.told);
}

awaitable<void> beside::beat(pg::connection& session, std::int64_t leader) {
    const pg::result row = co_await session.query("SELECT state FROM pgeist.jobs WHERE id = $1", leader);
    job::heartbeat now = task::heartbeat_of(progress, row.empty() ? "running" : row.text(0, 0));
    static_cast<void>(co_await job::beat(session, mine, std::move(now)));
    co_await task::store_events(session, mine.job, told);
}

awaitable<void> beside::watch(pg::connection& session, std::int64_t leader, task::work& work) {
    told.progressed(progress);
    const auto now = std::chrono::steady_clock::now();
    if (now >= next_beat) {
        next_beat = now + between_beats;
        try {
            co_await beat(session, leader);
        } catch (const pg::sql_error& failure) {
            if (failure.poisons_connection() || !failure.passing()) {
                throw;
            }  // somebody holds the row, or the server is slow: the next one will do
        }
    }
    co_await work.watch(session, *current);
}

}  // namespace pgeist::group
