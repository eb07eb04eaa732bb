#include "member.hpp"

#include <utility>

#include "pgeist/job/events.hpp"
#include "pgeist/job/requests.hpp"

namespace pgeist::group {

namespace {

constexpr auto between_beats = std::chrono::milliseconds(500);

job::identity identity_of(const job::identity& leader, const job::record& record) {
    job::identity known = leader;  // the same server
    known.token = record.token;
    known.incarnation = record.incarnation;
    return known;
}

report::observer& beyond(const task::context& with) {
    return with.of_others != nullptr ? *with.of_others : with.observer;
}

}  // namespace

void aside::job_started(std::int64_t job, const std::string& table, const std::string& strategy) {
    to_->concerns(job_);
    to_->job_started(job, table, strategy);
    to_->concerns(leader_);
}

void aside::phase_started(const report::phase& now) {
    to_->concerns(job_);
    to_->phase_started(now);
    to_->concerns(leader_);
}

void aside::progressed(const report::progress& now) {
    to_->concerns(job_);
    to_->progressed(now);
    to_->concerns(leader_);
}

void aside::lock_waited(int attempt, report::milliseconds waited, const std::vector<report::blocker>& blockers) {
    to_->concerns(job_);
    to_->lock_waited(attempt, waited, blockers);
    to_->concerns(leader_);
}

void aside::verified(const report::verification& found) {
    to_->concerns(job_);
    to_->verified(found);
    to_->concerns(leader_);
}

void aside::verified_before(const std::string& what) {
    to_->concerns(job_);
    to_->verified_before(what);
    to_->concerns(leader_);
}

void aside::swapped(const report::swap_outcome& done) {
    to_->concerns(job_);
    to_->swapped(done);
    to_->concerns(leader_);
}

void aside::message(report::level severity, const std::string& text) {
    to_->concerns(job_);
    to_->message(severity, text);
    to_->concerns(leader_);
}

member_at_work::member_at_work(const task::context& with, const task::kind& kind, worker_budget& budget, job::record of)
    : record(std::move(of)),
      mine{record.id, record.incarnation},
      known(identity_of(with.known, record)),
      steering(with.steering, budget, record.id, false),
      told_to(beyond(with), record.id, with.mine.job),
      told(told_to, progress),
      reached(&kind.reached(record)),
      current(reached),
      work(std::make_unique<member>(
          kind,
          task::context{with.pool, with.chosen, told, progress, steering,
                        [this](const task::phase& now) { enter(now); }, with.hold_pid, known, mine},
          record)) {
    budget.add(record.id, work->workspace().plan.table_bytes);
}

void member_at_work::enter(const task::phase& now) {
    if (std::exchange(entered, &now) == &now) {
        return;
    }
    current = &now;
    progress.detail.clear();
    progress.server.reset();
    told.phase_started(now.told);
}

awaitable<void> member_at_work::beat(pg::connection& session, std::int64_t leader) {
    const pg::result row = co_await session.query("SELECT state FROM pgeist.jobs WHERE id = $1", leader);
    job::heartbeat now;
    now.rows_done = progress.rows_done;
    now.rows_total = progress.rows_total;
    now.log_pending = progress.log_pending;
    now.throttled = progress.throttled;
    now.state = row.empty() ? "running" : row.text(0, 0);
    static_cast<void>(co_await job::beat(session, mine, std::move(now)));
    auto events = told.take_events();
    while (!events.empty()) {
        co_await job::add_event(session, mine.job, events.front().first, events.front().second);
        events.pop_front();
    }
}

awaitable<void> member_at_work::watch(pg::connection& session, std::int64_t leader) {
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
    co_await work->watch(session, *current);
}

}  // namespace pgeist::group
