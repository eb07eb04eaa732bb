#include "run.hpp"

#include <map>

#include <boost/asio/this_coro.hpp>
#include <fmt/format.h>

#include "duplicates.hpp"
#include "pgeist/core/deadline.hpp"
#include "pgeist/core/units.hpp"
#include "pgeist/lock/table_lock.hpp"
#include "pgeist/pg/parallel.hpp"
#include "pgeist/report/lock_wait_view.hpp"
#include "pgeist/watch/statement_watch.hpp"

namespace pgeist::concurrently {

namespace {

using clock = deadline::clock;

/// A deadlock is found by whoever waits longer than deadlock_timeout, a second where nobody has changed it: it has to
/// be seen before.
constexpr auto between_looks = std::chrono::milliseconds(100);

/// What the watch over one statement remembers.
struct watching {
    audience to;
    job::tenure mine;
    const entry& about;
    bool noted = false;
    watch::pace own_pace;
    report::lock_wait_filter filter;
    std::map<int, clock::time_point> since;  ///< when each of those waited for was seen first
};

void show(watching& of, const watch::build_row& build) {
    if (of.to.progress == nullptr) {
        return;
    }
    report::server_figures figures;
    figures.phase = build.phase;
    const double share = watch::percent_of(build) / 100;
    figures.percent = of.to.percent_from + (of.to.percent_to - of.to.percent_from) * share;
    watch::pace& pace = of.to.pace != nullptr ? *of.to.pace : of.own_pace;
    pace.add(clock::now(), figures.percent);
    figures.eta_seconds = pace.eta_seconds();
    of.to.progress->server = std::move(figures);
}

/// @throws error when one has been waited for too long
void tell_blockers(watching& of, const std::vector<report::blocker>& blockers) {
    std::map<int, clock::time_point> now;
    for (const report::blocker& each : blockers) {
        const auto known = of.since.find(each.pid);
        now[each.pid] = known == of.since.end() ? clock::now() : known->second;
    }
    of.since = std::move(now);
    if (blockers.empty()) {
        if (of.to.progress != nullptr) {
            of.to.progress->blocked_by.clear();
        }
        return;
    }
    for (const report::blocker& each : blockers) {
        const auto waited = std::chrono::duration_cast<report::milliseconds>(clock::now() - of.since[each.pid]);
        if (waited >= of.to.patience()) {
            throw error(exit_code::lock_not_obtained,
                        fmt::format("the server has waited for {} for this transaction to end: {}",
                                    format_duration(waited), lock::describe(each)),
                        "end that transaction, or raise --swap-max-wait; then go on with: pgeist resume JOB");
        }
    }
    if (of.filter.worth_a_line(blockers, clock::now())) {
        const auto waited =
            std::chrono::duration_cast<report::milliseconds>(clock::now() - of.since[blockers.front().pid]);
        of.to.observer.lock_waited(0, waited, blockers);
    }
}

awaitable<void> look_once(watching& of, pg::connection& session, int pid) {
    const watch::look now = co_await watch::look_at(session, pid);
    if (now.build) {
        show(of, *now.build);
        const std::int64_t seen = now.build->index_oid;
        if (!of.noted && seen != 0 && seen != of.about.oid) {
            co_await note_made(session, of.mine, of.about, seen);
            of.noted = true;
        }
    }
    if (now.in_a_circle) {
        throw gave_way(lock::describe(now.blockers.front()));
    }
    tell_blockers(of, now.blockers);
}

/// Until it is cancelled.
awaitable<void> keep_watch(watching& of, int pid) {
    const auto session = co_await of.to.pool.acquire();
    while (true) {
        co_await pg::sleep_for(between_looks);
        try {
            co_await look_once(of, *session, pid);
        } catch (const pg::sql_error& failure) {
            if (failure.poisons_connection() || !failure.passing()) {
                throw;
            }
        }
    }
}

awaitable<void> execute(pg::connection& session, const std::string& sql) { co_await session.execute(sql); }

/// The session's timeouts, and its memory for builds, changed for one statement.
class changed_settings {
public:
    explicit changed_settings(pg::connection& session) : session_(&session) {}

