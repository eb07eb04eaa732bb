#include "pgeist/run/pulse.hpp"

#include <fmt/format.h>

#include "pgeist/capture/capture.hpp"
#include "pgeist/core/error.hpp"
#include "pgeist/core/units.hpp"
#include "pgeist/pg/parallel.hpp"

namespace pgeist::run {

namespace {

using clock = std::chrono::steady_clock;

constexpr auto tick = std::chrono::milliseconds(100);
constexpr auto between_beats = std::chrono::milliseconds(500);
constexpr auto between_checks = std::chrono::milliseconds(1000);
constexpr auto between_notes = std::chrono::seconds(5);
/// A server that does not answer for so long is lost, whatever TCP says.
constexpr auto longest_silence = std::chrono::seconds(30);

throttle::work work_done(std::int64_t rows, std::chrono::nanoseconds took) {
    throttle::work done;
    done.rows = rows;
    done.time = std::chrono::duration_cast<std::chrono::milliseconds>(took);
    return done;
}

/// --max-log-size: stops before a log that replay cannot keep up with fills the disk.
awaitable<void> check_log_size(job::workspace& work, pg::connection& session) {
    if (!work.settings.max_log_size) {
        co_return;
    }
    const std::int64_t bytes = co_await capture::log_bytes(session, work.plan);
    if (bytes > *work.settings.max_log_size) {
        throw error(
            exit_code::failed,
            fmt::format("the change log has grown to {}, more than --max-log-size allows ({})", format_size(bytes),
                        format_size(*work.settings.max_log_size)),
            fmt::format("the source table is untouched; capture goes on: resume in a quieter time (pgeist resume {0}) "
                        "or remove the job (pgeist cleanup {0})",
                        work.job));
    }
}

}  // namespace

void switchboard::asked(job::control_request request) {
    if (request.paused && !asked_.paused) {
        gate_.pause("paused by the user");
    } else if (!request.paused && asked_.paused) {
        gate_.unpause();
    }
    asked_ = std::move(request);
}

awaitable<void> switchboard::before_chunk(std::int64_t rows, std::chrono::nanoseconds took) {
    const throttle::work last = work_done(rows, took);
    co_await gate_.pass(last);
}

awaitable<void> switchboard::before_batch(std::int64_t rows, std::chrono::nanoseconds took) {
    const throttle::work last = work_done(rows, took);
    co_await gate_.pass_replay(last);
}

namespace {

job::heartbeat heartbeat_of(const job::workspace& work, const switchboard& switches) {
    job::heartbeat now;
    now.rows_done = work.progress.rows_done;
    now.rows_total = work.progress.rows_total;
    now.log_pending = work.progress.log_pending;
    now.throttled = work.progress.throttled;
    if (switches.paused()) {
        now.state = "paused";
    } else if (switches.waiting_for_swap()) {
        now.state = "waiting_for_swap";
    } else if (work.progress.throttled) {
        now.state = "throttled";
    }
    return now;
}

/// The swap writes the job's row and may wait at its commit: a beat that cannot have the row is left out.
awaitable<void> beat(job::workspace& work, pg::connection& session, switchboard& switches) {
    job::heartbeat now = heartbeat_of(work, switches);
    try {
        auto request = co_await job::beat(session, work.tenure(), std::move(now), deadline::in(longest_silence));
        switches.asked(std::move(request));
    } catch (const pg::sql_error& failure) {
        if (!failure.is(pg::sqlstate::lock_not_available)) {
            throw;
        }
    }
    if (switches.cancel_requested()) {
        throw cancelled();
    }
}

bool is_captured(job::phase reached) { return reached > job::phase::capture && reached <= job::phase::swap; }

/// Whether somebody has changed the source under the run. The check under the swap's lock is the one that counts; this
/// one spares hours of work that will be refused.
awaitable<void> check_source(job::workspace& work, pg::connection& session, const job::phase& reached) {
    if (!is_captured(reached)) {
        co_return;
    }
    std::exception_ptr failure;
    try {
        co_await capture::require_unchanged(session, work.plan);
        co_await capture::require_in_place(session, work.plan);
    } catch (const pg::sql_error& problem) {
        if (!problem.is(pg::sqlstate::lock_not_available)) {
            throw;
        }
    } catch (const error&) {
        failure = std::current_exception();
    }
    if (failure) {
        // The swap changes the source too. It is committed, then, before we can see what it did.
        const job::record now = co_await job::load(session, work.job);
        if (!now.swapped) {
            std::rethrow_exception(failure);
        }
    }
}

awaitable<void> note_progress_of_wal(job::workspace& work, pg::connection& session, job::identity& known) {
    const job::identity now = co_await job::identify(session, work.job, deadline::in(longest_silence));
    known.timeline = now.timeline ? now.timeline : known.timeline;
    known.flushed = now.flushed ? now.flushed : known.flushed;
}

}  // namespace

awaitable<void> pulse(job::workspace& work, job::hold& hold, switchboard& switches, job::identity& known,
                      const job::phase& reached) {
    co_await hold.session().execute("SET lock_timeout = '5s'");
    auto next_beat = clock::now();
    auto next_check = clock::now();
    auto next_note = clock::now() + between_notes;
    while (true) {
        work.progress.throttled = switches.gate().reason();
        for (const std::string& warning : switches.gate().take_warnings()) {
            work.observer.message(report::level::warning, warning);
        }
        work.observer.progressed(work.progress);
        if (clock::now() >= next_beat) {
            co_await check_log_size(work, hold.session());
            co_await beat(work, hold.session(), switches);
            next_beat = clock::now() + between_beats;
        }
        if (clock::now() >= next_check) {
            co_await check_source(work, hold.session(), reached);
            next_check = clock::now() + between_checks;
        }
        if (clock::now() >= next_note) {
            co_await note_progress_of_wal(work, hold.session(), known);
            next_note = clock::now() + between_notes;
        }
        co_await pg::sleep_for(tick);
    }
}

}  // namespace pgeist::run
