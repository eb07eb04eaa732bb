#include "pgeist/run/pulse.hpp"

#include "pgeist/core/error.hpp"
#include "pgeist/pg/parallel.hpp"

namespace pgeist::run {

namespace {

using clock = std::chrono::steady_clock;

constexpr auto tick = std::chrono::milliseconds(100);
constexpr auto between_beats = std::chrono::milliseconds(500);

}  // namespace

awaitable<void> switchboard::before_chunk(std::int64_t, std::chrono::nanoseconds) {
    while (asked_.paused) {
        co_await pg::sleep_for(tick);
    }
}

awaitable<void> switchboard::before_batch() { co_return; }

awaitable<void> pulse(job::workspace& work, job::hold& hold, switchboard& switches, const bool& finished) {
    auto next_beat = clock::now();
    while (!finished) {
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