    [[nodiscard]] awaitable<void> change(const run::settings* chosen) {
        const pg::result row = co_await session_->query(
            "SELECT format('SET statement_timeout = %L; SET lock_timeout = %L; SET maintenance_work_mem = %L', "
            "current_setting('statement_timeout'), current_setting('lock_timeout'), "
            "current_setting('maintenance_work_mem'))");
        before_ = row.text(0, 0);
        std::string sql = "SET statement_timeout = 0; SET lock_timeout = 0";
        if (chosen != nullptr && chosen->maintenance_work_mem) {
            sql += fmt::format("; SET maintenance_work_mem = '{}kB'", *chosen->maintenance_work_mem / 1024);
        }
        co_await session_->execute(std::move(sql));
    }
    [[nodiscard]] awaitable<void> restore() {
        if (!session_->broken()) {
            co_await session_->execute(before_);
        }
    }

private:
    pg::connection* session_;
    std::string before_;
};

bool is_lost(const std::exception_ptr& failure) {
    try {
        std::rethrow_exception(failure);
    } catch (const error& problem) {
        return problem.code() == exit_code::connection_lost || problem.code() == exit_code::already_running;
    } catch (...) {
        return false;
    }
}

/// Somebody was faster with the name.
bool is_taken(const std::exception_ptr& failure) {
    try {
        std::rethrow_exception(failure);
    } catch (const pg::sql_error& problem) {
        return problem.is(pg::sqlstate::duplicate_table);
    } catch (...) {
        return false;
    }
}

[[noreturn]] void throw_taken(const entry& about) {
    throw error(exit_code::refused, fmt::format("somebody else has just made {}", about.name.display()),
                "give the new index another name, or drop or rename that one; then go on with: pgeist resume JOB");
}

bool may_try_again(const std::exception_ptr& failure) {
    try {
        std::rethrow_exception(failure);
    } catch (const gave_way&) {
        return true;
    } catch (const pg::sql_error& problem) {
        return problem.is(pg::sqlstate::deadlock_detected);
    } catch (...) {
        return false;
    }
}

}  // namespace

gave_way::gave_way(const std::string& who)
    : error(exit_code::lock_not_obtained,
            fmt::format("the statement was given up again and again, because it and another session waited for each "
                        "other: {}",
                        who),
            "try again when that session is done: pgeist resume JOB") {}

audience audience_of(workspace& work) {
    audience to{work.pool, work.observer};
    to.progress = &work.progress;
    to.follow = &work.settings;
    to.percent_from = work.percent_from;
    to.percent_to = work.percent_to;
    to.pace = work.pace;
    return to;
}

awaitable<void> run_watched(audience to, pg::connection& session, job::tenure mine, std::string sql,
                            const entry& about) {
    changed_settings settings(session);
    co_await settings.change(to.follow);
    watching watched{to, mine, about};
    std::vector<awaitable<void>> beside;
    beside.push_back(keep_watch(watched, session.backend_pid()));
    std::exception_ptr failure;
    try {
        co_await pg::run_beside(execute(session, sql), std::move(beside));
    } catch (...) {
        failure = std::current_exception();
    }
    if (to.progress != nullptr) {
        to.progress->server.reset();
        to.progress->blocked_by.clear();
    }
    if (!failure) {
        co_await settings.restore();
        co_return;
    }
    co_await asio::this_coro::throw_if_cancelled(false);
    if (session.idle()) {
        co_await pg::shielded(settings.restore());
    }
    co_await asio::this_coro::throw_if_cancelled(true);
    std::rethrow_exception(failure);
}

awaitable<void> carry_out(workspace& work, pg::connection& session, std::string sql, entry about) {
    const audience to = audience_of(work);
    for (int tries = 1;; ++tries) {
        co_await wait_to_begin(work);
        co_await take_back_known(to, session, work.mine, about);
        co_await add(session, work.mine, about);
        std::exception_ptr failure;
        std::string left_behind;
        try {
            co_await run_watched(to, session, work.mine, sql, about);
        } catch (...) {
            failure = std::current_exception();
        }
        if (!failure) {
            co_return;
        }
        if (pg::is_cancellation(failure) || is_lost(failure)) {
            std::rethrow_exception(failure);
        }
        if (is_taken(failure)) {  // what has the name now is somebody else's, whatever it is
            co_await remove(session, work.mine, about);
            throw_taken(about);
        }
        const bool again = may_try_again(failure) && tries < most_tries;
        if (!again) {
            failure = co_await explain(session, work.mine, about, failure);
        }
        try {
            co_await take_back_known(to, session, work.mine, about);
        } catch (const error& problem) {
            if (again || pg::is_cancellation(std::current_exception())) {
                throw;
            }
            left_behind = problem.what();
        }
        if (!left_behind.empty()) {
            work.observer.message(report::level::warning,
                                  fmt::format("what is left of {} could not be removed yet, which pgeist resume {} and "
                                              "pgeist cleanup {} do: {}",
                                              about.name.display(), work.mine.job, work.mine.job, left_behind));
        }
        if (!again) {
            std::rethrow_exception(failure);
        }
        work.observer.message(report::level::info,
                              fmt::format("{} gave way to another session and is begun anew", about.name.display()));
        co_await pg::sleep_for(tries * pause_after_giving_way);
    }
}

}  // namespace pgeist::concurrently
