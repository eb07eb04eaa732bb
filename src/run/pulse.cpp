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

awaitable<void> pulse(job::workspace& work, job::hold& hold, switchboard& switches) {
    auto next_beat = clock::now();
    while (true) {
        work.progress.throttled = switches.gate().reason();
        for (const std::string& warning : switches.gate().take_warnings()) {
            work.observer.message(report::level::warning, warning);
        }
        work.observer.progressed(work.progress);
        if (clock::now() >= next_beat) {
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
            co_await check_log_size(work, hold.session());
            auto request = co_await job::beat(hold.session(), work.job, std::move(now));
            switches.asked(std::move(request));
            if (switches.cancel_requested()) {
                throw cancelled();
            }
            next_beat = clock::now() + between_beats;
        }
        co_await pg::sleep_for(tick);
    }
}

}  // namespace pgeist::run
